//! Load: copies a constant into a slot (class tokens, constant operands). Exact.

use serde::{Deserialize, Serialize};

use super::{Act, Consts, Tensor, TensorMut};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, DType, Memory, Window};
use crate::operand::{Role, Tiling, Visitor};

/// Writes `rows × width` constant elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Rows.
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// What is written, `rows × width`.
    pub value: Const,
    /// Output, `rows × width`, of the type of `value`.
    pub out: Act,
}

/// Constant activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Const {
    /// 8-bit activations.
    I8(Blob<i8>),
    /// 16-bit activations.
    I16(Blob<i16>),
    /// Accumulators.
    I32(Blob<i32>),
}

impl Const {
    /// Its element type.
    pub const fn dtype(&self) -> DType {
        match self {
            Const::I8(_) => DType::I8,
            Const::I16(_) => DType::I16,
            Const::I32(_) => DType::I32,
        }
    }

    fn check(self, consts: &Consts<'_>, len: u32) -> Result<(), Reject> {
        match self {
            Const::I8(b) => consts.get(b, len).map(|_| ()),
            Const::I16(b) => consts.get(b, len).map(|_| ()),
            Const::I32(b) => consts.get(b, len).map(|_| ()),
        }
    }

    fn load<'m>(self, memory: &Memory<'m>) -> Result<Tensor<'m>, Fault> {
        Ok(match self {
            Const::I8(b) => Tensor::I8(memory.blob(b)?),
            Const::I16(b) => Tensor::I16(memory.blob(b)?),
            Const::I32(b) => Tensor::I32(memory.blob(b)?),
        })
    }
}

impl Load {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        match &mut self.value {
            Const::I8(b) => visitor.constant(b),
            Const::I16(b) => visitor.constant(b),
            Const::I32(b) => visitor.constant(b),
        }
        self.out.visit(visitor, Role::Write, Tiling::rows(self.width));
    }

    /// Rows.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// The same type and length on both sides.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        if self.value.dtype() != self.out.dtype() {
            return Err(Reject::Type);
        }
        self.value.check(consts, self.rows.checked_mul(self.width).ok_or(Reject::Dimension)?)
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let out = self.out.window(window, self.width, self.width)?;
        let start = window.start.checked_mul(self.width).ok_or(Fault::Bounds)?;
        let value = self.value.load(memory)?.window(start as usize, out.len() as usize)?;
        let (mut out, _) = out.split(memory)?;
        kernels.load(value, &mut out)
    }
}

/// Scalar reference.
pub fn load(x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match (x, out) {
        (Tensor::I8(x), TensorMut::I8(out)) => copy(x, out),
        (Tensor::I16(x), TensorMut::I16(out)) => copy(x, out),
        (Tensor::I32(x), TensorMut::I32(out)) => copy(x, out),
        (Tensor::I8(_) | Tensor::I16(_) | Tensor::I32(_), _) => Err(Fault::Instruction),
    }
}

fn copy<T: Copy>(x: &[T], out: &mut [T]) -> Result<(), Fault> {
    if x.len() < out.len() {
        return Err(Fault::Bounds);
    }
    for (y, &v) in out.iter_mut().zip(x) {
        *y = v;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Slot;
    use crate::ops::testing::{Buffer, run};

    #[test]
    fn every_type_in_every_tile() {
        let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
        let (a, b, c) = (arena.slot(&[0i8; 6]), arena.slot(&[0i16; 6]), arena.slot(&[0i32; 6]));
        let (x, y, z) = ([1i8, -2, 3, -4, 5, i8::MIN], [i16::MIN, 1, 2, 3, 4, 5], [i32::MIN, 9, 8, 7, 6, 5]);
        let values = [
            (Const::I8(consts.blob(&x)), Act::I8(a)),
            (Const::I16(consts.blob(&y)), Act::I16(b)),
            (Const::I32(consts.blob(&z)), Act::I32(c)),
        ];
        for tile in 1..=3 {
            let mut done = arena.clone();
            for (value, out) in values {
                let op = Load { rows: 3, width: 2, value, out };
                assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
                done = run(op, &done, &consts, tile).unwrap();
            }
            assert_eq!((done.get(a), done.get(b), done.get(c)), (x.to_vec(), y.to_vec(), z.to_vec()));
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut consts = Buffer::new();
        let value = Const::I8(consts.blob(&[0i8; 6]));
        let op = Load { rows: 3, width: 2, value, out: Act::I8(Slot::new(0, 6)) };
        let check = |op: Load| op.check(&Consts::new(consts.bytes()));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(Load { rows: 2, ..op }), Err(Reject::BlobLength));
        assert_eq!(check(Load { rows: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Load { rows: u32::MAX, width: u32::MAX, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Load { out: Act::I16(Slot::new(0, 6)), ..op }), Err(Reject::Type));
        assert_eq!(load(Tensor::I8(&[1]), &mut TensorMut::I8(&mut [0; 2])), Err(Fault::Bounds));
        assert_eq!(load(Tensor::I8(&[1]), &mut TensorMut::I16(&mut [0])), Err(Fault::Instruction));
    }
}
