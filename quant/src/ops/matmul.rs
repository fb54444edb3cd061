//! MatMul: `out = requantize(A · B)`, a batched product of activations.
//!
//! `z[i][j] = Σ_k a[i][k] · b[k][j]`, exact in 64 bits, saturated to int32, then
//! `saturate(round(z · mantissa / 2^shift))`, rounded half up once, with one
//! multiplier per batch element. With `k ≤ 2¹⁶` an int8 product stays within 2³⁰ and never
//! meets the first saturation; for int16 `a`, `Σ hi·b` and `Σ (lo − 128)·b` of its two
//! bytes each fit int32, so no target needs 64-bit products.

use serde::{Deserialize, Serialize};

use super::{Act, Channels, Consts, MAX_K, Tensor, TensorMut};
use crate::arith::{Multiplier, saturate_i32};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Slot, Window, span};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::{at, window};

/// `batch` products of `m × k` by `k × n`. Runs as a whole.
///
/// Rows and batch elements may be strided, so that heads need no transpose. Every
/// slot spans exactly its batches; every element of `out` is written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatMul {
    /// Products (heads).
    pub batch: u32,
    /// Rows of A and of the result.
    pub m: u32,
    /// Columns of the result.
    pub n: u32,
    /// Inner dimension, `1..=`[`MAX_K`].
    pub k: u32,
    /// A, `m` rows of `k`, int8 or int16.
    pub a: Act,
    /// Elements from one A to the next.
    pub a_batch: u32,
    /// Elements from one row of A to the next.
    pub a_row: u32,
    /// B: `n` rows of `k` when transposed, otherwise `k` rows of `n`.
    pub b: Slot<i8>,
    /// Elements from one B to the next.
    pub b_batch: u32,
    /// Elements from one row of B to the next.
    pub b_row: u32,
    /// Whether B is stored transposed (Q·Kᵀ) or not (P·V).
    pub transpose_b: bool,
    /// Result, `m` rows of `n`.
    pub out: Act,
    /// Elements from one result to the next.
    pub out_batch: u32,
    /// Elements from one row of the result to the next.
    pub out_row: u32,
    /// One multiplier per batch element.
    pub requant: Channels,
}

impl MatMul {
    const fn a_span(&self) -> Option<u32> {
        span(self.m, self.a_row, self.k)
    }

    const fn b_span(&self) -> Option<u32> {
        if self.transpose_b { span(self.n, self.b_row, self.k) } else { span(self.k, self.b_row, self.n) }
    }

    const fn out_span(&self) -> Option<u32> {
        span(self.m, self.out_row, self.n)
    }

    /// Elements from the first to the last of all batch elements.
    fn batches(&self, stride: u32, one: Option<u32>) -> Option<u32> {
        span(self.batch, stride, one?)
    }

    /// Whether no two results share an element: batch elements one after the other, or
    /// interleaved within each row.
    fn disjoint(&self) -> bool {
        let rows_apart = |width: Option<u32>| self.m == 1 || width.is_some_and(|w| self.out_row >= w);
        let batches_apart = |len: Option<u32>| self.batch == 1 || len.is_some_and(|l| self.out_batch >= l);
        let sequential = rows_apart(Some(self.n)) && batches_apart(self.out_span());
        let interleaved =
            batches_apart(Some(self.n)) && rows_apart(self.batches(self.out_batch, Some(self.n)));
        sequential || interleaved
    }

    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.a.visit(visitor, Role::Read, Tiling::Whole);
        visitor.read(&mut self.b, Tiling::Whole);
        self.requant.operands(visitor);
        self.out.visit(visitor, Role::Write, Tiling::Whole);
    }

    /// One: it runs as a whole.
    pub fn rows(&self) -> u32 {
        1
    }

    /// `batch · m · n · k`.
    pub fn macs(&self) -> u64 {
        let results = u64::from(self.batch).saturating_mul(self.m.into()).saturating_mul(self.n.into());
        results.saturating_mul(self.k.into())
    }

    /// Dimensions, exact slot lengths, a result without gaps or overlaps, shifts in range.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if [self.batch, self.m, self.n, self.k].contains(&0) || self.k > MAX_K {
            return Err(Reject::Dimension);
        }
        if matches!(self.a, Act::I32(_)) {
            return Err(Reject::Type);
        }
        let a = self.batches(self.a_batch, self.a_span()).ok_or(Reject::Dimension)?;
        let b = self.batches(self.b_batch, self.b_span()).ok_or(Reject::Dimension)?;
        let out = self.batches(self.out_batch, self.out_span()).ok_or(Reject::Dimension)?;
        if self.a.len() != a || self.b.len != b || self.out.len() != out {
            return Err(Reject::SlotLength);
        }
        let results = self.batch.checked_mul(self.m).and_then(|rows| rows.checked_mul(self.n));
        if results != Some(out) || !self.disjoint() {
            return Err(Reject::Dimension);
        }
        self.requant.check(consts, self.batch)
    }

    /// Runs every batch element.
    pub fn run<K: Kernels>(&self, kernels: &mut K, memory: &mut Memory<'_>, _: Window) -> Result<(), Fault> {
        let requant = self.requant.load(memory)?;
        let (mut out, rest) = self.out.split(memory)?;
        let (a, b) = (self.a.read(&rest)?, rest.read(self.b)?);
        let len = |span: Option<u32>| span.map(|len| len as usize).ok_or(Fault::Instruction);
        let (a_len, b_len, out_len) = (len(self.a_span())?, len(self.b_span())?, len(self.out_span())?);
        for index in 0..self.batch {
            let start = |stride: u32| index.checked_mul(stride).map(|s| s as usize).ok_or(Fault::Bounds);
            let channel = index as usize;
            let args = MatMulArgs {
                m: self.m as usize,
                n: self.n as usize,
                k: self.k as usize,
                a_row: self.a_row as usize,
                b_row: self.b_row as usize,
                transpose_b: self.transpose_b,
                out_row: self.out_row as usize,
                requant: Multiplier {
                    mantissa: at(requant.mantissa, channel)?,
                    shift: at(requant.shift, channel)?,
                },
            };
            let a = a.window(start(self.a_batch)?, a_len)?;
            let b = window(b, start(self.b_batch)?, b_len)?;
            kernels.matmul(&args, a, b, &mut out.window(start(self.out_batch)?, out_len)?)?;
        }
        Ok(())
    }
}

/// Dimensions, row strides and multiplier of one batch element of a [`MatMul`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMulArgs {
    /// Rows of A and of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Inner dimension.
    pub k: usize,
    /// Elements from one row of A to the next.
    pub a_row: usize,
    /// Elements from one row of B to the next.
    pub b_row: usize,
    /// Whether B is `n` rows of `k` rather than `k` rows of `n`.
    pub transpose_b: bool,
    /// Elements from one row of the result to the next; those between rows stay as they are.
    pub out_row: usize,
    /// Multiplier.
    pub requant: Multiplier,
}

/// Scalar reference.
pub fn matmul(args: &MatMulArgs, a: Tensor<'_>, b: &[i8], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match a {
        Tensor::I8(a) => product(args, a, b, out),
        Tensor::I16(a) => product(args, a, b, out),
        Tensor::I32(a) => product(args, a, b, out),
    }
}

/// Columns accumulated together by the reference.
const BLOCK: usize = 16;

fn product<T>(args: &MatMulArgs, a: &[T], b: &[i8], out: &mut TensorMut<'_>) -> Result<(), Fault>
where
    T: Copy + Into<i64>,
{
    let MatMulArgs { m, n, k, b_row, .. } = *args;
    for i in 0..m {
        let row = window(a, i * args.a_row, k)?;
        let mut start = 0;
        while start < n {
            let count = (n - start).min(BLOCK);
            let mut acc = [0i64; BLOCK];
            if args.transpose_b {
                for (lane, z) in acc.iter_mut().take(count).enumerate() {
                    let column = window(b, (start + lane) * b_row, k)?;
                    *z = row.iter().zip(column).map(|(&a, &b)| a.into() * i64::from(b)).sum();
                }
            } else {
                for (j, &a) in row.iter().enumerate() {
                    let values = window(b, j * b_row + start, count)?;
                    for (z, &b) in acc.iter_mut().zip(values) {
                        *z += a.into() * i64::from(b);
                    }
                }
            }
            for (lane, &z) in acc.iter().take(count).enumerate() {
                out.set(i * args.out_row + start + lane, args.requant.apply(saturate_i32(z)));
            }
            start += count;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Blob;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn small() -> impl Strategy<Value = (u32, u32, u32, u32)> {
        (1u32..4, 1u32..5, prop_oneof![1u32..5, 15u32..19], 1u32..20)
    }

    proptest! {
        /// Heads interleaved in A, B and the result, as a transformer has them, B either way round.
        #[test]
        fn equals_exact_arithmetic_on_interleaved_heads(
            (batch, m, n, k) in small(),
            transpose_b: bool,
            seed: i32,
            wide: bool,
            extreme: bool,
            multipliers in prop::array::uniform3((any::<i32>(), prop_oneof![1u8..=62, 28u8..=40])),
        ) {
            let mut index = 0;
            let mut next = || {
                index += 1;
                if extreme { i16::MIN } else { crate::hash::mix(index, seed) as i16 }
            };
            let (a_row, b_inner, b_rows) = (batch * k, if transpose_b { k } else { n }, if transpose_b { n } else { k });
            let b_row = batch * b_inner;
            let a16: Vec<i16> = (0..m * a_row).map(|_| next()).collect();
            let a8: Vec<i8> = a16.iter().map(|&v| (v >> 8) as i8).collect();
            let b: Vec<i8> = (0..b_rows * b_row).map(|_| (next() >> 8) as i8).collect();
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let (a8_slot, a16_slot) = (arena.slot(&a8), arena.slot(&a16));
            let out = arena.slot(&vec![0i32; (batch * m * n) as usize]);
            let (mantissa, shift): (Vec<i32>, Vec<u8>) = multipliers[..batch as usize].iter().copied().unzip();
            let op = MatMul {
                batch, m, n, k, transpose_b, a_row, b_row,
                a: if wide { Act::I16(a16_slot) } else { Act::I8(a8_slot) },
                a_batch: k,
                b: arena.slot(&b),
                b_batch: b_inner,
                out: Act::I32(out),
                out_batch: n,
                out_row: batch * n,
                requant: Channels { mantissa: consts.blob(&mantissa), shift: consts.blob(&shift) },
            };
            prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
            let got = run(op, &arena, &consts, 1).unwrap().get(out);
            for h in 0..batch {
                for i in 0..m {
                    for j in 0..n {
                        let z: i128 = (0..k).map(|p| {
                            let at = (i * a_row + h * k + p) as usize;
                            let a: i128 = if wide { a16[at].into() } else { a8[at].into() };
                            let b_at = if transpose_b { j * b_row + h * k + p } else { p * b_row + h * n + j };
                            a * i128::from(b[b_at as usize])
                        }).sum();
                        let z = z.clamp(i32::MIN.into(), i32::MAX.into());
                        let (mantissa, e) = multipliers[h as usize];
                        let want = (2 * z * i128::from(mantissa) + (1 << e)).div_euclid(1 << (e + 1));
                        let want = want.clamp(i32::MIN.into(), i32::MAX.into());
                        prop_assert_eq!(i128::from(got[((i * batch + h) * n + j) as usize]), want);
                    }
                }
            }
        }

        #[test]
        fn hostile_records_are_refused_without_overflow(
            fields in prop::array::uniform10(prop_oneof![any::<u32>(), 0u32..4]),
            transpose_b: bool,
            lens in prop::array::uniform3(prop_oneof![any::<u32>(), 0u32..10]),
        ) {
            let [batch, m, n, k, a_batch, a_row, b_batch, b_row, out_batch, out_row] = fields;
            let op = MatMul {
                batch, m, n, k, a_batch, a_row, b_batch, b_row, transpose_b, out_batch, out_row,
                a: Act::I8(Slot::new(0, lens[0])),
                b: Slot::new(0, lens[1]),
                out: Act::I8(Slot::new(0, lens[2])),
                requant: Channels { mantissa: Blob::new(u32::MAX, batch), shift: Blob::new(0, batch) },
            };
            prop_assert!(op.check(&Consts::new(&[])).is_err());
            let _ = op.macs();
        }

        /// What `disjoint` promises, by counting the writes to every element.
        #[test]
        fn admitted_results_are_written_exactly_once(
            (batch, m, n, out_batch, out_row) in (1u32..4, 1u32..4, 1u32..4, 0u32..12, 0u32..12),
        ) {
            let mut consts = Buffer::new();
            let count = consts.blob(&vec![1u8; batch as usize]);
            let mantissa = consts.blob(&vec![1i32; batch as usize]);
            let one = |rows: u32, width: u32| span(batch, 0, span(rows, 0, width).unwrap()).unwrap();
            let len = span(batch, out_batch, span(m, out_row, n).unwrap()).unwrap();
            let op = MatMul {
                batch, m, n, k: 1, a_batch: 0, a_row: 0, b_batch: 0, b_row: 0, transpose_b: false, out_batch, out_row,
                a: Act::I8(Slot::new(0, one(m, 1))),
                b: Slot::new(0, one(1, n)),
                out: Act::I8(Slot::new(0, len)),
                requant: Channels { mantissa, shift: count },
            };
            let mut writes = vec![0; len as usize];
            for h in 0..batch {
                for i in 0..m {
                    for j in 0..n {
                        writes[(h * out_batch + i * out_row + j) as usize] += 1;
                    }
                }
            }
            let admitted = op.check(&Consts::new(consts.bytes())).is_ok();
            prop_assert!(!admitted || writes.iter().all(|&w| w == 1));
        }
    }

    #[test]
    fn a_strided_result_leaves_the_gaps_alone_and_saturates() {
        let args = MatMulArgs {
            m: 2,
            n: 1,
            k: 2,
            a_row: 2,
            b_row: 1,
            transpose_b: false,
            out_row: 2,
            requant: Multiplier { mantissa: 1, shift: 1 },
        };
        let mut out = [7i8; 3];
        matmul(&args, Tensor::I8(&[127, 127, 1, 2]), &[1, 127], &mut TensorMut::I8(&mut out)).unwrap();
        assert_eq!(out, [127, 7, 127]);
        let short = matmul(&args, Tensor::I8(&[1, 2, 3]), &[1, 1], &mut TensorMut::I8(&mut out));
        assert_eq!(short, Err(Fault::Bounds));
    }

    #[test]
    fn int8_never_saturates_and_int16_bytes_fit_int32() {
        let extreme = i64::from(MAX_K) * 128 * 128;
        assert!(extreme <= i32::MAX.into());
    }
}
