//! What Mul and Div share: blocks of two operands, the second of which is spread over the first.

use quant::Fault;
use quant::ops::{Spread, Tensor, TensorMut};

use super::block::{BLOCK, blocks, narrow, widen};

/// What is made of a block of both operands. A trait and not a closure: its method is inlined into
/// functions that are compiled for other instructions.
pub(super) trait Of {
    fn of(&self, x: &[i32; BLOCK], y: &[i32; BLOCK]) -> [i32; BLOCK];
}

/// `pair.of(x, y)` of every block of rows of `width`, saturated. Without `x`, `out` holds it. Elements
/// behind the last one of a row are 0.
#[inline(always)]
pub(super) fn paired(
    (width, spread): (usize, Spread),
    x: Option<Tensor<'_>>,
    y: Tensor<'_>,
    out: &mut TensorMut<'_>,
    pair: &impl Of,
) -> Result<(), Fault> {
    let rows = out.len().checked_div(width).unwrap_or(0);
    // Where every element has a factor of its own, rows do not matter.
    let (rows, width, spread) = match spread {
        Spread::Row if width > 1 => (rows, width, Spread::Row),
        Spread::Channel => (rows, width, Spread::Channel),
        Spread::Element | Spread::Row => (rows.min(1), rows * width, Spread::Element),
    };
    for row in 0..rows {
        for (column, count) in blocks(width) {
            let start = row * width + column;
            let mut out = out.window(start, count)?;
            let (mut first, mut second) = ([0; BLOCK], [0; BLOCK]);
            widen(x.map_or(Ok(out.held()), |x| x.window(start, count))?, &mut first);
            match spread {
                Spread::Element => widen(y.window(start, count)?, &mut second),
                Spread::Channel => widen(y.window(column, count)?, &mut second),
                Spread::Row => second = [y.window(row, 1)?.get(0); BLOCK],
            }
            narrow(&pair.of(&first, &second), &mut out);
        }
    }
    Ok(())
}
