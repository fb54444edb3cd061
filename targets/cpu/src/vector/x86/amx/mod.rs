//! AMX: products of tiles of int8, and AVX-512 for all else.

mod attention;
mod epilogue;
mod linear;
mod products;
mod tiles;

use quant::Fault;
use quant::ops::{self, LinearArgs, LinearOut};
use quant::pack::{Pack, Weights};

use super::Avx512Vnni;
use crate::portable::{binary_ops, loops, row_norms};
use crate::vector::compiled::Compiled;
use crate::vector::conv2d::Windows;
use crate::vector::isa::LANES;
use crate::vector::source::Source;

/// Methods as AVX-512 has them.
macro_rules! by_avx512 {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        unsafe fn $name($($arg: $type),*) -> Result<(), Fault> {
            // SAFETY: as the caller vouches.
            unsafe { Avx512Vnni::$name($($arg),*) }
        }
    )*};
}

/// Products of a layer from which on tiles pay, as measured: of rows that are whole tiles where they lie, of
/// fewer of them than a tile has, and of those that have to be staged.
const IN_PLACE: usize = 1 << 18;
const FEW: usize = 3 << 18;
const STAGED: usize = 1 << 22;

/// Whether a layer of `rows` rows is faster by tiles than by AVX-512.
#[inline(always)]
fn pays(rows: usize, Weights { n, k, .. }: Weights<'_>, source: &impl Source) -> bool {
    let is_in_place = k.is_multiple_of(tiles::BYTES) && source.in_memory(0).is_some();
    let least = match is_in_place {
        true if rows < tiles::ROWS => FEW,
        true => IN_PLACE,
        false => STAGED,
    };
    // One panel leaves three of four tiles idle.
    n > LANES && k >= tiles::BYTES && rows.saturating_mul(n).saturating_mul(k) >= least
}

/// A layer by tiles. It and [`heads`] are not inlined, so that what is handed to AVX-512 does not take their
/// room on the stack, too.
///
/// # Safety
///
/// Where [`is_permitted`](tiles::is_permitted) says so, and AVX-512 is as [`Avx512Vnni`] has it.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn layer(args: &LinearArgs<'_>, source: &impl Source, out: LinearOut<'_>) -> Result<(), Fault> {
    // SAFETY: as the caller vouches.
    unsafe { linear::linear(args, source, out) }
}

/// Attention by tiles.
///
/// # Safety
///
/// As [`layer`].
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn heads(args: ops::AttentionArgs<'_>) -> Result<(), Fault> {
    // SAFETY: as the caller vouches.
    unsafe { attention::attention(args) }
}

/// AMX-int8 with AVX-512: Intel's server processors since Sapphire Rapids. The system is asked for
/// the tiles when they are first used; where it refuses them, AVX-512 does their work.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amx;

// SAFETY: `is_available` looks for AVX-512 as `Avx512Vnni` does, and tiles are used only where they
// are permitted.
unsafe impl Compiled for Amx {
    const NAME: &'static str = "amx";

    fn is_available() -> bool {
        Avx512Vnni::is_available() && tiles::is_offered()
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    unsafe fn linear(args: &LinearArgs<'_>, source: &impl Source, out: LinearOut<'_>) -> Result<(), Fault> {
        let rows = out.len().checked_div(args.weights.n).unwrap_or(0);
        // SAFETY: this function is compiled for the instructions, and tiles are permitted.
        unsafe {
            if !pays(rows, args.weights, source) || !tiles::is_permitted() {
                return Avx512Vnni::linear(args, source, out);
            }
            layer(args, source, out)
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    unsafe fn conv2d(args: &ops::Conv2dArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        let ops::Conv2dArgs { weights, bias, requant, groups, .. } = *args;
        // SAFETY: this function is compiled for the instructions.
        unsafe {
            if weights.pack != Pack::Panel16x4 || groups != 1 {
                return Avx512Vnni::conv2d(args, x, out);
            }
            Self::linear(&LinearArgs { weights, bias, requant }, &Windows::whole(args, x), out)
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    unsafe fn attention(args: ops::AttentionArgs<'_>) -> Result<(), Fault> {
        // SAFETY: this function is compiled for the instructions, and tiles are permitted.
        unsafe {
            if !attention::takes(&args) || !tiles::is_permitted() {
                return Avx512Vnni::attention(args);
            }
            heads(args)
        }
    }

    by_avx512! {
        linear_i16(args: &LinearArgs<'_>, x: &[i16], out: LinearOut<'_>);
        matmul(args: &ops::MatMulArgs, a: ops::Tensor<'_>, b: &[i8], out: &mut ops::TensorMut<'_>);
        shiftmax(args: &ops::ShiftmaxArgs<'_>, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
        shift_gelu(args: &ops::ShiftGeluArgs<'_>, x: &mut [i8]);
        table(table: &[i8; 256], x: &mut [i8]);
    }
    loops!(by_avx512);
    row_norms!(by_avx512);
    binary_ops!(by_avx512);
}

/// Rounds of four products of tiles; 0 where the system does not permit them.
pub(super) fn peak(rounds: u32) -> u64 {
    if !tiles::is_permitted() {
        return 0;
    }
    // SAFETY: they are permitted.
    let mut tiles = unsafe { tiles::Tiles::new() };
    tiles.zero::<0>();
    tiles.zero::<1>();
    tiles.zero::<2>();
    tiles.zero::<3>();
    for _ in 0..rounds {
        tiles.multiply::<0, 4, 6>();
        tiles.multiply::<1, 4, 7>();
        tiles.multiply::<2, 5, 6>();
        tiles.multiply::<3, 5, 7>();
    }
    (4 * tiles::ROWS * tiles::BYTES * tiles::GROUPS) as u64
}
