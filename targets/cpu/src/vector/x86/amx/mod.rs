//! AMX: products of tiles of int8, and AVX-512 for all else.

mod attention;
mod epilogue;
mod linear;
mod products;
mod tiles;

use quant::Fault;
use quant::ops::{self, LinearArgs, LinearOut};
use quant::pack::Pack;

use super::Avx512Vnni;
use crate::portable::{binary_ops, loops, row_norms};
use crate::vector::compiled::Compiled;
use crate::vector::conv2d::Windows;
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

/// Rows and inputs from which on tiles pay.
const LEAST: (usize, usize) = (4, 128);

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
            if rows < LEAST.0 || args.weights.k < LEAST.1 || !tiles::is_permitted() {
                return Avx512Vnni::linear(args, source, out);
            }
            linear::linear(args, source, out)
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
            Self::linear(&LinearArgs { weights, bias, requant }, &Windows { args, x, group: 0 }, out)
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    unsafe fn attention(args: ops::AttentionArgs<'_>) -> Result<(), Fault> {
        // SAFETY: this function is compiled for the instructions, and tiles are permitted.
        unsafe {
            if !attention::takes(&args) || !tiles::is_permitted() {
                return Avx512Vnni::attention(args);
            }
            attention::attention(args)
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
