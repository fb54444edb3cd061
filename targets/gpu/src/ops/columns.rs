//! Sums of channels over rows, and MeanTokens, which scales them.

use quant::ops::{Act, MeanTokens};

use super::Reason;
use super::element::{Place, place};
use super::pointwise::multiplier;
use crate::plan::{Dispatch, Planner};
use crate::source::Source;

const SUM: &str = include_str!("../../shaders/columns.wgsl");

/// Channels of a workgroup.
const CHANNELS: u32 = 32;

/// A dispatch that sums channels of `x`, which lie `skew` behind the beginning of a quad.
fn sums(name: &'static str, main: &'static str, count: u32, x: Place, width: u32, skew: u32) -> Dispatch {
    let aligned = skew == 0 && width.is_multiple_of(4) && x.offset.is_multiple_of(4);
    let source = Source::of(&[SUM, main])
        .with("SUMS", count)
        .with("X_BYTES", x.bytes())
        .with("ALIGNED", aligned.into());
    let mut dispatch = Dispatch::new(name, source);
    dispatch.params.set("x", x.offset);
    dispatch.params.set("width", width);
    dispatch.params.set("skew", skew);
    dispatch
}

const MEAN_TOKENS: &str = "
@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    frame = group.z * P.frame_words;
    let block = group.y * groups.x + group.x;
    sum_rows(block, 0u, P.tokens, lane);
    // An invocation a word of the result: a quad is as many words as a value has bytes.
    if (lane >= QUADS * OUT_BYTES) {
        return;
    }
    let total = sums[lane / OUT_BYTES];
    let word = block * QUADS * OUT_BYTES + lane;
    let values = 4u / OUT_BYTES;
    if (word * values >= P.skew + P.width) {
        return;
    }
    // Wraps around where the word begins before channel 0.
    let first = word * values - P.skew;
    let at = frame + (P.out >> 2u) + word;
    var value = arena[at];
    for (var i = 0u; i < values; i += 1u) {
        if (first + i < P.width) {
            let sum = total[(lane % OUT_BYTES) * values + i];
            let z = requantize(sum, bitcast<i32>(P.mantissa), P.shift);
            value = insertBits(value, bitcast<u32>(saturate_to(OUT_BYTES, z)), i * OUT_BYTES * 8u, OUT_BYTES * 8u);
        }
    }
    arena[at] = value;
}
";

pub(super) fn mean_tokens(op: &MeanTokens, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let out = place(op.out);
    let skew = out.offset % 4 / out.bytes();
    let mut dispatch = sums("mean_tokens", MEAN_TOKENS, 1, place(op.x), op.width, skew);
    dispatch.source = dispatch.source.with("OUT_BYTES", out.bytes());
    dispatch.params.set("out", out.offset);
    dispatch.params.set("tokens", op.tokens);
    multiplier(&mut dispatch, ["mantissa", "shift"], op.scale);
    dispatch.workgroups((skew + op.width).div_ceil(CHANNELS));
    planner.push(dispatch);
    Ok(())
}

/// Three words for each strip of rows and each channel: the sum, and the sums of low and of high
/// halves of the squares. They lie apart, each those of all channels.
const STRIPS: &str = "
@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    frame = group.z * P.frame_words;
    let number = group.y * groups.x + group.x;
    let strip = number / P.blocks;
    if (strip >= P.strips) {
        return;
    }
    let block = number % P.blocks;
    let begin = strip * P.strip_rows;
    sum_rows(block, begin, begin + min(P.strip_rows, P.rows - begin), lane);
    // A lane for each sum of each channel.
    let kind = lane / (QUADS * 4u);
    let channel = block * QUADS * 4u + lane % (QUADS * 4u);
    if (kind < 3u && channel < P.width) {
        let sum = sums[kind * THREADS + lane % (QUADS * 4u) / 4u][lane % 4u];
        arena[frame + (P.sums >> 2u) + (strip * 3u + kind) * P.width + channel] = bitcast<u32>(sum);
    }
}
";

/// Where the sums of strips of rows lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strips {
    pub(super) offset: u32,
    pub(super) count: u32,
}

/// Rows of a strip where they are few, and most strips where they fit 32 bits.
const STRIP_ROWS: u32 = 128;
const STRIP_COUNT: u32 = 64;
/// Most rows whose sums fit 32 bits.
const MAX_STRIP_ROWS: u32 = 1 << 15;

/// Appends a dispatch that sums values and squares of each channel over strips of rows.
pub(super) fn strips(
    name: &'static str,
    x: Act,
    (rows, width): (u32, u32),
    planner: &mut Planner<'_>,
) -> Result<Strips, Reason> {
    let strip_rows = rows.div_ceil(STRIP_COUNT).clamp(STRIP_ROWS, MAX_STRIP_ROWS);
    let count = rows.div_ceil(strip_rows);
    let bytes = u64::from(count) * u64::from(width) * 12;
    let offset = planner.scratch(bytes).ok_or("sums of more channels and rows than can be addressed")?;
    let blocks = width.div_ceil(CHANNELS);
    let mut dispatch = sums(name, STRIPS, 3, place(x), width, 0);
    dispatch.params.set("rows", rows);
    dispatch.params.set("strip_rows", strip_rows);
    dispatch.params.set("strips", count);
    dispatch.params.set("blocks", blocks);
    dispatch.params.set("sums", offset);
    dispatch.workgroups(count.saturating_mul(blocks));
    planner.push(dispatch);
    Ok(Strips { offset, count })
}
