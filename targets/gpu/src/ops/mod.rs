//! Which dispatches an instruction becomes: one file per family of ops.

mod attention;
mod binary_linear;
mod bits;
mod channels;
mod columns;
mod element;
mod epilogue;
mod gemm;
mod movement;
mod norm;
mod pack;
mod paired;
mod pointwise;
mod rotary;
mod rows;
mod softmax;
mod subgroup;

use quant::Op;

pub(crate) use self::epilogue::place;
pub(crate) use self::gemm::{Choice, Choices, FRAMES, Tiles, is_taken_whole};
use crate::plan::Planner;

/// What no shader does, in words.
pub(crate) type Reason = &'static str;

/// Appends the dispatches of `op`.
pub(crate) fn plan(op: &Op, planner: &mut Planner<'_>) -> Result<(), Reason> {
    match op {
        // Without tiles it does nothing.
        Op::Tile(_) => Ok(()),
        Op::Table(op) => pointwise::table(op, planner),
        Op::Relu(op) => pointwise::relu(op, planner),
        Op::Add(op) => pointwise::add(op, planner),
        Op::Requantize(op) => pointwise::requantize(op, planner),
        Op::QuantizeImage(op) => pointwise::quantize_image(op, planner),
        Op::Load(op) => pointwise::load(op, planner),
        Op::Permute(op) => movement::permute(op, planner),
        Op::Gather(op) => movement::gather(op, planner),
        Op::Mul(op) => paired::mul(op, planner),
        Op::Div(op) => paired::div(op, planner),
        Op::Rotary(op) => rotary::rotary(op, planner),
        Op::Attention(op) => attention::attention(op, planner),
        Op::Interpolate(op) => pointwise::interpolate(op, planner),
        Op::Linear(op) => gemm::linear(op, planner),
        Op::Conv2d(op) => gemm::conv2d(op, planner),
        Op::MatMul(op) => gemm::matmul(op, planner),
        Op::Binarize(op) => bits::binarize(op, planner),
        Op::BitTranspose(op) => bits::bit_transpose(op, planner),
        Op::BinaryAttention(op) => bits::binary_attention(op, planner),
        Op::BinaryLinear(op) => binary_linear::binary_linear(op, planner),
        Op::LayerNorm(op) => norm::layer_norm(op, planner),
        Op::RmsNorm(op) => norm::rms_norm(op, planner),
        Op::Shiftmax(op) => softmax::shiftmax(op, planner),
        Op::ShiftGelu(op) => softmax::shift_gelu(op, planner),
        Op::MeanTokens(op) => columns::mean_tokens(op, planner),
        Op::GroupNorm(op) => channels::group_norm(op, planner),
        Op::ResponseNorm(op) => channels::response_norm(op, planner),
    }
}
