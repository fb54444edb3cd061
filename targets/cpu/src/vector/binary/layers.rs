//! Binary layers. Activations of one or two bits by counts of bits, of as many channels at once as a
//! register has words; int8 and int16 ones by the products of linear layers, for which the signs of a
//! block of channels are laid out as weights that all rows share.
//!
//! What puts out bits, or has its weights in rows, is left to the portable loops.

use core::array;
use core::iter::repeat;

use quant::Fault;
use quant::bits::BitPack;
use quant::ops::{BinaryLinearArgs, BinaryLinearOut, ChannelsRef, LinearOut};
use quant::slice::{chunks, rows, window};

use super::{Count, Panel, WORD, counted};
use crate::portable;
use crate::portable::requantize::Multipliers;
use crate::vector::isa::{GROUP, Isa, LANES, Lookup, Requantize, STAGE, Weights};
use crate::vector::linear::{self, Block, Panels};
use crate::vector::source::{Bytes, Dense, Input, Words};

/// Groups of the panels of short rows, and of long ones.
const SHORT: usize = 64;
const LONG: usize = STAGE / GROUP;
/// Largest shift of sums that weights take up: they stay below 128.
const MAX_UP: u32 = 6;

/// What a layer does to its sums.
#[derive(Clone, Copy)]
struct Finish<'a> {
    up: u32,
    bias: &'a [i32],
    requant: ChannelsRef<'a>,
    n: usize,
}

/// ±1 activations, `P` panels at a time; `C` is `16 · P`.
///
/// # Safety
///
/// As [`Count`] says.
#[inline(always)]
pub(in crate::vector) unsafe fn signs<I: Count + Lookup + Requantize, const P: usize, const C: usize>(
    args: &BinaryLinearArgs<'_>,
    x: &[u32],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    match out {
        BinaryLinearOut::Dense { up, bias, requant, out, n } if args.weights.pack == BitPack::Panel16 => {
            let words = args.weights.words;
            let row =
                |r| Ok((window(x, r * words, words)?.iter().copied().zip(repeat(u32::MAX)), args.k as i32));
            let finish = Finish { up, bias, requant, n };
            // SAFETY: as the caller vouches.
            unsafe { layer::<I, _, P, C>(args, &finish, rows(x, words).count(), row, out) }
        }
        out => portable::binary_linear_sign(args, x, out),
    }
}

/// Ternary activations, likewise.
///
/// # Safety
///
/// As [`Count`] says.
#[inline(always)]
pub(in crate::vector) unsafe fn ternary<I: Count + Lookup + Requantize, const P: usize, const C: usize>(
    args: &BinaryLinearArgs<'_>,
    sign: &[u32],
    nonzero: &[u32],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    match out {
        BinaryLinearOut::Dense { up, bias, requant, out, n } if args.weights.pack == BitPack::Panel16 => {
            let words = args.weights.words;
            let row = |r| {
                let (sign, nonzero) = (window(sign, r * words, words)?, window(nonzero, r * words, words)?);
                let count = nonzero.iter().map(|m| m.count_ones()).sum::<u32>();
                Ok((sign.iter().copied().zip(nonzero.iter().copied()), count as i32))
            };
            let finish = Finish { up, bias, requant, n };
            // SAFETY: as the caller vouches.
            unsafe { layer::<I, _, P, C>(args, &finish, rows(sign, words).count(), row, out) }
        }
        out => portable::binary_linear_ternary(args, sign, nonzero, out),
    }
}

/// `z = base − 2·popcount((x ⊕ w) ∧ m)` of `count` rows, where `row` gives the pairs `(x, m)` of one and
/// its base.
///
/// # Safety
///
/// As [`Count`] says.
#[inline(always)]
unsafe fn layer<
    I: Count + Lookup + Requantize,
    X: Iterator<Item = (u32, u32)>,
    const P: usize,
    const C: usize,
>(
    args: &BinaryLinearArgs<'_>,
    finish: &Finish<'_>,
    count: usize,
    row: impl Fn(usize) -> Result<(X, i32), Fault>,
    mut out: LinearOut<'_>,
) -> Result<(), Fault> {
    let weights = &args.weights;
    let (words, _) = chunks::<LANES, _>(weights.data);
    for first in (0..weights.n).step_by(C) {
        let used = (weights.n - first).min(C);
        // The last panel stands for those that there are not.
        let panels: [&[Panel]; P] = array::from_fn(|p| {
            let panel = first / LANES + p.min(used.div_ceil(LANES) - 1);
            words.get(panel * weights.words..(panel + 1) * weights.words).unwrap_or(&[])
        });
        let multipliers = Multipliers::<C>::new(&finish.requant, first, used)?;
        let mut bias = [0; C];
        bias[..used].copy_from_slice(window(finish.bias, first, used)?);
        for r in 0..count {
            let (pairs, base) = row(r)?;
            let mut z = [0; C];
            // SAFETY: as the caller vouches.
            let differ = unsafe { counted::<I, P>(pairs, &panels) };
            for (z, (&differ, &bias)) in z.iter_mut().zip(differ.as_flattened().iter().zip(&bias)) {
                *z = ((base - 2 * differ as i32) << (finish.up & 31)) + bias;
            }
            let mut out = out.window(r * finish.n + first, used)?;
            // SAFETY: as the caller vouches.
            unsafe {
                I::store(&I::requantize(&multipliers, &z), &mut out);
                if let LinearOut::I8 { out, table: Some(table) } = out {
                    I::table(table, out);
                }
            }
        }
    }
    Ok(())
}

/// int8 activations, `R` rows by `P` panels at a time; `C` is `16 · P`.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(in crate::vector) unsafe fn bytes<
    I: Isa + Lookup + Requantize,
    const R: usize,
    const P: usize,
    const C: usize,
>(
    args: &BinaryLinearArgs<'_>,
    x: &[i8],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let (input, count) = (Bytes(Dense { x, stride: args.k }), rows(x, args.k).count());
    match multiplied(args, out) {
        // SAFETY: as the caller vouches.
        Ok((finish, out)) => unsafe { products::<I, R, P, C>(args, &finish, &input, count, out) },
        Err(out) => portable::binary_linear_i8(args, x, out),
    }
}

/// int16 activations, likewise; `I` takes unsigned activations.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(in crate::vector) unsafe fn words<
    I: Isa + Lookup + Requantize,
    const R: usize,
    const P: usize,
    const C: usize,
>(
    args: &BinaryLinearArgs<'_>,
    x: &[i16],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let (input, count) = (Words { x, stride: args.k }, rows(x, args.k).count());
    match multiplied(args, out) {
        // SAFETY: as the caller vouches.
        Ok((finish, out)) => unsafe { products::<I, R, P, C>(args, &finish, &input, count, out) },
        Err(out) => portable::binary_linear_i16(args, x, out),
    }
}

/// `out`, taken apart where it and the weights are what products take.
#[inline(always)]
fn multiplied<'a>(
    args: &BinaryLinearArgs<'_>,
    out: BinaryLinearOut<'a>,
) -> Result<(Finish<'a>, LinearOut<'a>), BinaryLinearOut<'a>> {
    match out {
        BinaryLinearOut::Dense { up, bias, requant, out, n }
            if up <= MAX_UP && args.k <= STAGE && args.weights.pack == BitPack::Panel16 =>
        {
            Ok((Finish { up, bias, requant, n }, out))
        }
        out => Err(out),
    }
}

/// `count` rows of `input` by signs that are laid out as weights.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn products<I: Isa + Lookup + Requantize, const R: usize, const P: usize, const C: usize>(
    args: &BinaryLinearArgs<'_>,
    finish: &Finish<'_>,
    input: &impl Input,
    count: usize,
    out: LinearOut<'_>,
) -> Result<(), Fault> {
    // SAFETY: as the caller vouches.
    unsafe {
        if args.k <= GROUP * SHORT {
            laid_out::<I, R, P, C, SHORT>(args, finish, input, count, out)
        } else {
            laid_out::<I, R, P, C, LONG>(args, finish, input, count, out)
        }
    }
}

/// The same for rows of at most `DEPTH` groups.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn laid_out<
    I: Isa + Lookup + Requantize,
    const R: usize,
    const P: usize,
    const C: usize,
    const DEPTH: usize,
>(
    args: &BinaryLinearArgs<'_>,
    finish: &Finish<'_>,
    input: &impl Input,
    count: usize,
    mut out: LinearOut<'_>,
) -> Result<(), Fault> {
    let (weights, groups) = (&args.weights, args.k.div_ceil(GROUP));
    let (words, _) = chunks::<LANES, _>(weights.data);
    let mut signs: [[Weights; DEPTH]; P] = [[[0; LANES * GROUP]; DEPTH]; P];
    let mut staged = [[[0; GROUP]; LONG]; R];
    for first in (0..weights.n).step_by(C) {
        let used = (weights.n - first).min(C);
        for (p, signs) in signs.iter_mut().enumerate().take(used.div_ceil(LANES)) {
            lay_out(
                window(words, (first / LANES + p) * weights.words, weights.words)?,
                args.k,
                finish.up,
                signs,
            );
        }
        let mut bias = [0; C];
        bias[..used].copy_from_slice(window(finish.bias, first, used)?);
        let mut start = [[0; LANES]; P];
        start.as_flattened_mut().copy_from_slice(&bias);
        // SAFETY: as the caller vouches.
        unsafe {
            let block = Block::<P, C> {
                panels: Panels::new::<I>(array::from_fn(|p| &signs[p][..groups]), start),
                bias,
                multipliers: Multipliers::new(&finish.requant, first, used)?,
                k: args.k,
                n: finish.n,
                first,
                count: used,
            };
            linear::rows::<I, R, P, C>(&block, input, count, &mut staged, &mut out)?;
        }
    }
    Ok(())
}

/// Weights of ±2^`up` by the bits of the words of a panel, and 0 behind input `k`.
#[inline(always)]
fn lay_out(words: &[[u32; LANES]], k: usize, up: u32, to: &mut [Weights]) {
    let (plus, minus) = ((1i8 << up) as u8, (-(1i8 << up)) as u8);
    let [all_minus, change] = [minus, plus ^ minus].map(|byte| u32::from_ne_bytes([byte; GROUP]));
    for (word, to) in words.iter().zip(to.chunks_mut(WORD / GROUP)) {
        for (group, to) in to.iter_mut().enumerate() {
            for (bits, to) in word.iter().zip(to.as_chunks_mut::<GROUP>().0) {
                // Bit `i` of four becomes the lowest one of byte `i`.
                let bits = (bits >> (GROUP * group) & 0xf).wrapping_mul(0x0020_4081) & 0x0101_0101;
                let signs = all_minus ^ ((bits * 0xff) & change);
                *to = signs.to_le_bytes().map(|byte| byte as i8);
            }
        }
    }
    if let (Some(last), rest @ 1..) = (to.get_mut(k / GROUP), k % GROUP) {
        last.as_chunks_mut::<GROUP>().0.iter_mut().for_each(|weights| weights[rest..].fill(0));
    }
}
