//! Products of three rows with pairs of channels.

use core::arch::naked_asm;
use core::mem::MaybeUninit;

use quant::Fault;

use crate::gemm::{CHANNELS, Panels};
use crate::mve::linear::{LANES, ROWS, Sums};

/// Room for a vector, which only instructions write and read: what it holds at first is some
/// number to them.
pub(crate) type Room = MaybeUninit<[i8; LANES]>;
pub(crate) const ROOM: Room = MaybeUninit::uninit();

/// Adds the products of all panels with `vectors` vectors of each row; to zero if `fresh`.
#[inline(always)]
pub(crate) fn multiply(
    block: &[[Room; ROWS]],
    vectors: usize,
    panels: &Panels<'_>,
    fresh: bool,
    sums: &mut Sums,
) -> Result<(), Fault> {
    run(if fresh { first_products } else { more_products }, 2 * LANES, block, vectors, panels, fresh, sums)
}

/// The same of vectors of eight inputs of 16 bits, and weights in groups of eight; to zero.
#[inline(always)]
pub(crate) fn multiply_wide(
    block: &[[Room; ROWS]],
    vectors: usize,
    panels: &Panels<'_>,
    sums: &mut Sums,
) -> Result<(), Fault> {
    run(wide_products, LANES, block, vectors, panels, true, sums)
}

/// The loop over pairs of channels.
type Products = unsafe extern "C" fn(*const [Room; ROWS], *const i8, *mut Sums, *const Work);

/// `bytes` of a panel for each vector.
#[inline(always)]
fn run(
    products: Products,
    bytes: usize,
    block: &[[Room; ROWS]],
    vectors: usize,
    panels: &Panels<'_>,
    fresh: bool,
    sums: &mut Sums,
) -> Result<(), Fault> {
    let pairs = panels.pairs;
    let data = panels.holding(vectors * bytes)?;
    if vectors == 0 || vectors > block.len() || pairs > CHANNELS / 2 {
        return Err(Fault::Bounds);
    }
    let skip = panels.stride.wrapping_sub(vectors * bytes);
    let rest = vectors - usize::from(fresh);
    let skipped =
        if rest == 0 { TURN * VECTORS_CODE + LE_CODE } else { rest.wrapping_neg() % TURN * VECTORS_CODE };
    let work = Work { skip, rows: vectors * LANES * ROWS, pairs, turns: rest.div_ceil(TURN), skipped };
    // SAFETY: the function reads `rows` bytes of `block`, which holds as many, `bytes · vectors`
    // bytes of each of `pairs ≥ 1` panels, which was checked to lie in `data`, and updates the
    // first `2 · pairs ≤ CHANNELS` sums of each row.
    unsafe { products(block.as_ptr(), data.as_ptr(), sums, &work) }
    Ok(())
}

/// Sizes of a multiplication.
#[repr(C)]
struct Work {
    /// From the end of what is read of a panel to the next one.
    skip: usize,
    /// Bytes read of all rows.
    rows: usize,
    pairs: usize,
    turns: usize,
    /// What the first turn leaves out of its code.
    skipped: usize,
}

/// Vectors of a turn.
const TURN: usize = 4;
/// Bytes of the instructions of `vectors!`, all of which have four, and of `LE`.
const VECTORS_CODE: usize = 44;
const LE_CODE: usize = 4;

/// Two vectors of weights with one of each row; `vmladav` starts the sums.
macro_rules! vectors {
    ($multiply:literal, s8) => {
        vectors!($multiply, ".s8 ", "vldrb.u8 ", ", [r1], #16\n")
    };
    ($multiply:literal, s16) => {
        vectors!($multiply, ".s16 ", "vldrb.s16 ", ", [r1], #8\n")
    };
    ($multiply:literal, $type:literal, $load:literal, $next:literal) => {
        concat!(
            $load,
            "q0",
            $next,
            "vldrb.u8 q2, [r3], #16\n",
            $multiply,
            $type,
            "r0, q2, q0\n",
            $load,
            "q1",
            $next,
            $multiply,
            $type,
            "r2, q2, q1\n",
            "vldrb.u8 q3, [r3], #16\n",
            $multiply,
            $type,
            "r4, q3, q0\n",
            "vldrb.u8 q2, [r3], #16\n",
            $multiply,
            $type,
            "r6, q3, q1\n",
            $multiply,
            $type,
            "r8, q2, q0\n",
            $multiply,
            $type,
            "r10, q2, q1",
        )
    };
}

/// `z[row][2·pair + channel] += Σ x[row][i] · w[pair][channel][i]`, or without what was there.
/// `VMLADAVA` adds to registers of even numbers, so that pointers have odd ones.
macro_rules! products {
    ($name:ident, $type:tt, $($start:expr),*) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(x: *const [Room; ROWS], w: *const i8, z: *mut Sums, work: *const Work) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "mov r5, r2",
                "ldm r3, {{r7, r9, r11, r12, lr}}",
                "mov r3, r0",
                // At sp: where the first turn begins.
                "adr.w r0, 3f",
                "add r0, lr",
                "orr r0, #1",
                "push {{r0, r1}}",
                "2:",
                $($start,)*
                "dls lr, r12",
                "ldr pc, [sp]",
                "3:",
                vectors!("vmladava", $type),
                vectors!("vmladava", $type),
                vectors!("vmladava", $type),
                vectors!("vmladava", $type),
                "le lr, 3b",
                "strd r4, r6, [r5, #{row}]",
                "strd r8, r10, [r5, #2 * {row}]",
                "strd r0, r2, [r5], #8",
                "sub r3, r9",
                "add r1, r7",
                "subs r11, #1",
                "bne 2b",
                "add sp, #8",
                "pop {{r4-r11, pc}}",
                row = const CHANNELS * 4,
            )
        }
    };
}
products!(
    more_products,
    s8,
    "ldrd r0, r2, [r5]",
    "ldrd r4, r6, [r5, #{row}]",
    "ldrd r8, r10, [r5, #2 * {row}]"
);
products!(first_products, s8, vectors!("vmladav", s8));
products!(wide_products, s16, vectors!("vmladav", s16));

/// Copies the inputs of a row, as many as `block` takes.
#[inline(always)]
pub(crate) fn load(block: &mut [[Room; ROWS]], row: usize, from: &[i8]) {
    // SAFETY: the bytes are those of `from`.
    unsafe { load_bytes(block, row, from.as_ptr(), from.len()) }
}

/// The same of 16 bits each.
#[inline(always)]
pub(crate) fn load_wide(block: &mut [[Room; ROWS]], row: usize, from: &[i16]) {
    // SAFETY: as above.
    unsafe { load_bytes(block, row, from.as_ptr().cast(), size_of_val(from)) }
}

/// # Safety
/// `from` points to `len` bytes.
#[inline(always)]
unsafe fn load_bytes(block: &mut [[Room; ROWS]], row: usize, from: *const i8, len: usize) {
    let most = LANES * block.len();
    let Some(to) = block.as_flattened_mut().get_mut(row..) else { return };
    if row < ROWS {
        // SAFETY: the row of `block` has room for `most` bytes, 16 of every `16 · ROWS`, and the
        // predicated loop touches no others.
        unsafe { spread(to.as_mut_ptr(), from, len.min(most)) }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn spread(to: *mut Room, from: *const i8, count: usize) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r7, lr}}",
        "wlstp.8 lr, r2, 3f",
        "2:",
        "vldrb.u8 q0, [r1], #16",
        "vstrb.8 q0, [r0], #{step}",
        "letp lr, 2b",
        "3:",
        "pop {{r7, pc}}",
        step = const ROWS * LANES,
    )
}
