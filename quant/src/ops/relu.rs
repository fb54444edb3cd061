//! Relu: `x ← max(x, 0)`, int8 or int16, in place. Exact.

use serde::{Deserialize, Serialize};

use super::{Act, Consts};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::{Role, Tiling, Visitor};

/// Replaces negative elements by 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relu {
    /// Rows (tokens).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// Values, `rows × width`, int8 or int16, updated.
    pub x: Act,
}

impl Relu {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        let role = Role::Update(self.x.dtype());
        self.x.visit(visitor, role, Tiling::rows(self.width));
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// Dimensions and element type.
    pub fn check(&self, _consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        if matches!(self.x, Act::I32(_)) { Err(Reject::Type) } else { Ok(()) }
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        match self.x.window(window, self.width, self.width)? {
            Act::I8(x) => kernels.relu_i8(memory.slot(x)?),
            Act::I16(x) => kernels.relu_i16(memory.slot(x)?),
            Act::I32(_) => Err(Fault::Instruction),
        }
    }
}

/// Scalar reference for int8.
pub fn relu_i8(x: &mut [i8]) -> Result<(), Fault> {
    for v in x {
        *v = (*v).max(0);
    }
    Ok(())
}

/// Scalar reference for int16.
pub fn relu_i16(x: &mut [i16]) -> Result<(), Fault> {
    for v in x {
        *v = (*v).max(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Slot;
    use crate::ops::testing::{Buffer, run};

    #[test]
    fn both_types_in_every_tile() {
        let mut arena = Buffer::new();
        let (a, b) =
            (arena.slot(&[i8::MIN, -1, 0, 1, 5, i8::MAX]), arena.slot(&[i16::MIN, -1, 0, 1, 5, i16::MAX]));
        for tile in 1..=3 {
            let op = |x| Relu { rows: 3, width: 2, x };
            assert_eq!(op(Act::I8(a)).check(&Consts::new(&[])), Ok(()));
            let done = run(op(Act::I8(a)), &arena, &Buffer::new(), tile).unwrap();
            assert_eq!(done.get(a), [0, 0, 0, 1, 5, i8::MAX]);
            let done = run(op(Act::I16(b)), &arena, &Buffer::new(), tile).unwrap();
            assert_eq!(done.get(b), [0, 0, 0, 1, 5, i16::MAX]);
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let check = |rows, width, x| Relu { rows, width, x }.check(&Consts::new(&[]));
        assert_eq!(check(0, 1, Act::I8(Slot::new(0, 0))), Err(Reject::Dimension));
        assert_eq!(check(1, 0, Act::I8(Slot::new(0, 0))), Err(Reject::Dimension));
        assert_eq!(check(1, 1, Act::I32(Slot::new(0, 1))), Err(Reject::Type));
    }
}
