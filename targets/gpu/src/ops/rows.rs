//! Ops that reduce each row to two words and compute every element of the row from them.
//!
//! Where rows are whole words of memory, on both sides, one dispatch does both. Elsewhere two rows
//! may share a word of the result: one dispatch keeps what it finds of each row, and another writes
//! the result word by word.

use super::Reason;
use super::element::{Place, element_of};
use crate::plan::{Dispatch, Planner};
use crate::source::Source;

/// An op over rows, as `shaders/rows.wgsl` describes its text.
pub(super) struct Rows {
    pub(super) name: &'static str,
    /// Its functions, after what they call.
    pub(super) parts: &'static [&'static str],
    /// What makes a variant of them.
    pub(super) settings: Vec<(&'static str, u32)>,
    pub(super) rows: u32,
    pub(super) width: u32,
    pub(super) x: Place,
    pub(super) out: Place,
}

/// The whole row by the team that reduced it.
const WRITE: &str = "
@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    frame = group.z * P.frame_words;
    let team = lane / LANES;
    let row = (group.y * groups.x + group.x) * TEAMS + team;
    // Teams past the last row reduce it too, for the sake of barriers.
    let found = statistics(min(row, P.rows - 1u), lane);
    if (row >= P.rows) {
        return;
    }
    let first = (P.x + row * WIDTH * X_BYTES) >> 2u;
    let out_words = WIDTH * OUT_BYTES / 4u;
    let out = frame + (P.out >> 2u) + row * out_words;
    for (var at = lane % LANES; at < out_words; at += LANES) {
        var value = 0u;
        for (var i = 0u; i < 4u; i += OUT_BYTES) {
            let channel = (at * 4u + i) / OUT_BYTES;
            let byte = channel * X_BYTES;
            let word = bitcast<i32>(row_word(team, first, byte >> 2u, true));
            let x = extractBits(word, (byte & 3u) * 8u, X_BYTES * 8u);
            let z = bitcast<u32>(saturate_to(OUT_BYTES, result(found, x, channel)));
            value = insertBits(value, z, i * 8u, OUT_BYTES * 8u);
        }
        arena[out + at] = value;
    }
}
";

/// Two words for each row, from the parameter `found` on.
const KEEP: &str = "
@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    frame = group.z * P.frame_words;
    let row = (group.y * groups.x + group.x) * TEAMS + lane / LANES;
    let found = statistics(min(row, P.rows - 1u), lane);
    if (row < P.rows && lane % LANES == 0u) {
        let at = frame + (P.found >> 2u) + row * 2u;
        arena[at] = bitcast<u32>(found.x);
        arena[at + 1u] = bitcast<u32>(found.y);
    }
}
";

/// Each element from the two words of its row.
const ELEMENT: &str = "
fn element(index: u32) -> i32 {
    let row = index / P.width;
    let found = vec2<i32>(load_i32(P.found + row * 8u), load_i32(P.found + row * 8u + 4u));
    return result(found, load_act(X_BYTES, P.x, index), index - row * P.width);
}
";

const REDUCE: &str = include_str!("../../shaders/rows.wgsl");

/// Invocations of a workgroup.
const THREADS: u32 = 256;
/// Lanes of the smallest team: as many as are reduced at once.
const MIN_LANES: u32 = 8;
/// Words that a lane takes of a row, where a row does not need more than a workgroup.
const WORDS_A_LANE: u32 = 4;
/// Largest row that is held in memory of the workgroup, in words.
const MAX_CACHE: u32 = 2048;

impl Rows {
    /// Whether every row is whole words of memory, on both sides.
    pub(super) fn whole_words(&self) -> bool {
        [self.x, self.out]
            .iter()
            .all(|place| place.offset.is_multiple_of(4) && (self.width * place.bytes()).is_multiple_of(4))
    }

    /// Channels of a word of the result where rows are whole words, and 1 elsewhere: constants of
    /// channels lie in as many planes, see [`planes`].
    pub(super) fn planes(&self) -> u32 {
        if self.whole_words() { 4 / self.out.bytes() } else { 1 }
    }

    /// Appends its dispatches; `prepare` sets the op's own parameters and constants of each.
    pub(super) fn push(
        &self,
        planner: &mut Planner<'_>,
        prepare: impl Fn(&mut Dispatch),
    ) -> Result<(), Reason> {
        let mut dispatch = self.reduction();
        prepare(&mut dispatch);
        if self.whole_words() {
            planner.push(dispatch);
            return Ok(());
        }
        let found = planner.scratch(u64::from(self.rows) * 8).ok_or("more rows than can be addressed")?;
        dispatch.params.set("found", found);
        planner.push(dispatch);
        let mut dispatch = self.elements();
        prepare(&mut dispatch);
        dispatch.params.set("found", found);
        planner.push(dispatch);
        Ok(())
    }

    /// Reduces rows; writes the result too where rows are whole words.
    fn reduction(&self) -> Dispatch {
        let whole = self.whole_words();
        // A row that begins within a word meets one word more.
        let words = self.width * self.x.bytes() / 4 + if whole { 0 } else { 2 };
        let lanes = words.div_ceil(WORDS_A_LANE).next_power_of_two().clamp(MIN_LANES, THREADS);
        let teams = THREADS / lanes;
        let cached = whole && words <= MAX_CACHE;
        let tail = if whole { WRITE } else { KEEP };
        let parts: Vec<_> = self.parts.iter().copied().chain([REDUCE, tail]).collect();
        let source = self
            .settings(Source::of(&parts))
            .with("OUT_BYTES", self.out.bytes())
            .with("LANES", lanes)
            .with("TEAMS", teams)
            .with("WIDTH", if whole { self.width } else { 0 })
            .with("ROW_WORDS", if whole { words } else { 0 })
            .with("CACHED", cached.into())
            .with("CACHE", if cached { words * teams } else { 1 });
        let mut dispatch = Dispatch::new(self.name, source);
        self.params(&mut dispatch);
        dispatch.params.set("rows", self.rows);
        dispatch.params.set("out", self.out.offset);
        dispatch.workgroups(self.rows.div_ceil(teams));
        dispatch
    }

    /// Computes elements from what the reduction keeps.
    fn elements(&self) -> Dispatch {
        let parts: Vec<_> = self.parts.iter().copied().chain([ELEMENT]).collect();
        let mut dispatch = element_of(self.name, &parts, self.out);
        dispatch.source = self.settings(dispatch.source);
        self.params(&mut dispatch);
        dispatch
    }

    fn settings(&self, source: Source) -> Source {
        let own = self.settings.iter().fold(source, |source, &(name, value)| source.with(name, value));
        own.with("X_BYTES", self.x.bytes()).with("PLANES", self.planes())
    }

    fn params(&self, dispatch: &mut Dispatch) {
        dispatch.params.set("x", self.x.offset);
        dispatch.params.set("width", self.width);
    }
}

/// `values` of channels in `planes` planes, so that neighbours among the invocations, which each
/// take a word of as many channels, read neighbours: first every `planes`-th value from the first
/// on, then from the second on.
pub(super) fn planes<T: Copy>(values: &[T], planes: u32) -> Vec<T> {
    (0..planes as usize)
        .flat_map(|plane| values.iter().skip(plane).step_by(planes as usize).copied())
        .collect()
}
