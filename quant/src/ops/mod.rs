//! One file per op. Each holds the record, what it reads and writes, its bounds,
//! how it runs, and the scalar reference that specifies it.

/// Calls a macro with every op, in id order: `callback! { Tile, Linear, … }`.
#[macro_export]
macro_rules! ops {
    ($callback:ident) => {
        $callback! {
            Tile, Linear, Conv2d, MatMul, Attention, Shiftmax, ShiftGelu, Table, Relu, LayerNorm,
            Add, Requantize, MeanTokens, QuantizeImage, Permute, Gather, Load,
            Binarize, BitTranspose, BinaryLinear, BinaryAttention,
            Interpolate, Mul, RmsNorm, Rotary, GroupNorm, ResponseNorm, Div,
        }
    };
}

mod add;
mod attention;
mod binarize;
mod binary_attention;
mod binary_linear;
mod bit_rows;
mod bit_transpose;
mod common;
mod conv2d;
mod div;
mod gather;
mod group_norm;
mod interpolate;
mod layer_norm;
mod linear;
mod load;
mod matmul;
mod mean_tokens;
mod mul;
mod paired;
mod permute;
mod quantize_image;
mod relu;
mod requantize;
mod response_norm;
mod rms_norm;
mod rotary;
mod shift_gelu;
mod shiftmax;
mod table;
#[cfg(test)]
mod testing;
mod tile;

pub use add::{Add, AddArgs, Addend};
pub use attention::{Attention, AttentionArgs};
pub use binarize::Binarize;
pub use binary_attention::{
    BinaryAttention, BinaryAttentionArgs, BinaryAttentionDestination, BinaryAttentionOut, MAX_BINARY_KEYS,
};
pub use binary_linear::{BinaryLinear, BinaryLinearArgs, MAX_BINARY_K_I16};
pub use bit_rows::{BinaryLinearOut, BinaryOut, BitAct, BitOut, BitsOut, Planes};
pub use bit_transpose::{BitTranspose, BitTransposeArgs};
pub use common::{Act, Channels, ChannelsRef, Consts, PerChannel, Tensor, TensorMut};
pub use conv2d::{Clip, Conv2d, Conv2dArgs};
pub use div::{Div, DivArgs, MAX_RATIO_SHIFT, quotient};
pub use gather::Gather;
pub use group_norm::{GroupNorm, GroupNormArgs, GroupStatistics};
pub use interpolate::{Interpolate, KNOTS};
pub use layer_norm::{LayerNorm, LayerNormArgs, RowStatistics, row_statistics};
pub use linear::{Destination, Linear, LinearArgs, LinearOut, MAX_BIAS, MAX_K, Residual};
pub use load::{Const, Load};
pub use matmul::{MatMul, MatMulArgs};
pub use mean_tokens::{MeanTokens, MeanTokensArgs};
pub use mul::{Mul, MulArgs};
pub use paired::Spread;
pub use permute::{Permute, PermuteArgs};
pub use quantize_image::QuantizeImage;
pub use relu::Relu;
pub use requantize::{Requantize, RequantizeArgs};
pub use response_norm::{ResponseNorm, ResponseNormArgs, root_bits};
pub use rms_norm::{RmsNorm, row_energy};
pub use rotary::{Pairs, Rotary, RotaryArgs, turned};
pub use shift_gelu::{ShiftGelu, ShiftGeluArgs};
pub use shiftmax::{Exponential, ExponentialRef, Shiftmax, ShiftmaxArgs};
pub use table::Table;
pub use tile::Tile;

pub(crate) mod reference {
    //! The scalar references, the default of every kernel method.
    pub use super::add::add;
    pub use super::attention::attention;
    pub use super::binarize::binarize;
    pub use super::binary_attention::binary_attention;
    pub use super::binary_linear::{
        binary_linear_i8, binary_linear_i16, binary_linear_sign, binary_linear_ternary,
    };
    pub use super::bit_transpose::bit_transpose;
    pub use super::conv2d::conv2d;
    pub use super::div::div;
    pub use super::gather::gather;
    pub use super::group_norm::group_norm;
    pub use super::interpolate::interpolate;
    pub use super::layer_norm::layer_norm;
    pub use super::linear::{linear_i8, linear_i16};
    pub use super::load::load;
    pub use super::matmul::matmul;
    pub use super::mean_tokens::mean_tokens;
    pub use super::mul::mul;
    pub use super::permute::permute;
    pub use super::quantize_image::quantize_image;
    pub use super::relu::{relu_i8, relu_i16};
    pub use super::requantize::requantize;
    pub use super::response_norm::response_norm;
    pub use super::rms_norm::rms_norm;
    pub use super::rotary::rotary;
    pub use super::shift_gelu::shift_gelu;
    pub use super::shiftmax::shiftmax;
    pub use super::table::table;
}
