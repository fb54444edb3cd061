//! For every op, a strategy of programs of one such instruction: ragged and extreme
//! shapes, extreme values, any multiplier the checker admits.

mod attention;
mod binary;
mod chain;
mod conv2d;
mod elementwise;
mod linear;
mod matmul;
mod movement;
mod norm;
mod softmax;

pub use attention::{AttentionShape, attention_shape};
pub use linear::{LinearShape, linear_shape};

use proptest::prelude::*;
use quant::op::OpKind;

use crate::case::Case;

/// Programs of one instruction of `kind`; for [`OpKind::Tile`], groups of several.
pub fn cases(kind: OpKind) -> BoxedStrategy<Case> {
    match kind {
        OpKind::Tile => chain::cases(),
        OpKind::Linear => linear::cases(),
        OpKind::Conv2d => conv2d::cases(),
        OpKind::MatMul => matmul::cases(),
        OpKind::Attention => attention::cases(),
        OpKind::Shiftmax => softmax::shiftmax(),
        OpKind::ShiftGelu => softmax::shift_gelu(),
        OpKind::Table => elementwise::table(),
        OpKind::Relu => elementwise::relu(),
        OpKind::LayerNorm => norm::layer_norm(),
        OpKind::Add => elementwise::add(),
        OpKind::Requantize => elementwise::requantize(),
        OpKind::MeanTokens => norm::mean_tokens(),
        OpKind::QuantizeImage => elementwise::quantize_image(),
        OpKind::Permute => movement::permute(),
        OpKind::Gather => movement::gather(),
        OpKind::Load => movement::load(),
        OpKind::Binarize => binary::binarize(),
        OpKind::BitTranspose => binary::bit_transpose(),
        OpKind::BinaryLinear => binary::linear(),
        OpKind::BinaryAttention => binary::attention(),
        OpKind::Interpolate => elementwise::interpolate(),
    }
}

/// Sizes around those of vectors, panels and blocks.
fn size() -> BoxedStrategy<u32> {
    prop_oneof![5 => 1u32..=6, 2 => 14u32..=18, 1 => 30u32..=34, 1 => 62u32..=67].boxed()
}

/// Rows and a width of elements that are handled one by one.
fn rows_and_width() -> BoxedStrategy<(u32, u32)> {
    prop_oneof![6 => (size(), size()), 1 => (100u32..300, 1u32..4), 1 => (1u32..3, 200u32..600)].boxed()
}
