//! Rows of bits: comparison with thresholds, transposition, attention.

use quant::bits::{WORD, row_words};
use quant::ops::{Binarize, BinaryAttention, BinaryAttentionDestination, BitOut, BitTranspose};

use super::Reason;
use super::element::{element, place, slot};
use super::pack::words;
use crate::plan::{Dispatch, Planner};
use crate::source::Source;

const BIT_ROWS: &str = include_str!("../../shaders/bit_rows.wgsl");

/// A dispatch that compares integers with the thresholds of `out`, `rows` rows of `width` of them,
/// as `fn integer(row: u32, channel: u32) -> i32` of `text` says.
pub(super) fn compare(
    name: &'static str,
    text: &'static str,
    planner: &Planner<'_>,
    (rows, width): (u32, u32),
    out: &BitOut,
) -> Dispatch {
    let mut dispatch = Dispatch::new(name, Source::of(&[text, BIT_ROWS]));
    let row_words = thresholds(&mut dispatch, planner, width, out);
    dispatch.params.set("rows", rows);
    dispatch.workgroups((rows * row_words).div_ceil(64));
    dispatch
}

/// Sets what is known of rows of `width` bits: `sign`, `nonzero`, `group`, `row_words`, `low`,
/// `high` and `TERNARY`. Returns the words of a row.
pub(super) fn thresholds(dispatch: &mut Dispatch, planner: &Planner<'_>, width: u32, out: &BitOut) -> u32 {
    let (ternary, group) = match *out {
        BitOut::Sign { out, group, high } => {
            dispatch.params.set("sign", out.offset / 4);
            // Never read.
            dispatch.params.set("nonzero", 0);
            dispatch.params.set("low", 0);
            dispatch.constants("high", words(planner.blob(high)));
            (0, group)
        }
        BitOut::Ternary { sign, nonzero, group, low, high } => {
            dispatch.params.set("sign", sign.offset / 4);
            dispatch.params.set("nonzero", nonzero.offset / 4);
            dispatch.constants("low", words(planner.blob(low)));
            dispatch.constants("high", words(planner.blob(high)));
            (1, group)
        }
    };
    let row_words = row_words(width, group).expect("groups of a checked record");
    let source = std::mem::take(&mut dispatch.source);
    dispatch.source = source.with("TERNARY", ternary);
    dispatch.params.set("group", group);
    dispatch.params.set("row_words", row_words);
    row_words
}

const BINARIZE: &str = "
fn integer(row: u32, channel: u32) -> i32 {
    return load_act(X_BYTES, P.x, row * P.width + channel);
}
";

pub(super) fn binarize(op: &Binarize, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let x = place(op.x);
    let mut dispatch = compare("binarize", BINARIZE, planner, (op.rows, op.width), &op.out);
    dispatch.source = dispatch.source.with("X_BYTES", x.bytes());
    dispatch.params.set("x", x.offset);
    dispatch.params.set("width", op.width);
    planner.push(dispatch);
    Ok(())
}

/// A word of the result an invocation: neighbours of a row of `out` follow each other.
const TRANSPOSE: &str = "
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    frame = group.z * P.frame_words;
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if (index >= P.width * P.out_words) {
        return;
    }
    let channel = index / P.out_words;
    let first = index % P.out_words * 32u;
    let inside = channel % P.group;
    let word = channel / P.group * ((P.group + 31u) / 32u) + inside / 32u;
    var bits = 0u;
    for (var row = first; row < min(first + 32u, P.rows); row++) {
        let x = arena[frame + P.x + row * P.stride + word];
        bits |= extractBits(x, inside % 32u, 1u) << (row - first);
    }
    arena[frame + P.out + index] = bits;
}
";

pub(super) fn bit_transpose(op: &BitTranspose, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let mut dispatch = Dispatch::new("bit_transpose", Source::of(&[TRANSPOSE]));
    for (name, value) in [
        ("x", op.x.offset / 4),
        ("stride", op.stride),
        ("rows", op.rows),
        ("width", op.width),
        ("group", op.group),
        ("out", op.out.offset / 4),
        ("out_words", op.rows.div_ceil(WORD)),
    ] {
        dispatch.params.set(name, value);
    }
    dispatch.workgroups(op.out.len.div_ceil(64));
    planner.push(dispatch);
    Ok(())
}

/// Integers of heads that begin within a word go by way of working memory, in which they do not.
pub(super) fn binary_attention(op: &BinaryAttention, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let out = match op.out {
        BinaryAttentionDestination::Ternary { sign, nonzero } => {
            let head_words = op.head_dim.div_ceil(WORD);
            let out = (sign.offset / 4, Some(nonzero.offset / 4));
            planner.push(attend(op, planner, head_words, out));
            return Ok(());
        }
        BinaryAttentionDestination::I16(out) => out,
    };
    let head_words = op.head_dim.div_ceil(2);
    if op.head_dim.is_multiple_of(2) && out.offset.is_multiple_of(4) {
        planner.push(attend(op, planner, head_words, (out.offset / 4, None)));
        return Ok(());
    }
    let rows = u64::from(op.queries) * u64::from(op.heads);
    let bytes = rows.saturating_mul(u64::from(head_words) * 4);
    let spread = planner.scratch(bytes).ok_or("a copy of its result exceeds what can be addressed")?;
    planner.push(attend(op, planner, head_words, (spread / 4, None)));
    let mut dispatch = element("binary_attention_scatter", SCATTER, slot!(out, I16));
    dispatch.params.set("spread", spread);
    dispatch.params.set("head_dim", op.head_dim);
    dispatch.params.set("padded", head_words * 2);
    planner.push(dispatch);
    Ok(())
}

const SCATTER: &str = "
fn element(index: u32) -> i32 {
    let at = index / P.head_dim * P.padded + index % P.head_dim;
    return load_i16(P.spread + at * 2u);
}
";

/// The attention itself, with `head_words` words of results a head: from word `out` on, and of
/// ternary results those that say which are not 0.
fn attend(
    op: &BinaryAttention,
    planner: &Planner<'_>,
    head_words: u32,
    (out, nonzero): (u32, Option<u32>),
) -> Dispatch {
    let key_words = op.keys.div_ceil(WORD);
    // Few sizes, so that few kernels differ by them alone.
    let (queries, selected) = match key_words {
        ..=32 => (4, 32),
        33..=256 => (4, 256),
        _ => (1, 1024),
    };
    let source = Source::of(&[include_str!("../../shaders/binary_attention.wgsl")])
        .with("QUERIES", queries)
        .with("SELECTED", selected)
        .with("TERNARY", nonzero.is_some().into());
    let mut dispatch = Dispatch::new("binary_attention", source);
    let blocks = op.queries.div_ceil(queries);
    for (name, value) in [
        ("q", op.q.offset / 4),
        ("k", op.k.offset / 4),
        ("v", op.v.offset / 4),
        ("q_stride", op.q_stride),
        ("k_stride", op.k_stride),
        ("queries", op.queries),
        ("keys", op.keys),
        ("heads", op.heads),
        ("blocks", blocks),
        ("head_dim", op.head_dim),
        ("words", op.head_dim.div_ceil(WORD)),
        ("key_words", key_words),
        ("head_words", head_words),
        ("out_stride", op.heads * head_words),
        ("out", out),
        // Read of ternary results alone.
        ("nonzero", nonzero.unwrap_or(0)),
    ] {
        dispatch.params.set(name, value);
    }
    dispatch.constants("distance", planner.blob(op.distance).iter().copied());
    dispatch.workgroups(op.heads * blocks);
    dispatch
}
