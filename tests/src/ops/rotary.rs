use proptest::prelude::*;
use quant::Op;
use quant::mem::DType;
use quant::ops::{Pairs, Rotary};

use super::{Generated, size};
use crate::case::{Case, multiplier};
use crate::source::Source;

/// Rows and heads of a rotation.
#[derive(Clone, Copy, Debug)]
struct Shape {
    positions: u32,
    /// Rows of each position.
    turns: u32,
    heads: u32,
    /// Pairs of a head.
    half: u32,
    /// Elements of the input between rows.
    gap: u32,
}

fn shape() -> impl Strategy<Value = Shape> {
    let rows = (size(), prop_oneof![4 => Just(1u32), 1 => 2u32..=3]);
    let heads = (1u32..=4, prop_oneof![4 => 1u32..=5, 1 => 15u32..=17], 0u32..=3);
    (rows, heads).prop_map(|((positions, turns), (heads, half, gap))| Shape {
        positions,
        turns,
        heads,
        half,
        gap,
    })
}

impl Generated for Rotary {
    fn cases() -> BoxedStrategy<Case> {
        let make = |(shape, wide, neighbours, seed): (Shape, [bool; 2], bool, u64)| {
            let pairs = if neighbours { Pairs::Neighbours } else { Pairs::Halves };
            Case::one_op(format!("Rotary {shape:?} {pairs:?} 16 bits {wide:?} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let dtype = |wide: bool| if wide { DType::I16 } else { DType::I8 };
                let Shape { positions, turns, heads, half, gap } = shape;
                let (rows, head_dim) = (positions * turns, 2 * half);
                let (width, stride) = (heads * head_dim, heads * head_dim + gap);
                let x = b.act(s, dtype(wide[0]), (rows - 1) * stride + width);
                let angle = |value: i16| value.clamp(-(1 << 14), 1 << 14);
                let angles: Vec<i16> = s.values(positions * head_dim).into_iter().map(angle).collect();
                let (angles, scale) = (b.blob(&angles), multiplier(s));
                let out = b.act_out(dtype(wide[1]), rows * width);
                Op::Rotary(Rotary { rows, width, head_dim, pairs, x, stride, angles, scale, out })
            })
        };
        (shape(), any::<[bool; 2]>(), any::<bool>(), any::<u64>()).prop_map(make).boxed()
    }
}
