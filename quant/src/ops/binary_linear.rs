//! BinaryLinear: a dense layer of ±1 weights, over activations of 1, 2, 8 or 16 bits.
//!
//! ```text
//! Sign      z = K − 2·popcount(x ⊕ w)
//! Ternary   z = popcount(m) − 2·popcount((x ⊕ w) ∧ m)         m = nonzero
//! I8, I16   z = Σ (w_i ? x_i : −x_i)
//! ```
//!
//! The sums are exact. What follows is the one rounding of [`Linear`](super::Linear), or a
//! comparison with thresholds.

use serde::{Deserialize, Serialize};

use super::bit_rows::BLOCK;
use super::{BinaryLinearOut, BinaryOut, BitAct, Consts, MAX_K};
use crate::bits::{BitPack, BitWeights, WORD, row_words};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Window};
use crate::operand::{Visitor, VisitorExt};
use crate::slice::{rows, window};

/// Largest inner dimension for int16 activations: `(2¹⁵ − 1) · 2¹⁵ < 2³⁰`, so that with a
/// bias of at most 2³⁰ the sum fits an int32 accumulator.
pub const MAX_BINARY_K_I16: u32 = (1 << 15) - 1;

/// A dense layer over rows of `k` inputs, weights ±1.
///
/// `|z| ≤ 2²²` for bits (stray bits of a row that was written longer included), at most
/// 2²³ for int8 and below 2³⁰ for int16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryLinear {
    /// Rows (tokens).
    pub rows: u32,
    /// Inputs of each row, `1..=`[`MAX_K`]; for int16 at most [`MAX_BINARY_K_I16`].
    pub k: u32,
    /// Output channels.
    pub n: u32,
    /// Elements of bit rows that start on a word; `k` for integer activations.
    pub group: u32,
    /// Input, `rows × k`.
    pub x: BitAct,
    /// Weights, `n` bit rows of `k` grouped by `group`, padding bits 0.
    pub weights: Blob<u32>,
    /// Their layout.
    pub pack: BitPack,
    /// Output, `rows × n`.
    pub out: BinaryOut,
}

impl BinaryLinear {
    /// Words of a row of bits; 0 where `group` does not divide `k`, which is refused.
    const fn words(&self) -> u32 {
        match row_words(self.k, self.group) {
            Some(words) => words,
            None => 0,
        }
    }

    /// Reports the operands.
    pub fn operands<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        let words = self.words();
        self.x.visit(visitor, self.k, words);
        visitor.bit_weights("weights", &mut self.weights, &mut self.pack, self.n, words);
        self.out.operands(visitor, self.n);
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// `rows · n · k`.
    pub fn macs(&self) -> u64 {
        (u64::from(self.rows) * u64::from(self.n)).saturating_mul(self.k.into())
    }

    /// Dimensions, groups, padding bits, and what [`BinaryOut`] asks for.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        let most = match self.x {
            BitAct::Sign(_) | BitAct::Ternary { .. } | BitAct::I8(_) => MAX_K,
            BitAct::I16(_) => MAX_BINARY_K_I16,
        };
        if self.rows == 0 || self.n == 0 || self.k == 0 || self.k > most {
            return Err(Reject::Dimension);
        }
        let integers = matches!(self.x, BitAct::I8(_) | BitAct::I16(_));
        if integers && self.group != self.k {
            return Err(Reject::Dimension);
        }
        let words = row_words(self.k, self.group).ok_or(Reject::Dimension)?;
        consts.check_bit_weights(self.weights, self.pack, self.n, words, self.group)?;
        self.out.check(consts, self.n)
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let words = self.words();
        let (n, row) = (self.n as usize, words as usize);
        let weights = BitWeights { data: memory.blob(self.weights)?, pack: self.pack, n, words: row };
        let args = BinaryLinearArgs { weights, k: self.k as usize };
        let bits = |slot| window.of(slot, words, words);
        self.out.with(memory, window, self.n, |out, rest| match self.x {
            BitAct::Sign(x) => kernels.binary_linear_sign(&args, rest.read(bits(x)?)?, out),
            BitAct::Ternary { sign, nonzero } => {
                let (sign, nonzero) = (rest.read(bits(sign)?)?, rest.read(bits(nonzero)?)?);
                kernels.binary_linear_ternary(&args, sign, nonzero, out)
            }
            BitAct::I8(x) => kernels.binary_linear_i8(&args, rest.read(window.of(x, self.k, self.k)?)?, out),
            BitAct::I16(x) => {
                kernels.binary_linear_i16(&args, rest.read(window.of(x, self.k, self.k)?)?, out)
            }
        })
    }
}

/// Constants of a [`BinaryLinear`]. Rows of bits are `weights.words` long, of integers `k`.
#[derive(Clone, Copy, Debug)]
pub struct BinaryLinearArgs<'a> {
    /// Weights.
    pub weights: BitWeights<'a>,
    /// Inputs of each row.
    pub k: usize,
}

/// Scalar reference for ±1 activations.
pub fn binary_linear_sign(
    args: &BinaryLinearArgs<'_>,
    x: &[u32],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let BinaryLinearArgs { weights, k } = *args;
    reference(weights.n, rows(x, weights.words), out, |row, channel| {
        let differ = (0..).zip(row).map(|(i, x)| (x ^ weights.get(channel, i)).count_ones());
        k as i32 - 2 * differ.sum::<u32>() as i32
    })
}

/// Scalar reference for ternary activations.
pub fn binary_linear_ternary(
    args: &BinaryLinearArgs<'_>,
    sign: &[u32],
    nonzero: &[u32],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let weights = args.weights;
    let both = rows(sign, weights.words).zip(rows(nonzero, weights.words));
    reference(weights.n, both, out, |(sign, nonzero), channel| {
        (0..).zip(sign).zip(nonzero).fold(0, |z, ((i, x), m)| {
            let differ = (x ^ weights.get(channel, i)) & m;
            z + m.count_ones() as i32 - 2 * differ.count_ones() as i32
        })
    })
}

/// Scalar reference for int8 activations.
pub fn binary_linear_i8(
    args: &BinaryLinearArgs<'_>,
    x: &[i8],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    integers(args, x, out)
}

/// Scalar reference for int16 activations.
pub fn binary_linear_i16(
    args: &BinaryLinearArgs<'_>,
    x: &[i16],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    integers(args, x, out)
}

fn integers<T: Copy + Into<i32>>(
    args: &BinaryLinearArgs<'_>,
    x: &[T],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let BinaryLinearArgs { weights, k } = *args;
    reference(weights.n, rows(x, k), out, |row, channel| {
        row.chunks(WORD as usize).enumerate().fold(0, |z, (i, x)| z + signed_sum(weights.get(channel, i), x))
    })
}

/// `Σ (w_i ? x_i : −x_i)` over the elements of one word.
fn signed_sum<T: Copy + Into<i32>>(w: u32, x: &[T]) -> i32 {
    x.iter().zip(0..WORD).fold(0, |z, (&x, bit)| {
        let x: i32 = x.into();
        if w >> bit & 1 == 1 { z + x } else { z - x }
    })
}

/// The loop over rows and blocks of channels that all activations share.
#[inline(always)]
fn reference<R: Copy>(
    n: usize,
    rows: impl Iterator<Item = R>,
    mut out: BinaryLinearOut<'_>,
    dot: impl Fn(R, usize) -> i32,
) -> Result<(), Fault> {
    out.clear();
    for (r, row) in rows.enumerate() {
        let mut start = 0;
        while start < n {
            let count = (n - start).min(BLOCK);
            let mut z = [0i32; BLOCK];
            for (z, channel) in z.iter_mut().take(count).zip(start..) {
                *z = dot(row, channel);
            }
            out.store(r, start, window(&z, 0, count)?)?;
            start += count;
        }
    }
    Ok(())
}
