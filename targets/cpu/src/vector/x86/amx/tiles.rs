//! The tile registers: whether they may be used, their shape, and products of tiles.
//!
//! Only the blocks of assembly here touch the tile registers. The compiler has no other use for
//! them, so what one block leaves in them is there for the next one.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::sync::atomic::{AtomicU8, Ordering};

use crate::vector::isa::{LANES, Weights};

/// Rows of a tile.
pub(super) const ROWS: usize = 16;
/// Bytes of a row of a tile.
pub(super) const BYTES: usize = 64;
/// Groups of a panel that one tile holds.
pub(super) const GROUPS: usize = 16;

/// Channels of a block: four panels.
pub(super) const CHANNELS: usize = 4 * LANES;

/// Sums of a block: sixteen rows by four panels.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [[i32; CHANNELS]; ROWS]);

impl Sums {
    pub(super) const ZERO: Self = Self([[0; CHANNELS]; ROWS]);
}

/// Rows of activations that lie at one distance in memory, of whole tiles.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    x: &'a [u8],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// `rows` rows of `steps` times 64 bytes, `stride` apart in `x`. `None` where `x` does not hold
    /// them.
    #[inline(always)]
    pub(super) fn new(x: &'a [u8], stride: usize, rows: usize, steps: usize) -> Option<Self> {
        let len = rows.checked_sub(1)?.checked_mul(stride)?.checked_add(steps.checked_mul(BYTES)?)?;
        (x.len() >= len).then_some(Self { x, stride })
    }
}

/// Weights of one panel that one tile holds.
pub(super) type Tile = [Weights; GROUPS];

/// Whether the CPU has tiles of int8 and the system saves them. Asks the system for nothing.
pub(super) fn is_offered() -> bool {
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
    static ANSWER: AtomicU8 = AtomicU8::new(UNASKED);
    const UNASKED: u8 = 0;
    const GRANTED: u8 = 1;
    const REFUSED: u8 = 2;
    match ANSWER.load(Ordering::Relaxed) {
        UNASKED => {
            let is_granted = is_offered() && request();
            ANSWER.store(if is_granted { GRANTED } else { REFUSED }, Ordering::Relaxed);
            is_granted
        }
        answer => answer == GRANTED,
    }
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

/// Adds the products of one step of 16 rows with four panels, by the instruction `$products`. A
/// `Tiles` exists, so tiles may be used; what is read of `$x` is the caller's to vouch for, and a
/// `Tile` is 1,024 bytes.
macro_rules! multiply {
    ($products:literal, $x:expr, $step:expr, $w:expr) => {
        asm!(
            "tileloadd tmm4, [{x} + {stride}]",
            "tileloadd tmm5, [{a} + {bytes}]",
            concat!($products, " tmm0, tmm4, tmm5"),
            "tileloadd tmm6, [{b} + {bytes}]",
            concat!($products, " tmm1, tmm4, tmm6"),
            "tileloadd tmm7, [{c} + {bytes}]",
            concat!($products, " tmm2, tmm4, tmm7"),
            "tileloadd tmm5, [{d} + {bytes}]",
            concat!($products, " tmm3, tmm4, tmm5"),
            x = in(reg) $x.x.as_ptr().add($step * BYTES),
            stride = in(reg) $x.stride,
            a = in(reg) $w[0],
            b = in(reg) $w[1],
            c = in(reg) $w[2],
            d = in(reg) $w[3],
            bytes = in(reg) BYTES,
            options(nostack, readonly, preserves_flags),
        )
    };
}

/// The tiles while they are in use: all of them have 16 rows of 64 bytes.
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

    /// Begins the sums of a block, each row with `start`.
    #[inline(always)]
    pub(super) fn begin(&mut self, start: &[[i32; LANES]; 4]) {
        // SAFETY: a `Tiles` exists, so tiles may be used. At a stride of 0 each row of a tile is the
        // same 64 bytes of `start`.
        unsafe {
            asm!(
                "tileloadd tmm0, [{start} + {stride}]",
                "tileloadd tmm1, [{start} + {stride} + 64]",
                "tileloadd tmm2, [{start} + {stride} + 128]",
                "tileloadd tmm3, [{start} + {stride} + 192]",
                start = in(reg) start.as_ptr(),
                stride = in(reg) 0usize,
                options(nostack, readonly, preserves_flags),
            );
        }
    }

    /// Begins the sums of a block with zeros.
    #[inline(always)]
    pub(super) fn zero(&mut self) {
        // SAFETY: a `Tiles` exists, so tiles may be used.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    /// Adds the products of step `step` of 16 rows, signed, with four panels.
    ///
    /// # Safety
    ///
    /// `x` has 16 rows and more than `step` steps.
    #[inline(always)]
    pub(super) unsafe fn multiply(&mut self, x: &Rows<'_>, step: usize, w: [&Tile; 4]) {
        // SAFETY: as the caller vouches.
        unsafe { multiply!("tdpbssd", x, step, w) };
    }

    /// The same with unsigned activations.
    ///
    /// # Safety
    ///
    /// `x` has 16 rows and more than `step` steps.
    #[inline(always)]
    pub(super) unsafe fn multiply_unsigned(&mut self, x: &Rows<'_>, step: usize, w: [&Tile; 4]) {
        // SAFETY: as the caller vouches.
        unsafe { multiply!("tdpbusd", x, step, w) };
    }

    /// The products of a step without what is read: four of whatever tiles hold.
    #[inline(always)]
    pub(super) fn multiply_registers(&mut self) {
        // SAFETY: a `Tiles` exists, so tiles may be used.
        unsafe {
            asm!(
                "tdpbssd tmm0, tmm4, tmm5",
                "tdpbssd tmm1, tmm4, tmm6",
                "tdpbssd tmm2, tmm4, tmm7",
                "tdpbssd tmm3, tmm4, tmm5",
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    /// Stores the sums of a block.
    #[inline(always)]
    pub(super) fn store(&mut self, sums: &mut Sums) {
        // SAFETY: a `Tiles` exists, so tiles may be used. Four tiles of 16 rows of 64 bytes are
        // written side by side, 256 bytes from row to row: 4,096 bytes.
        unsafe {
            asm!(
                "tilestored [{sums} + {stride}], tmm0",
                "tilestored [{sums} + {stride} + 64], tmm1",
                "tilestored [{sums} + {stride} + 128], tmm2",
                "tilestored [{sums} + {stride} + 192], tmm3",
                sums = in(reg) sums.0.as_mut_ptr(),
                stride = in(reg) CHANNELS * size_of::<i32>(),
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
