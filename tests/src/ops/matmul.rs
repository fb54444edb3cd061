use proptest::prelude::*;
use quant::Op;
use quant::mem::{DType, span};
use quant::ops::{MAX_K, MatMul};

use super::{Generated, size};
use crate::case::Case;
use crate::source::Source;

#[derive(Clone, Copy, Debug)]
enum Layout {
    /// One batch element after the other, with a gap after each row.
    Sequential(u32),
    /// Batch elements side by side in each row.
    Interleaved,
    /// The same row throughout.
    Repeated,
}

impl Layout {
    /// Elements from one batch element, and from one row, to the next.
    fn strides(self, batch: u32, rows: u32, len: u32) -> (u32, u32) {
        match self {
            Layout::Sequential(gap) => (rows * (len + gap), len + gap),
            Layout::Interleaved => (len, batch * len),
            Layout::Repeated => (0, 0),
        }
    }
}

fn elements(batch: u32, rows: u32, len: u32, (batch_stride, row_stride): (u32, u32)) -> u32 {
    span(rows, row_stride, len).and_then(|one| span(batch, batch_stride, one)).expect("small")
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    batch: u32,
    m: u32,
    n: u32,
    k: u32,
    wide: bool,
    transpose_b: bool,
    a: Layout,
    b: Layout,
    interleave: bool,
}

fn shape() -> impl Strategy<Value = Shape> {
    let read = || {
        let gap = (0u32..4).prop_map(Layout::Sequential);
        prop_oneof![3 => gap, 3 => Just(Layout::Interleaved), 1 => Just(Layout::Repeated)]
    };
    let dims = prop_oneof![
        8 => (1u32..=4, size(), size(), size()),
        1 => (1u32..=2, 1u32..=2, 1u32..=2, Just(MAX_K)),
        1 => (1u32..=2, 60u32..=70, 1u32..=100, 250u32..=600),
    ];
    (dims, any::<[bool; 3]>(), read(), read()).prop_map(|((batch, m, n, k), flags, a, b)| {
        let [wide, transpose_b, interleave] = flags;
        Shape { batch, m, n, k, wide, transpose_b, a, b, interleave }
    })
}

impl Generated for MatMul {
    fn cases() -> BoxedStrategy<Case> {
        let out = prop::sample::select(&[DType::I8, DType::I16, DType::I32][..]);
        let make = |(shape, out, seed): (Shape, DType, u64)| {
            Case::one_op(format!("MatMul {shape:?} to {out:?} seed {seed}"), move |builder| {
                let s = &mut Source::new(seed);
                let Shape { batch, m, n, k, wide, transpose_b, .. } = shape;
                let (b_rows, b_len) = if transpose_b { (n, k) } else { (k, n) };
                let a = shape.a.strides(batch, m, k);
                let b = shape.b.strides(batch, b_rows, b_len);
                let whole = if shape.interleave { Layout::Interleaved } else { Layout::Sequential(0) };
                let (out_batch, out_row) = whole.strides(batch, m, n);
                let a_type = if wide { DType::I16 } else { DType::I8 };
                Op::MatMul(MatMul {
                    batch,
                    m,
                    n,
                    k,
                    a: builder.act(s, a_type, elements(batch, m, k, a)),
                    a_batch: a.0,
                    a_row: a.1,
                    b: builder.input(&s.values::<i8>(elements(batch, b_rows, b_len, b))),
                    b_batch: b.0,
                    b_row: b.1,
                    transpose_b,
                    out: builder.act_out(out, batch * m * n),
                    out_batch,
                    out_row,
                    requant: builder.channels(s, batch, 1),
                })
            })
        };
        (shape(), out, any::<u64>()).prop_map(make).boxed()
    }
}
