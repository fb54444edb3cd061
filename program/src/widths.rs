//! How many bits the operands of a product have.

use std::fmt;

use quant::Op;
use quant::mem::DType;
use quant::operand::{Layout, Operand, Role};

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
    /// Those of `op`, if it is a product: what has multiply-accumulates is one, of what it
    /// reads and, where it has them, its weights.
    pub fn of(op: &Op) -> Option<Self> {
        if op.macs() == 0 {
            return None;
        }
        let (mut read, mut weights) = (Vec::new(), None);
        op.operands(&mut |operand| match operand {
            Operand::Slot(slot) if slot.role == Role::Read => read.push(bits(slot.dtype)),
            Operand::Slot(_) => {}
            Operand::Blob(blob) => {
                weights = weights.or(blob.matrix.map(|matrix| match matrix.layout {
                    Layout::Int8(_) => 8,
                    Layout::Bits(_) => 1,
                }));
            }
        });
        match (weights, read.as_slice()) {
            // Ternary activations are two rows of bits.
            (Some(weights), read) => Some(ProductBits::Weights { weights, activations: read.iter().sum() }),
            (None, &[left, right, ..]) => Some(ProductBits::Activations { left, right }),
            (None, [] | [_]) => None,
        }
    }
}

fn bits(dtype: DType) -> u32 {
    match dtype {
        DType::U8 | DType::I8 => 8,
        DType::I16 => 16,
        DType::I32 => 32,
        DType::U32 => 1,
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
