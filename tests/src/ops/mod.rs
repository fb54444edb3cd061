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
mod rotary;
mod softmax;

pub use attention::{AttentionShape, attention_shape};
pub use binary::binary_linear_of_words;
pub use linear::{LinearShape, linear_shape};

use proptest::prelude::*;
use quant::op::OpKind;

use crate::case::Case;

/// An op that programs of one instruction are generated of.
trait Generated {
    /// The programs; for [`Tile`](quant::ops::Tile), groups of several instructions.
    fn cases() -> BoxedStrategy<Case>;
}

macro_rules! by_kind {
    ($($name:ident),* $(,)?) => {
        /// Programs of one instruction of `kind`; for [`OpKind::Tile`], groups of several.
        pub fn cases(kind: OpKind) -> BoxedStrategy<Case> {
            match kind {
                $(OpKind::$name => quant::ops::$name::cases(),)*
            }
        }
    };
}
quant::ops!(by_kind);

/// Sizes around those of vectors, panels and blocks.
fn size() -> BoxedStrategy<u32> {
    prop_oneof![5 => 1u32..=6, 2 => 14u32..=18, 1 => 30u32..=34, 1 => 62u32..=67].boxed()
}

/// Rows and a width of elements that are handled one by one.
fn rows_and_width() -> BoxedStrategy<(u32, u32)> {
    prop_oneof![6 => (size(), size()), 1 => (100u32..300, 1u32..4), 1 => (1u32..3, 200u32..600)].boxed()
}
