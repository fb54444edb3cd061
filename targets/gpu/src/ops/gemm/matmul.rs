//! Activations by activations.

use quant::mem::DType;
use quant::ops::{Act, Destination, MatMul};

use super::generate::Variant;
use super::tile::{Shape, spread_words};
use super::{BATCHES, BY_WORD, EPILOGUE, WHOLE, general, set, tiled, whole_words, with};
use crate::ops::Reason;
use crate::ops::element::place;
use crate::ops::epilogue;
use crate::plan::{Dispatch, Planner};
use crate::source::Source;

/// Words that a workgroup shares which takes whole products.
const MEMORY: u32 = 3840;

/// Products of a workgroup that takes whole ones.
const TOGETHER: u32 = 4;

/// Whether a workgroup takes several products whole: small ones of int8 rows of whole words, whose
/// results lie side by side in each row and fill words by fours of products alone.
pub(crate) fn is_taken_whole(op: &MatMul) -> bool {
    let (Act::I8(a), Act::I8(_) | Act::I16(_)) = (op.a, op.out) else { return false };
    let out = place(op.out);
    let words = [a.offset, op.a_batch, op.a_row, op.b.offset, op.b_batch, op.b_row, op.k, out.offset];
    let row_words = u64::from(op.k / 4);
    let of_b = u64::from(op.n.next_multiple_of(4)) * (row_words | 1);
    op.transpose_b
        && op.n >= 4
        && !whole_words(out, op.n)
        && op.batch.is_multiple_of(TOGETHER)
        && (op.out_batch, op.out_row) == (op.n, op.batch * op.n)
        && words.iter().all(|bytes| bytes.is_multiple_of(4))
        && u64::from(TOGETHER) * (u64::from(op.m) * row_words + of_b) <= MEMORY.into()
}

pub(crate) fn matmul(op: &MatMul, planner: &mut Planner<'_>) -> Result<(), Reason> {
    if is_taken_whole(op) {
        planner.push(whole(op, planner));
        return Ok(());
    }
    let wide = place(op.a).dtype == DType::I16;
    // Rows and batch elements begin words where one row does: they lie at multiples of it.
    let whole = whole_words(place(op.out), op.n) && planner.means.tiles.fit(wide);
    let mut dispatch = if whole {
        tiled("matmul", &[BATCHES], place(op.out))
    } else {
        general("matmul", general::MATMUL, place(op.out))
    };
    strides(&mut dispatch, op);
    epilogue::set(&mut dispatch, planner, &plain(op.out));
    epilogue::multipliers(&mut dispatch, planner, &op.requant);
    if whole {
        let shape = Shape { products: op.batch, joined: false, rows: op.m, columns: op.n, inner: op.k };
        let variant = Variant { wide, column_sums: wide, across: !op.transpose_b };
        dispatch = spread_words(dispatch, &planner.means.tiles, shape, variant);
    }
    planner.push(dispatch);
    Ok(())
}

fn whole(op: &MatMul, planner: &Planner<'_>) -> Dispatch {
    let out = place(op.out);
    let source =
        Source::of(&[BY_WORD, EPILOGUE, WHOLE]).with("OUT_BYTES", out.bytes()).with("MEMORY", MEMORY);
    let mut dispatch = Dispatch::new("matmul_whole", source);
    let params = [
        ("out", out.offset),
        ("a", place(op.a).offset),
        ("a_batch", op.a_batch),
        ("a_row", op.a_row),
        ("b", op.b.offset),
        ("b_batch", op.b_batch),
        ("b_row", op.b_row),
        ("batch", op.batch),
        ("m", op.m),
        ("n", op.n),
        ("k_words", op.k / 4),
    ];
    set(&mut dispatch, &params);
    epilogue::set(&mut dispatch, planner, &plain(op.out));
    epilogue::multipliers(&mut dispatch, planner, &op.requant);
    dispatch.workgroups(op.batch / TOGETHER);
    dispatch
}

/// A product without table or stream as a destination.
fn plain(out: Act) -> Destination {
    match out {
        Act::I8(out) => Destination::I8 { out, table: None },
        Act::I16(out) => Destination::I16 { out, residual: None },
        Act::I32(out) => Destination::I32 { out },
    }
}

fn strides(dispatch: &mut Dispatch, op: &MatMul) {
    let a = place(op.a);
    // The results fill their slot: batch elements lie one after the other, or in each row.
    let interleaved = op.batch > 1 && op.m > 1 && op.out_row != op.n;
    let (batch_step, row_step) = if interleaved { (op.n, op.batch * op.n) } else { (op.m * op.n, op.n) };
    let params = [
        ("a", a.offset),
        ("a_batch", op.a_batch),
        ("a_row", op.a_row),
        ("b", op.b.offset),
        ("b_batch", op.b_batch),
        ("b_row", op.b_row),
        ("batch", op.batch),
        ("m", op.m),
        ("n", op.n),
        ("k", op.k),
        ("k_words", op.k.div_ceil(4)),
        ("batch_step", batch_step),
        ("row_step", row_step),
    ];
    set(dispatch, &params);
    let words =
        |values: [u32; 3], bytes: u32| values.iter().all(|value| value.wrapping_mul(bytes).is_multiple_of(4));
    let a_aligned = a.offset.is_multiple_of(4) && words([0, op.a_batch, op.a_row], a.bytes());
    let b_aligned = words([op.b.offset, op.b_batch, op.b_row], 1);
    let settings = [
        ("X_BYTES", a.bytes()),
        ("TRANSPOSED", op.transpose_b.into()),
        ("A_ALIGNED", a_aligned.into()),
        ("B_ALIGNED", b_aligned.into()),
    ];
    with(dispatch, &settings);
}
