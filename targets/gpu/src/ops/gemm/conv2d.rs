//! What lies below windows of an image by weights.

use quant::ops::{Act, Conv2d, Linear};

use super::depthwise;
use super::generate::Variant;
use super::linear::linear;
use super::tile::{Shape, spread_words};
use super::weights::Panel;
use super::{WEIGHTS, WINDOWS, cooperative, general, set, set_panel, tiled, whole_words, with};
use crate::ops::Reason;
use crate::ops::epilogue;
use crate::plan::{Dispatch, Planner};

/// How the windows of a convolution fall into runs that are contiguous in the image.
pub(super) struct Runs {
    /// Runs of each kernel row.
    pub across: u32,
    /// Bytes of each.
    pub bytes: u32,
}

impl Runs {
    /// Whole kernel rows where none reaches past the image and there is one group, taps otherwise.
    fn of(op: &Conv2d) -> Self {
        let right = u64::from(op.out_width - 1) * u64::from(op.stride_w) + u64::from(op.kernel_w);
        if op.groups == 1 && op.pad_left == 0 && right <= op.in_width.into() {
            Self { across: 1, bytes: op.kernel_w * op.in_channels }
        } else {
            Self::taps(op)
        }
    }

    /// One for each tap.
    pub(super) fn taps(op: &Conv2d) -> Self {
        Self { across: op.kernel_w, bytes: op.in_channels / op.groups }
    }
}

pub(crate) fn conv2d(op: &Conv2d, planner: &mut Planner<'_>) -> Result<(), Reason> {
    if let Some(op) = as_linear(op) {
        return linear(&op, planner);
    }
    if depthwise::suits(op) {
        return depthwise::depthwise(op, planner);
    }
    let runs = Runs::of(op);
    if op.groups == 1 && cooperative::conv2d(op, &runs, planner) {
        return Ok(());
    }
    let out = epilogue::place(&op.out);
    let whole = op.groups == 1 && whole_words(out, op.out_channels) && planner.means.tiles.fit(false);
    let mut dispatch = if whole {
        tiled("conv2d", &[WEIGHTS, WINDOWS], out)
    } else {
        general("conv2d", general::CONV2D, out)
    };
    let aligned = op.x.offset.is_multiple_of(4) && op.in_channels.is_multiple_of(4);
    with(&mut dispatch, &[("A_ALIGNED", aligned.into())]);
    geometry(&mut dispatch, op, &runs);
    epilogue::set(&mut dispatch, planner, &op.out);
    epilogue::channels(&mut dispatch, planner, &op.requant, |_| 0);
    let k = op.kernel_h * op.kernel_w * (op.in_channels / op.groups);
    set_panel(&mut dispatch, Panel::of(planner.blob(op.weights), op.out_channels, k, runs.bytes));
    if whole {
        let rows = op.out_height * op.out_width;
        let shape = Shape { products: 1, joined: true, rows, columns: op.out_channels, inner: k };
        let variant = Variant { wide: false, column_sums: false, across: true };
        dispatch = spread_words(dispatch, &planner.means.tiles, shape, variant);
    }
    planner.push(dispatch);
    Ok(())
}

/// The same as rows of channels, where every window is one pixel and every pixel has one.
fn as_linear(op: &Conv2d) -> Option<Linear> {
    let pixels = [op.kernel_h, op.kernel_w, op.stride_h, op.stride_w, op.groups] == [1; 5]
        && (op.out_height, op.out_width) == (op.in_height, op.in_width);
    pixels.then(|| Linear {
        rows: op.out_height * op.out_width,
        k: op.in_channels,
        n: op.out_channels,
        x: Act::I8(op.x),
        weights: op.weights,
        pack: op.pack,
        requant: op.requant,
        out: op.out,
    })
}

/// Sets the parameters that say where windows lie.
pub(super) fn geometry(dispatch: &mut Dispatch, op: &Conv2d, runs: &Runs) {
    let params = [
        ("x", op.x.offset),
        ("rows", op.out_height * op.out_width),
        ("n", op.out_channels),
        ("in_height", op.in_height),
        ("in_width", op.in_width),
        ("in_channels", op.in_channels),
        ("kernel_h", op.kernel_h),
        ("stride_h", op.stride_h),
        ("stride_w", op.stride_w),
        ("pad_top", op.pad_top),
        ("pad_left", op.pad_left),
        ("out_width", op.out_width),
        ("group_channels", op.out_channels / op.groups),
        ("depth", op.in_channels / op.groups),
        ("runs", runs.across),
        ("run_words", runs.bytes.div_ceil(4)),
    ];
    set(dispatch, &params);
}
