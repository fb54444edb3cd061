//! Matrix products: Linear, Conv2d as a product with what lies below its windows, and MatMul.
//!
//! Where the results of a row fill whole words, a product is cut into tiles; otherwise, where a
//! convolution has groups and where no tile is left, a general kernel takes its place. Convolutions of every channel by
//! itself have a kernel of their own where channels fill whole words, and small products of activations
//! where rows do not. Cooperative matrices multiply where
//! the GPU has them.

mod choice;
mod conv2d;
mod cooperative;
mod depthwise;
mod general;
mod generate;
mod linear;
mod matmul;
mod tile;
mod weights;

pub(crate) use self::choice::{Choice, Choices};
pub(super) use self::conv2d::conv2d;
pub(super) use self::cooperative::binary_linear as binary_linear_of_matrices;
pub(super) use self::linear::linear;
pub(crate) use self::matmul::is_taken_whole;
pub(super) use self::matmul::matmul;
pub(super) use self::tile::{Cut, MANY, Row, Shape, spread};
pub(crate) use self::tile::{FRAMES, Tiles};
use self::weights::Panel;
use super::element::{Place, element};
use super::epilogue::{BY_WORD, EPILOGUE};
use crate::plan::Dispatch;
use crate::source::Source;

const GEMM: &str = include_str!("../../../shaders/gemm.wgsl");
const TILE: &str = include_str!("../../../shaders/gemm_tile.wgsl");
const WEIGHTS: &str = include_str!("../../../shaders/gemm_weights.wgsl");
const ROWS: &str = include_str!("../../../shaders/gemm_rows.wgsl");
const WINDOWS: &str = include_str!("../../../shaders/gemm_windows.wgsl");
const DEPTHWISE: &str = include_str!("../../../shaders/gemm_depthwise.wgsl");
const WHOLE: &str = include_str!("../../../shaders/matmul_whole.wgsl");
const BATCHES: &str = include_str!("../../../shaders/gemm_batches.wgsl");

/// The general kernel `text` for results at `out`.
fn general(name: &'static str, text: &'static str, out: Place) -> Dispatch {
    let mut dispatch = element(name, text, out);
    dispatch.source = dispatch.source.and(&[BY_WORD, EPILOGUE, GEMM, general::RESULT]);
    dispatch
}

/// A kernel with the operands in `parts` for results at `out`, which lacks its tile.
fn tiled(name: &'static str, parts: &[&'static str], out: Place) -> Dispatch {
    let source = Source::of(&[EPILOGUE, GEMM, TILE]).and(parts);
    let mut dispatch = Dispatch::new(name, source.with("OUT_BYTES", out.bytes()));
    dispatch.params.set("out", out.offset);
    dispatch
}

/// Whether rows of `width` results at `out` fill whole words.
fn whole_words(out: Place, width: u32) -> bool {
    out.offset.is_multiple_of(4) && width.wrapping_mul(out.bytes()).is_multiple_of(4)
}

/// Sets constants of the variant.
fn with(dispatch: &mut Dispatch, settings: &[(&'static str, u32)]) {
    for (name, value) in settings {
        dispatch.source = std::mem::take(&mut dispatch.source).with(name, *value);
    }
}

/// Sets parameters.
fn set(dispatch: &mut Dispatch, params: &[(&'static str, u32)]) {
    for (name, value) in params {
        dispatch.params.set(name, *value);
    }
}

/// Sets the parameters `weights`, `k_words` and `columns`.
fn set_panel(dispatch: &mut Dispatch, panel: Panel) {
    set(dispatch, &[("k_words", panel.k_words), ("columns", panel.columns)]);
    dispatch.constants("weights", panel.words);
}
