use proptest::prelude::*;
use quant::Op;
use quant::mem::DType;
use quant::ops::{GroupNorm, LayerNorm, MeanTokens, ResponseNorm, RmsNorm};

use super::{Generated, rows_and_width, size};
use crate::case::{Case, multiplier};
use crate::source::Source;

/// Programs of one instruction that `op` makes of a record.
fn norms(op: fn(LayerNorm) -> Op) -> BoxedStrategy<Case> {
    let shape = prop_oneof![12 => rows_and_width(), 1 => (1u32..=2, Just(1u32 << 15))];
    let eps = prop_oneof![Just(0u64), Just(1), Just(1 << 48), 0u64..1 << 20, 0u64..=1 << 48];
    let make = move |((rows, width), eps, wide, seed): ((u32, u32), u64, bool, u64)| {
        let about = format!("norm {rows} x {width} eps {eps} to 16 bits {wide} seed {seed}");
        Case::one_op(about, move |b| {
            let s = &mut Source::new(seed);
            op(LayerNorm {
                rows,
                width,
                eps,
                x: b.input(&s.values::<i16>(rows * width)),
                scale: b.channels(s, width, 33),
                offset: b.blob(&s.biases(width)),
                out: b.act_out(if wide { DType::I16 } else { DType::I8 }, rows * width),
            })
        })
    };
    (shape, eps, any::<bool>(), any::<u64>()).prop_map(make).boxed()
}

impl Generated for LayerNorm {
    fn cases() -> BoxedStrategy<Case> {
        norms(Op::LayerNorm)
    }
}

impl Generated for RmsNorm {
    fn cases() -> BoxedStrategy<Case> {
        norms(|norm| Op::RmsNorm(RmsNorm(norm)))
    }
}

impl Generated for GroupNorm {
    fn cases() -> BoxedStrategy<Case> {
        let channels = prop_oneof![3 => 1u32..=6, 1 => 14u32..=34];
        let groups = prop_oneof![2 => Just(1u32), 3 => 2u32..=6, 1 => 16u32..=20];
        let rows = prop_oneof![6 => size(), 1 => 200u32..=700];
        let eps = prop_oneof![Just(0u64), Just(1), Just(1 << 60), 0u64..1 << 20, 0u64..=1 << 60];
        let make = |((rows, channels, groups), eps, wide, seed): ((u32, u32, u32), u64, bool, u64)| {
            let about =
                format!("GroupNorm {rows} x {channels} x {groups} eps {eps} to 16 bits {wide} seed {seed}");
            Case::one_op(about, move |b| {
                let s = &mut Source::new(seed);
                let width = channels * groups;
                Op::GroupNorm(GroupNorm {
                    rows,
                    width,
                    groups,
                    eps,
                    x: b.input(&s.values::<i16>(rows * width)),
                    scale: b.channels(s, width, 33),
                    offset: b.blob(&s.biases(width)),
                    out: b.act_out(if wide { DType::I16 } else { DType::I8 }, rows * width),
                })
            })
        };
        ((rows, channels, groups), eps, any::<bool>(), any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for ResponseNorm {
    fn cases() -> BoxedStrategy<Case> {
        let shape =
            prop_oneof![8 => (size(), size()), 1 => (1u32..=2, 300u32..=700), 1 => (500u32..900, 1u32..=3)];
        let eps = prop_oneof![Just(0u64), Just(1), Just(1 << 62), 0u64..1 << 34, 0u64..=1 << 62];
        let unit = prop_oneof![Just(1u32), Just(1 << 30), 1u32..1 << 16, 1u32..=1 << 30];
        let x = prop::sample::select(&[DType::I8, DType::I16][..]);
        let make = |((rows, width), eps, unit, x, seed): ((u32, u32), u64, u32, DType, u64)| {
            let about = format!("ResponseNorm {rows} x {width} {x:?} eps {eps} unit {unit} seed {seed}");
            Case::one_op(about, move |b| {
                let s = &mut Source::new(seed);
                let x = b.act(s, x, rows * width);
                let (lengths, out) = (b.slot(width), b.out(width));
                Op::ResponseNorm(ResponseNorm { rows, width, eps, unit, x, lengths, out })
            })
        };
        (shape, eps, unit, x, any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for MeanTokens {
    fn cases() -> BoxedStrategy<Case> {
        let shape = prop_oneof![8 => (size(), size()), 1 => (Just(65535u32), 1u32..=3)];
        let x = prop::sample::select(&[DType::I8, DType::I16][..]);
        let out = prop::sample::select(&[DType::I8, DType::I16, DType::I32][..]);
        let make = |((tokens, width), x, out, seed): ((u32, u32), DType, DType, u64)| {
            Case::one_op(format!("MeanTokens {tokens} x {width} {x:?} to {out:?} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let x = b.act(s, x, tokens * width);
                Op::MeanTokens(MeanTokens {
                    tokens,
                    width,
                    x,
                    scale: multiplier(s),
                    out: b.act_out(out, width),
                })
            })
        };
        (shape, x, out, any::<u64>()).prop_map(make).boxed()
    }
}
