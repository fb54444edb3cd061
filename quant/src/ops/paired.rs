//! What [`Mul`](super::Mul) and [`Div`](super::Div) share: `x`, an element `y` for each of `x`, for
//! each channel or for each row, and a result that replaces `x` or goes elsewhere.

use serde::{Deserialize, Serialize};

use super::{Act, Tensor, TensorMut};
use crate::error::{Fault, Reject};
use crate::mem::{DType, Memory, Window};
use crate::operand::{Role, Tiling, Visitor};

/// Which elements of the first operand one element of the second stands beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spread {
    /// The one in its place: `rows × width`.
    Element,
    /// Its channel in every row: `1 × width`.
    Channel,
    /// Its row: `rows × 1`.
    Row,
}

impl Spread {
    /// The element that stands beside element `c` of row `r`, of `width`.
    #[inline(always)]
    pub fn index(self, width: usize, r: usize, c: usize) -> usize {
        match self {
            Spread::Element => r * width + c,
            Spread::Channel => c,
            Spread::Row => r,
        }
    }
}

/// The operands of such an op over rows of `width`.
pub(super) struct Paired {
    pub width: u32,
    pub spread: Spread,
    pub x: Act,
    pub y: Act,
    pub out: Option<Act>,
}

impl Paired {
    /// int8 and int16 only, an element of `y` for every channel where they have one.
    pub(super) fn check(&self, rows: u32) -> Result<(), Reject> {
        if rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        let narrow = |act: &Act| matches!(act.dtype(), DType::I8 | DType::I16);
        if !(narrow(&self.x) && narrow(&self.y) && self.out.as_ref().is_none_or(narrow)) {
            return Err(Reject::Type);
        }
        if self.spread == Spread::Channel && self.y.len() != self.width {
            return Err(Reject::SlotLength);
        }
        Ok(())
    }

    /// Hands `kernel` the rows of `window`: `x` unless the result replaces it, `y`, and the result.
    pub(super) fn run(
        &self,
        memory: &mut Memory<'_>,
        window: Window,
        kernel: impl FnOnce(Option<Tensor<'_>>, Tensor<'_>, &mut TensorMut<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let x = self.x.window(window, self.width, self.width)?;
        let y = match self.spread {
            Spread::Element => self.y.window(window, self.width, self.width)?,
            Spread::Channel => self.y,
            Spread::Row => self.y.window(window, 1, 1)?,
        };
        match self.out {
            None => {
                let (mut x, rest) = x.split(memory)?;
                kernel(None, y.read(&rest)?, &mut x)
            }
            Some(out) => {
                let (mut out, rest) = out.window(window, self.width, self.width)?.split(memory)?;
                kernel(Some(x.read(&rest)?), y.read(&rest)?, &mut out)
            }
        }
    }
}

/// Reports the operands of an op over rows of `width`.
pub(super) fn operands(
    visitor: &mut Visitor<'_>,
    (width, spread): (u32, Spread),
    (x, y, out): (&mut Act, &mut Act, &mut Option<Act>),
) {
    let rows = Tiling::rows(width);
    let role = if out.is_some() { Role::Read } else { Role::Update(x.dtype()) };
    x.visit(visitor, role, rows);
    let tiling = match spread {
        Spread::Element => rows,
        Spread::Channel => Tiling::All { stride: width, width },
        Spread::Row => Tiling::rows(1),
    };
    y.visit(visitor, Role::Read, tiling);
    if let Some(out) = out {
        out.visit(visitor, Role::Write, rows);
    }
}

/// `of(x, y)` of every element of rows of `width`, saturated. Without `x`, `out` holds it.
#[inline(always)]
pub(super) fn each(
    (width, spread): (usize, Spread),
    x: Option<Tensor<'_>>,
    y: Tensor<'_>,
    out: &mut TensorMut<'_>,
    of: impl Fn(i32, i32) -> i64,
) -> Result<(), Fault> {
    let rows = out.len().checked_div(width).unwrap_or(0);
    let (Some(last_row), Some(last)) = (rows.checked_sub(1), width.checked_sub(1)) else {
        return Ok(());
    };
    if x.is_some_and(|x| x.len() < out.len()) || spread.index(width, last_row, last) >= y.len() {
        return Err(Fault::Bounds);
    }
    for r in 0..rows {
        for c in 0..width {
            let at = r * width + c;
            let x = x.unwrap_or(out.held()).get(at);
            out.set(at, of(x, y.get(spread.index(width, r, c))));
        }
    }
    Ok(())
}
