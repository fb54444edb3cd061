use std::ops::RangeInclusive;

use proptest::prelude::*;
use quant::Op;
use quant::ops::Conv2d;
use quant::pack::Pack;

use super::Generated;
use crate::case::{Case, Epilogue};
use crate::source::Source;

/// One axis: size, kernel, stride, padding before, outputs.
type Axis = (u32, u32, u32, u32, u32);
/// Rows, columns, and groups with input and output channels of each.
type Shape = (Axis, Axis, (u32, u32, u32));

/// Every window touches the image; the last ones may reach past it.
fn axis(kernel: RangeInclusive<u32>) -> impl Strategy<Value = Axis> {
    (1u32..=9, kernel, 1u32..=5)
        .prop_flat_map(|(size, kernel, stride)| (Just(size), Just(kernel), Just(stride), 0..kernel))
        .prop_flat_map(|(size, kernel, stride, pad)| {
            let most = (size + pad - 1) / stride + 1;
            (Just(size), Just(kernel), Just(stride), Just(pad), 1..=most)
        })
}

/// One output for each position.
fn same() -> impl Strategy<Value = Axis> {
    (1u32..=9).prop_map(|size| (size, 1, 1, 0, size))
}

/// Channels with weights of their own.
fn depthwise() -> impl Strategy<Value = u32> {
    prop_oneof![1u32..=5, 14u32..=20, 62u32..=66, Just(130)]
}

impl Generated for Conv2d {
    fn cases() -> BoxedStrategy<Case> {
        // Groups, and input and output channels of each.
        let channels = prop_oneof![
            4 => (1u32..=3, 1u32..=5, prop_oneof![1u32..=4, 15u32..=18]),
            1 => (depthwise(), Just(1), Just(1)),
            1 => (2u32..=3, 1u32..=9, prop_oneof![Just(16), Just(32), Just(80)]),
            // Panels of several groups, and of parts of two.
            1 => (2u32..=20, 1u32..=8, 1u32..=12),
            1 => (2u32..=4, 1u32..=40, 17u32..=50),
        ];
        let shapes = prop_oneof![
            8 => (axis(1..=5), axis(1..=5), channels),
            // Whole images times a matrix.
            1 => (same(), same(), (Just(1), 1u32..=40, 1u32..=20)),
            // Windows longer than what kernels hold of one.
            1 => (axis(3..=5), axis(3..=5), (1u32..=2, 60u32..=130, 1u32..=5)),
            // Large kernels of single channels.
            1 => (axis(5..=9), axis(4..=8), (depthwise(), Just(1), Just(1))),
        ];
        let epilogue = prop::sample::select(&Epilogue::ALL[..]);
        let make = |((v, h, channels), epilogue, seed): (Shape, Epilogue, u64)| {
            let about = format!("Conv2d {v:?} {h:?} groups, in, out {channels:?} {epilogue:?} seed {seed}");
            Case::one_op(about, move |b| {
                let s = &mut Source::new(seed);
                let (groups, depth, filters) = channels;
                let (in_channels, out_channels) = (groups * depth, groups * filters);
                let out = b.destination(s, epilogue, v.4 * h.4 * out_channels);
                Op::Conv2d(Conv2d {
                    in_height: v.0,
                    in_width: h.0,
                    in_channels,
                    out_channels,
                    kernel_h: v.1,
                    kernel_w: h.1,
                    stride_h: v.2,
                    stride_w: h.2,
                    pad_top: v.3,
                    pad_left: h.3,
                    out_height: v.4,
                    out_width: h.4,
                    groups,
                    x: b.input(&s.values::<i8>(v.0 * h.0 * in_channels)),
                    weights: b.blob(&s.weights(out_channels * v.1 * h.1 * depth)),
                    pack: Pack::RowMajor,
                    requant: b.per_channel(s, out_channels),
                    out,
                })
            })
        };
        (shapes, epilogue, any::<u64>()).prop_map(make).boxed()
    }
}
