//! Rows of activations by weights.

use quant::mem::DType;
use quant::ops::Linear;

use super::generate::Variant;
use super::tile::{Shape, spread_words};
use super::weights::{Panel, low_byte_sum};
use super::{ROWS, WEIGHTS, cooperative, general, set, set_panel, tiled, whole_words, with};
use crate::ops::Reason;
use crate::ops::element::place;
use crate::ops::epilogue;
use crate::plan::Planner;

pub(crate) fn linear(op: &Linear, planner: &mut Planner<'_>) -> Result<(), Reason> {
    if cooperative::linear(op, planner) {
        return Ok(());
    }
    let (x, out) = (place(op.x), epilogue::place(&op.out));
    let wide = x.dtype == DType::I16;
    let whole = whole_words(out, op.n) && planner.means.tiles.fit(wide);
    let mut dispatch =
        if whole { tiled("linear", &[WEIGHTS, ROWS], out) } else { general("linear", general::LINEAR, out) };
    let aligned = x.offset.is_multiple_of(4) && (op.k * x.bytes()).is_multiple_of(4);
    with(&mut dispatch, &[("X_BYTES", x.bytes()), ("A_ALIGNED", aligned.into())]);
    set(&mut dispatch, &[("x", x.offset), ("rows", op.rows), ("n", op.n), ("k", op.k)]);
    let weights = planner.blob(op.weights);
    epilogue::set(&mut dispatch, planner, &op.out);
    let sum = |channel| if wide { low_byte_sum(weights, op.k, channel) } else { 0 };
    epilogue::channels(&mut dispatch, planner, &op.requant, sum);
    set_panel(&mut dispatch, Panel::of(weights, op.n, op.k, op.k));
    if whole {
        let shape = Shape { products: 1, joined: true, rows: op.rows, columns: op.n, inner: op.k };
        dispatch = spread_words(
            dispatch,
            &planner.means.tiles,
            shape,
            Variant { wide, column_sums: false, across: true },
        );
    }
    planner.push(dispatch);
    Ok(())
}
