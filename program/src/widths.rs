//! How many bits the operands of a product have.

use std::fmt;

use quant::Op;
use quant::ops::Act;

/// Bits of the operands of a product; shown as `W1A16`, or `A1×A1` of two activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductBits {
    /// Constant weights and activations.
    Weights {
        /// Of a weight.
        weights: u32,
        /// Of an activation; 2 for −1, 0 and 1.
        activations: u32,
    },
    /// Two activations, all products of the instruction alike.
    Activations {
        /// Of the left.
        left: u32,
        /// Of the right.
        right: u32,
    },
}

impl ProductBits {
    /// Those of `op`, if it is a product.
    pub fn of(op: &Op) -> Option<Self> {
        let weights = |weights, activations| Some(ProductBits::Weights { weights, activations });
        let activations = |left, right| Some(ProductBits::Activations { left, right });
        match op {
            Op::Linear(linear) => weights(8, bits(&linear.x)),
            Op::Conv2d(_) => weights(8, 8),
            Op::BinaryLinear(linear) => weights(1, linear.x.bits()),
            Op::MatMul(product) => activations(bits(&product.a), 8),
            Op::Attention(_) => activations(8, 8),
            Op::BinaryAttention(_) => activations(1, 1),
            Op::Tile(_)
            | Op::Shiftmax(_)
            | Op::ShiftGelu(_)
            | Op::Table(_)
            | Op::Interpolate(_)
            | Op::Relu(_)
            | Op::LayerNorm(_)
            | Op::Add(_)
            | Op::Requantize(_)
            | Op::MeanTokens(_)
            | Op::QuantizeImage(_)
            | Op::Permute(_)
            | Op::Gather(_)
            | Op::Load(_)
            | Op::Binarize(_)
            | Op::BitTranspose(_) => None,
        }
    }
}

fn bits(x: &Act) -> u32 {
    match x {
        Act::I8(_) => 8,
        Act::I16(_) => 16,
        Act::I32(_) => 32,
    }
}

impl fmt::Display for ProductBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProductBits::Weights { weights, activations } => write!(f, "W{weights}A{activations}"),
            ProductBits::Activations { left, right } => write!(f, "A{left}×A{right}"),
        }
    }
}
