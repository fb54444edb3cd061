//! Sums of binary layers, taken out of words by four.

use core::arch::naked_asm;
use core::mem::MaybeUninit;
use core::slice;

/// Room for a product, which only instructions write and add to: what it holds at first is some
/// number to them.
pub(crate) type Product = MaybeUninit<i32>;
pub(crate) const PRODUCT: Product = MaybeUninit::uninit();

/// How a field is taken out of a word, and what becomes of it.
#[repr(C)]
pub(crate) struct Field {
    /// Added to the word first.
    pub(crate) carry: u32,
    /// Bits up, after which the field is the highest.
    pub(crate) left: u32,
    /// Bits up, which is a negative number, after which it is the lowest.
    pub(crate) right: i32,
    pub(crate) factor: i32,
    pub(crate) offset: i32,
}

/// One of the loops.
#[derive(Clone, Copy)]
pub(crate) struct Products(unsafe extern "C" fn(*const u32, *mut i32, usize, *const Field));

impl Products {
    /// Of fields that may be negative, if `signed`; the offset is added, if they are the `first`.
    #[inline(always)]
    pub(crate) fn new(signed: bool, first: bool) -> Self {
        Self(match (signed, first) {
            (false, true) => first_counts,
            (false, false) => more_counts,
            (true, true) => first_sums,
            (true, false) => more_sums,
        })
    }

    /// Of as many words as the shorter slice holds; what `z` holds then.
    #[inline(always)]
    pub(crate) fn add<'z>(self, packed: &[u32], z: &'z mut [Product], field: &Field) -> &'z [i32] {
        let count = packed.len().min(z.len());
        // SAFETY: both slices hold `count` elements, and the predicated loops touch no others; they
        // write all of those in `z`.
        unsafe {
            (self.0)(packed.as_ptr(), z.as_mut_ptr().cast(), count, field);
            slice::from_raw_parts(z.as_ptr().cast(), count)
        }
    }
}

macro_rules! products {
    ($name:ident, $start:literal, $right:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(packed: *const u32, z: *mut i32, count: usize, work: *const Field) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r8, lr}}",
                "ldm r3, {{r4, r5, r6, r7, r8}}",
                "vdup.32 q2, r8",
                "wlstp.32 lr, r2, 3f",
                "2:",
                "vldrw.u32 q0, [r0], #16",
                $start,
                "vadd.i32 q0, q0, r4",
                "vshl.u32 q0, r5",
                $right,
                "vmla.i32 q1, q0, r7",
                "vstrw.32 q1, [r1], #16",
                "letp lr, 2b",
                "3:",
                "pop {{r4-r8, pc}}",
            )
        }
    };
}
products!(first_counts, "vmov q1, q2", "vshl.u32 q0, r6");
products!(more_counts, "vldrw.u32 q1, [r1]", "vshl.u32 q0, r6");
products!(first_sums, "vmov q1, q2", "vshl.s32 q0, r6");
products!(more_sums, "vldrw.u32 q1, [r1]", "vshl.s32 q0, r6");
