use proptest::prelude::*;
use quant::Op;
use quant::mem::DType;
use quant::ops::{Pairs, Rotary};

use super::{Generated, size};
use crate::case::{Case, multiplier};
use crate::source::Source;

impl Generated for Rotary {
    fn cases() -> BoxedStrategy<Case> {
        let rows = (size(), prop_oneof![4 => Just(1u32), 1 => 2u32..=3]);
        let shape = (1u32..=4, prop_oneof![4 => 1u32..=5, 1 => 15u32..=17], 0u32..=3);
        let types = any::<[bool; 2]>();
        let make = |((positions, turns), (heads, half, gap), wide, neighbours, seed): (
            (u32, u32),
            (u32, u32, u32),
            [bool; 2],
            bool,
            u64,
        )| {
            let (rows, head_dim) = (positions * turns, 2 * half);
            let pairs = if neighbours { Pairs::Neighbours } else { Pairs::Halves };
            let about = format!(
                "Rotary {rows} of {positions} positions, {heads} x {head_dim} {pairs:?} gap {gap} 16 bits {wide:?} \
                 seed {seed}"
            );
            Case::one_op(about, move |b| {
                let s = &mut Source::new(seed);
                let dtype = |wide: bool| if wide { DType::I16 } else { DType::I8 };
                let (width, stride) = (heads * head_dim, heads * head_dim + gap);
                let x = b.act(s, dtype(wide[0]), (rows - 1) * stride + width);
                let angle = |value: i16| value.clamp(-(1 << 14), 1 << 14);
                let angles: Vec<i16> = s.values(positions * head_dim).into_iter().map(angle).collect();
                let (angles, scale) = (b.blob(&angles), multiplier(s));
                let out = b.act_out(dtype(wide[1]), rows * width);
                Op::Rotary(Rotary { rows, width, head_dim, pairs, x, stride, angles, scale, out })
            })
        };
        (rows, shape, types, any::<bool>(), any::<u64>()).prop_map(make).boxed()
    }
}
