use proptest::prelude::*;
use quant::Op;
use quant::mem::DType;
use quant::ops::{Const, Gather, Load, Permute};

use super::{Generated, rows_and_width, size};
use crate::case::Case;
use crate::source::Source;

fn dtype() -> impl Strategy<Value = DType> {
    prop::sample::select(&[DType::I8, DType::I16, DType::I32][..])
}

/// A transpose of a contiguous tensor, or any strides.
fn strides(shape: [u32; 4], s: &mut Source) -> [u32; 4] {
    if s.below(2) == 0 {
        return [(); 4].map(|()| s.below(7));
    }
    let mut order = [0, 1, 2, 3];
    for last in (1..4).rev() {
        order.swap(last, s.below(last as u32 + 1) as usize);
    }
    let mut strides = [0; 4];
    let mut stride = 1;
    for axis in order {
        strides[axis] = stride;
        stride *= shape[axis];
    }
    strides
}

impl Generated for Permute {
    fn cases() -> BoxedStrategy<Case> {
        let shape = [size(), (1u32..5).boxed(), (1u32..5).boxed(), size()];
        let make = |(shape, dtype, seed): ([u32; 4], DType, u64)| {
            Case::one_op(format!("Permute {shape:?} {dtype:?} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let strides = strides(shape, s);
                let last: u32 = shape.iter().zip(strides).map(|(size, stride)| (size - 1) * stride).sum();
                let x = b.act(s, dtype, last + 1 + s.clone().below(3));
                Op::Permute(Permute { shape, strides, x, out: b.act_out(dtype, shape.iter().product()) })
            })
        };
        (shape, dtype(), any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for Gather {
    fn cases() -> BoxedStrategy<Case> {
        let make = |((rows, width), source_rows, dtype, seed): ((u32, u32), u32, DType, u64)| {
            Case::one_op(
                format!("Gather {rows} of {source_rows} x {width} {dtype:?} seed {seed}"),
                move |b| {
                    let s = &mut Source::new(seed);
                    let index: Vec<u32> = (0..rows).map(|_| s.below(source_rows)).collect();
                    Op::Gather(Gather {
                        rows,
                        width,
                        source_rows,
                        x: b.act(s, dtype, source_rows * width),
                        index: b.blob(&index),
                        out: b.act_out(dtype, rows * width),
                    })
                },
            )
        };
        (rows_and_width(), size(), dtype(), any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for Load {
    fn cases() -> BoxedStrategy<Case> {
        let make = |((rows, width), dtype, seed): ((u32, u32), DType, u64)| {
            Case::one_op(format!("Load {rows} x {width} {dtype:?} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let len = rows * width;
                let value = match dtype {
                    DType::I8 => Const::I8(b.blob(&s.values(len))),
                    DType::I16 => Const::I16(b.blob(&s.values(len))),
                    _ => Const::I32(b.blob(&s.values(len))),
                };
                // A program has an input, even where nothing reads it.
                b.input(&[0u8]);
                Op::Load(Load { rows, width, value, out: b.act_out(dtype, len) })
            })
        };
        (rows_and_width(), dtype(), any::<u64>()).prop_map(make).boxed()
    }
}
