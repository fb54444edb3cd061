//! Products and quotients of two activations.

use quant::Op;
use quant::arith::Multiplier;
use quant::ops::{Act, Div, MAX_RATIO_SHIFT, Mul, Spread};

use super::lowering::Lowering;
use super::scales;
use crate::error::ConvertError;
use crate::graph::TensorId;

/// Two operands, the second spread over the first, and where the result goes.
struct Pair {
    rows: u32,
    width: u32,
    spread: Spread,
    x: Act,
    y: Act,
    /// None where it replaces the first.
    out: Option<Act>,
}

impl Lowering<'_> {
    pub(super) fn mul(
        &mut self,
        node: usize,
        x: TensorId,
        y: TensorId,
        out: TensorId,
    ) -> Result<(), ConvertError> {
        let name = self.name(out);
        let scale = scales::multiplier(&name, self.scale(x) * self.scale(y) / self.scale(out))?;
        // Factors change places where the second can be replaced.
        let swapped = self.spread(y, out) == Spread::Element && !self.is_replaceable(node, x, y, out)?;
        let (x, y) = if swapped { (y, x) } else { (x, y) };
        let Pair { rows, width, spread, x, y, out } = self.pair(node, x, y, out)?;
        self.draft.push(name, Op::Mul(Mul { rows, width, x, y, spread, scale, out }));
        Ok(())
    }

    pub(super) fn div(
        &mut self,
        node: usize,
        x: TensorId,
        y: TensorId,
        out: TensorId,
    ) -> Result<(), ConvertError> {
        let name = self.name(out);
        let exact = scales::multiplier(&name, self.scale(x) / (self.scale(y) * self.scale(out)))?;
        // Below 2⁻¹⁶ no quotient of 16 bits needs the bits that are lost.
        let excess = exact.shift.saturating_sub(MAX_RATIO_SHIFT);
        let ratio = Multiplier { mantissa: exact.mantissa >> excess, shift: exact.shift - excess };
        let Pair { rows, width, spread, x, y, out } = self.pair(node, x, y, out)?;
        self.draft.push(name, Op::Div(Div { rows, width, x, y, spread, ratio, out }));
        Ok(())
    }

    /// How `y` is spread over `out`.
    fn spread(&self, y: TensorId, out: TensorId) -> Spread {
        let (made, other) = (&self.graph.tensors[out], &self.graph.tensors[y]);
        match (other.rows == made.rows, other.width == made.width) {
            (true, true) => Spread::Element,
            (false, true) if made.width > 1 => Spread::Channel,
            _ => Spread::Row,
        }
    }

    fn pair(&mut self, node: usize, x: TensorId, y: TensorId, out: TensorId) -> Result<Pair, ConvertError> {
        let spread = self.spread(y, out);
        let same_rows = self.graph.tensors[y].rows == self.graph.tensors[out].rows;
        let (rows, width) = (self.rows(out), self.graph.tensors[out].width);
        // One element for all: a row of everything.
        let single = spread == Spread::Row && !same_rows;
        let (rows, width) = if single { (1, rows * width) } else { (rows, width) };
        let replaceable = self.is_replaceable(node, x, y, out)?;
        let y = if same_rows { self.read(y, out)? } else { self.act(y)? };
        if replaceable {
            self.places[out] = Some(self.source(x, out)?);
            return Ok(Pair { rows, width, spread, x: self.act(out)?, y, out: None });
        }
        let (x, out) = (self.read(x, out)?, Some(self.act(out)?));
        Ok(Pair { rows, width, spread, x, y, out })
    }

    /// Whether `out`, made of `x` and `y`, can take the place of `x`.
    fn is_replaceable(
        &mut self,
        node: usize,
        x: TensorId,
        y: TensorId,
        out: TensorId,
    ) -> Result<bool, ConvertError> {
        let apart = self.place(x)?.region.base != self.place(y)?.region.base;
        Ok(apart && self.graph.tensors[x].bits == self.graph.tensors[out].bits && self.dies(x, node))
    }
}
