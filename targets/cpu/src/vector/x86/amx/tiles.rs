//! The tile registers: whether they may be used, their shape, and products of tiles.
//!
//! Only the blocks of assembly here touch the tile registers. The compiler has no other use for
//! them, so what one block leaves in them is there for the next one.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

use crate::vector::isa::LANES;
pub(super) use crate::vector::x86::avx512::{GROUPS, Tile};

/// Rows of a tile.
pub(super) const ROWS: usize = 16;
/// Bytes of a row of a tile.
pub(super) const BYTES: usize = 64;

/// The sums of one tile: sixteen rows of the channels of one panel.
pub(super) type Sums = [[i32; LANES]; ROWS];

/// Sixteen rows of activations that lie at one distance in memory, of whole tiles.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    x: &'a [u8],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `steps` times 64 bytes, `stride` apart in `x`. `None` where `x` does not hold sixteen of
    /// them.
    #[inline(always)]
    pub(super) fn new(x: &'a [u8], stride: usize, steps: usize) -> Option<Self> {
        let len = (ROWS - 1).checked_mul(stride)?.checked_add(steps.checked_mul(BYTES)?)?;
        (x.len() >= len).then_some(Self { x, stride })
    }
}

/// Whether the CPU has tiles of int8 and the system saves them. Asks the system for nothing, and the CPU
/// the first time alone: in a virtual machine each CPUID takes microseconds.
pub(super) fn is_offered() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(detect)
}

/// [`is_offered`], by asking the CPU.
fn detect() -> bool {
    const TILES: u64 = 3 << 17;
    if !cfg!(target_os = "linux") || !std::is_x86_feature_detected!("xsave") || __cpuid(0).eax < 7 {
        return false;
    }
    // Bits 24 and 25: tiles, and their products of int8.
    let has_tiles = __cpuid_count(7, 0).edx >> 24 & 3 == 3;
    // SAFETY: the system has turned XGETBV on, as `xsave` says where it is detected.
    has_tiles && unsafe { saved_state() } & TILES == TILES
}

/// The parts of the state that the system saves.
///
/// # Safety
///
/// Where XGETBV is.
#[target_feature(enable = "xsave")]
unsafe fn saved_state() -> u64 {
    // SAFETY: as the caller vouches.
    unsafe { core::arch::x86_64::_xgetbv(0) }
}

/// Whether this process may use the tiles: asks the system the first time. The answer holds for
/// every thread.
pub(super) fn is_permitted() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| is_offered() && request())
}

/// Asks Linux for the state of the tiles: `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`.
fn request() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let answer: i64;
    // SAFETY: the call changes no memory of this process; on Linux, where `is_offered` says so.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

/// The shapes of all eight tiles.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

/// The tiles while they are in use: all of them have 16 rows of 64 bytes. Methods take their numbers.
pub(super) struct Tiles(());

impl Tiles {
    /// # Safety
    ///
    /// Where [`is_permitted`] says so.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        let (mut bytes, mut rows) = ([0; 16], [0; 16]);
        bytes[..8].fill(BYTES as u16);
        rows[..8].fill(ROWS as u8);
        let shapes = Shapes { palette: 1, start_row: 0, reserved: [0; 14], bytes, rows };
        // SAFETY: 64 bytes are read, which describe tiles that palette 1 has.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &shapes, options(nostack, readonly, preserves_flags)) };
        Self(())
    }

    /// Begins sums in tile `S`, each row with `start`.
    #[inline(always)]
    pub(super) fn begin<const S: usize>(&mut self, start: &[i32; LANES]) {
        // SAFETY: at a stride of 0 each row of the tile is the 64 bytes of `start`.
        unsafe { self.load::<S>(start.as_ptr().cast(), 0) };
    }

    /// Begins sums in tile `S` with zeros.
    #[inline(always)]
    pub(super) fn zero<const S: usize>(&mut self) {
        // SAFETY: a `Tiles` exists, so tiles may be used.
        unsafe { asm!("tilezero tmm{s}", s = const S, options(nomem, nostack, preserves_flags)) };
    }

    /// Loads step `step` of rows to tile `X`.
    ///
    /// # Safety
    ///
    /// `x` has more than `step` steps.
    #[inline(always)]
    pub(super) unsafe fn activations<const X: usize>(&mut self, x: &Rows<'_>, step: usize) {
        // SAFETY: as the caller vouches.
        unsafe { self.load::<X>(x.x.as_ptr().add(step * BYTES), x.stride) };
    }

    /// Loads weights to tile `W`.
    #[inline(always)]
    pub(super) fn weights<const W: usize>(&mut self, weights: &Tile) {
        // SAFETY: a `Tile` is 16 rows of 64 bytes.
        unsafe { self.load::<W>(weights.as_ptr().cast(), BYTES) };
    }

    /// Loads 16 rows to tile `T`.
    ///
    /// # Safety
    ///
    /// At `from`, there are 16 rows of 64 bytes, `stride` apart.
    #[inline(always)]
    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize) {
        // SAFETY: a `Tiles` exists, so tiles may be used; what is read is as the caller vouches.
        unsafe {
            asm!(
                "tileloadd tmm{t}, [{from} + {stride}]",
                t = const T,
                from = in(reg) from,
                stride = in(reg) stride,
                options(nostack, readonly, preserves_flags),
            );
        }
    }

    /// Adds the products of the activations in tile `X`, signed, with the weights in tile `W` to the
    /// sums in tile `S`.
    #[inline(always)]
    pub(super) fn multiply<const S: usize, const X: usize, const W: usize>(&mut self) {
        // SAFETY: a `Tiles` exists, so tiles may be used.
        unsafe {
            asm!(
                "tdpbssd tmm{s}, tmm{x}, tmm{w}",
                s = const S,
                x = const X,
                w = const W,
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    /// The same with unsigned activations.
    #[inline(always)]
    pub(super) fn multiply_unsigned<const S: usize, const X: usize, const W: usize>(&mut self) {
        // SAFETY: a `Tiles` exists, so tiles may be used.
        unsafe {
            asm!(
                "tdpbusd tmm{s}, tmm{x}, tmm{w}",
                s = const S,
                x = const X,
                w = const W,
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    /// Stores the sums in tile `S`.
    #[inline(always)]
    pub(super) fn store<const S: usize>(&mut self, sums: &mut Sums) {
        // SAFETY: a `Tiles` exists, so tiles may be used. 16 rows of 64 bytes are written, to as many.
        unsafe {
            asm!(
                "tilestored [{sums} + {stride}], tmm{s}",
                s = const S,
                sums = in(reg) sums.as_mut_ptr(),
                stride = in(reg) LANES * size_of::<i32>(),
                options(nostack, preserves_flags),
            );
        }
    }
}

impl Drop for Tiles {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: a `Tiles` exists, so tiles may be used.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }
}
