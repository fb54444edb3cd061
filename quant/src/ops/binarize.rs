//! Binarize: integer activations to signs, by the threshold of each channel.
//!
//! Exact: nothing is rounded. Bias, scale and normalisation in front of the sign are
//! folded into the thresholds off line.

use serde::{Deserialize, Serialize};

use super::bit_rows::BLOCK;
use super::{Act, BitOut, BitsOut, Consts, Tensor};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::window;

/// Compares rows of `width` integers with the thresholds of `out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binarize {
    /// Rows (tokens).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// Input, `rows × width`, int8 or int16.
    pub x: Act,
    /// Output, `rows` bit rows of `width`.
    pub out: BitOut,
}

impl Binarize {
    /// Reports the operands.
    pub fn operands<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        self.x.visit(visitor, "x", Role::Read, Tiling::rows(self.width));
        self.out.operands(visitor, self.width);
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// int8 or int16, groups that divide the width, thresholds in order.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        if matches!(self.x, Act::I32(_)) {
            return Err(Reject::Type);
        }
        self.out.check(consts, self.width)
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let x = self.x.window(window, self.width, self.width)?;
        self.out.with(memory, window, self.width, |out, rest| {
            kernels.binarize(self.width as usize, x.read(rest)?, out)
        })
    }
}

/// Scalar reference.
pub fn binarize(width: usize, x: Tensor<'_>, mut out: BitsOut<'_>) -> Result<(), Fault> {
    out.clear();
    match x {
        Tensor::I8(x) => rows(width, x, &mut out),
        Tensor::I16(x) => rows(width, x, &mut out),
        Tensor::I32(_) => Err(Fault::Instruction),
    }
}

fn rows<T: Copy + Into<i32>>(width: usize, x: &[T], out: &mut BitsOut<'_>) -> Result<(), Fault> {
    for (r, row) in crate::slice::rows(x, width).enumerate() {
        for (block, x) in row.chunks(BLOCK).enumerate() {
            let mut z = [0i32; BLOCK];
            for (z, &x) in z.iter_mut().zip(x) {
                *z = x.into();
            }
            out.store(r, block * BLOCK, window(&z, 0, x.len())?)?;
        }
    }
    Ok(())
}
