//! Linear: `y = requantize(x · Wᵀ + bias)`, with a fused epilogue.

use serde::{Deserialize, Serialize};

use super::{Act, ChannelsRef, Consts, PerChannel};
use crate::arith::{Multiplier, saturate_i8, saturate_i16, saturate_i32};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::pack::{Pack, Weights};
use crate::slice::{rows, window, window_mut};

/// Largest inner dimension: `2¹⁶ · 128 · 127 < 2³⁰`, so that an int8 dot product plus
/// a bias of at most [`MAX_BIAS`] fits an int32 accumulator.
pub const MAX_K: u32 = 1 << 16;
/// Largest magnitude of a bias.
pub const MAX_BIAS: u32 = 1 << 30;

/// A dense layer over rows of `k` inputs: int8 weights per output channel.
///
/// `z[c] = Σ_i x[i]·w[c][i] + bias[c]`; exact in int32 for int8 activations. For
/// int16 activations the exact sum is saturated to int32. Then
/// `t = saturate(round(z · mantissa[c] / 2^shift[c]))` and the epilogue of
/// [`Destination`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linear {
    /// Rows (tokens).
    pub rows: u32,
    /// Inputs of each row, `1..=`[`MAX_K`].
    pub k: u32,
    /// Output channels.
    pub n: u32,
    /// Input, `rows × k`, int8 or int16.
    pub x: Act,
    /// Weights, `n × k`, −127..=127.
    pub weights: Blob<i8>,
    /// Their layout.
    pub pack: Pack,
    /// Bias in accumulator units, and multipliers.
    pub requant: PerChannel,
    /// Output, `rows × n`.
    pub out: Destination,
}

/// Where a GEMM's result goes, and what is fused behind the requantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// int8, optionally mapped through a 256-entry table indexed by `t + 128`.
    I8 {
        /// Output.
        out: Slot<i8>,
        /// Table activation.
        table: Option<Blob<i8>>,
    },
    /// int16, optionally added to a residual in place.
    I16 {
        /// Output; with a residual, the residual stream, updated.
        out: Slot<i16>,
        /// Residual addition.
        residual: Option<Residual>,
    },
    /// int32 (logits).
    I32 {
        /// Output.
        out: Slot<i32>,
    },
}

/// `out ← saturate(round(t · branch) + round(out · stream))`, as [`Add`](super::Add).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residual {
    /// Multiplier of this layer's 16-bit result.
    pub branch: Multiplier,
    /// Multiplier of the value already in the stream.
    pub stream: Multiplier,
}

impl Destination {
    pub(crate) fn operands(&mut self, visitor: &mut Visitor<'_>, n: u32) {
        match self {
            Destination::I8 { out, table } => {
                visitor.write(out, Tiling::rows(n));
                if let Some(table) = table {
                    visitor.constant(table);
                }
            }
            Destination::I16 { out, residual: None } => visitor.write(out, Tiling::rows(n)),
            Destination::I16 { out, residual: Some(_) } => visitor.update(out, Tiling::rows(n)),
            Destination::I32 { out } => visitor.write(out, Tiling::rows(n)),
        }
    }

    pub(crate) fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        match self {
            Destination::I8 { table: Some(table), .. } => consts.get(*table, 256).map(|_| ()),
            Destination::I16 { residual: Some(r), .. } if !(r.branch.is_valid() && r.stream.is_valid()) => {
                Err(Reject::Shift)
            }
            Destination::I8 { .. } | Destination::I16 { .. } | Destination::I32 { .. } => Ok(()),
        }
    }

    /// Calls `body` with the writable rows of `window` and the rest of the arena.
    pub(crate) fn with<R>(
        &self,
        memory: &mut Memory<'_>,
        rows: Window,
        n: u32,
        body: impl FnOnce(LinearOut<'_>, &crate::mem::Rest<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        match *self {
            Destination::I8 { out, table } => {
                let table = match table {
                    Some(table) => Some(memory.blob(table)?.try_into().map_err(|_| Fault::Bounds)?),
                    None => None,
                };
                let (out, rest) = memory.split(rows.of(out, n, n)?)?;
                body(LinearOut::I8 { out, table }, &rest)
            }
            Destination::I16 { out, residual } => {
                let (out, rest) = memory.split(rows.of(out, n, n)?)?;
                body(LinearOut::I16 { out, residual }, &rest)
            }
            Destination::I32 { out } => {
                let (out, rest) = memory.split(rows.of(out, n, n)?)?;
                body(LinearOut::I32 { out }, &rest)
            }
        }
    }
}

impl Linear {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.x.visit(visitor, Role::Read, Tiling::rows(self.k));
        visitor.weights(&mut self.weights, &mut self.pack, self.n, self.k);
        self.requant.operands(visitor);
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

    /// `1 ≤ k ≤ 2¹⁶`, weights without −128, |bias| ≤ 2³⁰, shifts in range.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.n == 0 || self.k == 0 || self.k > MAX_K {
            return Err(Reject::Dimension);
        }
        if matches!(self.x, Act::I32(_)) {
            return Err(Reject::Type);
        }
        consts.check_weights(self.weights, self.pack, self.n, self.k)?;
        self.requant.check(consts, self.n)?;
        self.out.check(consts)
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let (n, k) = (self.n as usize, self.k as usize);
        let args = LinearArgs {
            weights: Weights { data: memory.blob(self.weights)?, pack: self.pack, n, k },
            bias: memory.blob(self.requant.bias)?,
            requant: self.requant.scale.load(memory)?,
        };
        let x = self.x.window(window, self.k, self.k)?;
        self.out.with(memory, window, self.n, |out, rest| match x {
            Act::I8(x) => kernels.linear_i8(&args, rest.read(x)?, out),
            Act::I16(x) => kernels.linear_i16(&args, rest.read(x)?, out),
            Act::I32(_) => Err(Fault::Instruction),
        })
    }
}

/// Constants of a GEMM. Rows of the input are `weights.k` long, of the output `weights.n`.
#[derive(Clone, Copy, Debug)]
pub struct LinearArgs<'a> {
    /// Weights.
    pub weights: Weights<'a>,
    /// Bias of each output channel.
    pub bias: &'a [i32],
    /// Multiplier of each output channel.
    pub requant: ChannelsRef<'a>,
}

/// The rows a GEMM writes, and its epilogue.
#[derive(Debug)]
pub enum LinearOut<'a> {
    /// See [`Destination::I8`].
    I8 {
        /// Output rows.
        out: &'a mut [i8],
        /// Table activation.
        table: Option<&'a [i8; 256]>,
    },
    /// See [`Destination::I16`].
    I16 {
        /// Output rows or residual stream.
        out: &'a mut [i16],
        /// Residual addition.
        residual: Option<Residual>,
    },
    /// See [`Destination::I32`].
    I32 {
        /// Output rows.
        out: &'a mut [i32],
    },
}

impl LinearOut<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            LinearOut::I8 { out, .. } => out.len(),
            LinearOut::I16 { out, .. } => out.len(),
            LinearOut::I32 { out } => out.len(),
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements `start .. start + len`.
    pub fn window(&mut self, start: usize, len: usize) -> Result<LinearOut<'_>, Fault> {
        Ok(match self {
            LinearOut::I8 { out, table } => {
                LinearOut::I8 { out: window_mut(out, start, len)?, table: *table }
            }
            LinearOut::I16 { out, residual } => {
                LinearOut::I16 { out: window_mut(out, start, len)?, residual: *residual }
            }
            LinearOut::I32 { out } => LinearOut::I32 { out: window_mut(out, start, len)? },
        })
    }

    /// Finishes consecutive channels of one row: requantizes `acc` (bias included)
    /// with the multipliers in `requant` (of those channels) and stores them through
    /// the epilogue at element `at`.
    // One copy for all callers: it is most of the code of each, and called for many channels.
    #[inline(never)]
    pub fn store(&mut self, at: usize, acc: &[i32], requant: &ChannelsRef<'_>) -> Result<(), Fault> {
        let constants = requant.mantissa.iter().zip(requant.shift);
        let scaled = acc.iter().zip(constants).map(|(&z, (&m, &e))| crate::arith::requantize(z, m, e));
        match self {
            LinearOut::I8 { out, table } => {
                for (y, t) in window_mut(out, at, acc.len())?.iter_mut().zip(scaled) {
                    let t = saturate_i8(t);
                    *y = table.map_or(t, |table| super::table::lookup(table, t));
                }
            }
            LinearOut::I16 { out, residual } => {
                for (y, t) in window_mut(out, at, acc.len())?.iter_mut().zip(scaled) {
                    let t = saturate_i16(t);
                    *y = residual.map_or(t, |r| super::add::sum(*y, r.stream, t, r.branch));
                }
            }
            LinearOut::I32 { out } => {
                for (y, t) in window_mut(out, at, acc.len())?.iter_mut().zip(scaled) {
                    *y = saturate_i32(t);
                }
            }
        }
        Ok(())
    }
}

/// Channels finished together by the reference.
const BLOCK: usize = 16;

/// Scalar reference for int8 activations.
pub fn linear_i8(args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
    reference(args, x, out, |row, weights, channel| match weights.row(channel) {
        Some(w) => row.iter().zip(w).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum(),
        None => row.iter().enumerate().map(|(i, &a)| i32::from(a) * i32::from(weights.get(channel, i))).sum(),
    })
}

/// Scalar reference for int16 activations: the exact sum with the bias, saturated to int32.
pub fn linear_i16(args: &LinearArgs<'_>, x: &[i16], out: LinearOut<'_>) -> Result<(), Fault> {
    let bias = args.bias;
    let unbiased = LinearArgs { bias: &[], ..*args };
    reference(&unbiased, x, out, |row, weights, channel| {
        let products =
            row.iter().enumerate().map(|(i, &a)| i64::from(a) * i64::from(weights.get(channel, i)));
        saturate_i32(products.sum::<i64>() + i64::from(bias.get(channel).copied().unwrap_or(0)))
    })
}

/// The loop over rows and blocks of channels that both activation widths share.
#[inline(always)]
fn reference<T: Copy>(
    args: &LinearArgs<'_>,
    x: &[T],
    mut out: LinearOut<'_>,
    dot: impl Fn(&[T], &Weights<'_>, usize) -> i32,
) -> Result<(), Fault> {
    let Weights { n, k, .. } = args.weights;
    for (r, row) in rows(x, k).enumerate() {
        let mut start = 0;
        while start < n {
            let count = (n - start).min(BLOCK);
            let mut acc = [0i32; BLOCK];
            for (lane, z) in acc.iter_mut().take(count).enumerate() {
                let bias = args.bias.get(start + lane).copied().unwrap_or(0);
                *z = dot(row, &args.weights, start + lane) + bias;
            }
            out.store(r * n + start, window(&acc, 0, count)?, &args.requant.window(start, count)?)?;
            start += count;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    #[test]
    fn int8_accumulator_bound_is_tight() {
        let extreme = u64::from(MAX_K) * 128 * 127 + u64::from(MAX_BIAS);
        assert!(extreme <= i32::MAX as u64);
    }

    fn exact(x: &[i64], w: &[i8], bias: i32, m: i32, e: u8) -> i128 {
        let z: i128 =
            x.iter().zip(w).map(|(&a, &b)| i128::from(a) * i128::from(b)).sum::<i128>() + i128::from(bias);
        let z = z.clamp(i32::MIN.into(), i32::MAX.into());
        (2 * z * i128::from(m) + (1 << e)).div_euclid(1i128 << (e + 1))
    }

    fn weights(len: usize) -> impl Strategy<Value = Vec<i8>> {
        prop::collection::vec(prop_oneof![-127i8..=127, Just(-127), Just(127)], len)
    }

    proptest! {
        #[test]
        fn both_widths_equal_exact_arithmetic(
            (k, x, w) in (1usize..70).prop_flat_map(|k| (Just(k), prop::collection::vec(any::<i16>(), k), weights(k * 3))),
            bias in prop::array::uniform3(-(1i32 << 30)..=1 << 30),
            m in prop::array::uniform3(any::<i32>()),
            e in prop::array::uniform3(1u8..=62),
        ) {
            let args = LinearArgs {
                weights: Weights { data: &w, pack: Pack::RowMajor, n: 3, k },
                bias: &bias,
                requant: ChannelsRef { mantissa: &m, shift: &e },
            };
            let x8: Vec<i8> = x.iter().map(|&v| v as i8).collect();
            let (mut out8, mut out32) = (vec![0i8; 3], vec![0i32; 3]);
            linear_i8(&args, &x8, LinearOut::I8 { out: &mut out8, table: None }).unwrap();
            linear_i16(&args, &x, LinearOut::I32 { out: &mut out32 }).unwrap();
            for c in 0..3 {
                let row = &w[c * k..][..k];
                let wide8: Vec<i64> = x8.iter().map(|&v| v.into()).collect();
                let wide16: Vec<i64> = x.iter().map(|&v| v.into()).collect();
                prop_assert_eq!(i128::from(out8[c]), exact(&wide8, row, bias[c], m[c], e[c]).clamp(-128, 127));
                let want = exact(&wide16, row, bias[c], m[c], e[c]).clamp(i32::MIN.into(), i32::MAX.into());
                prop_assert_eq!(i128::from(out32[c]), want);
            }
        }
    }
}
