//! Attention by cooperative matrices: forms of `cooperative/attention.comp`.

use quant::ops::Attention;

use super::{Rows, operands};
use crate::matrices::{MOST_THREADS, MatrixShape, PIECE, whole};
use crate::ops::gemm::{Cut, MANY, Row, Shape, spread};
use crate::plan::{Dispatch, Hardware, Planner};
use crate::source::Source;

/// The kernel; `cargo xtask shaders` writes it.
const ATTENTION: &[u8] = include_bytes!("../../../cooperative/attention.spv");

/// How queries are divided among workgroups and their subgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Queries of a workgroup.
    pub queries: u32,
    /// Subgroups that share each matrix of them.
    pub across: u32,
}

/// All forms; an attention takes the first that is for so many workgroups.
pub(in crate::ops) const FORMS: &[Row<Form>] = &[
    Row { name: "attention 32", tile: Form { queries: 32, across: 4 }, counts: 200..MANY, inner: 0 },
    Row { name: "attention 16", tile: Form { queries: 16, across: 4 }, counts: 0..MANY, inner: 0 },
];

/// Channels of the widest heads, whose results find room in registers.
const MOST_CHANNELS: u32 = 256;

/// Fours of scores that an invocation may have for itself.
const MOST_FOURS: u32 = 16;

/// Most keys whose scores are kept; sizes of more may exceed a word.
const MOST_KEPT: u32 = 1 << 16;

impl Cut for Form {
    fn sides(&self) -> [u32; 3] {
        [self.queries, 1, 1]
    }
}

impl Form {
    /// Whether `hardware` has matrices for it, and the memory for the smallest heads.
    pub(in crate::ops) fn fits(self, hardware: &Hardware) -> bool {
        let channels = hardware.matrices.map_or(0, |shape| shape.columns.next_multiple_of(PIECE));
        self.layout(hardware, channels, 1).is_some()
    }

    /// Invocations of a workgroup, and of each row of its scores.
    const fn threads(self, shape: MatrixShape) -> u32 {
        self.queries / shape.rows * self.across * shape.subgroup
    }

    const fn lanes(self, shape: MatrixShape) -> u32 {
        self.threads(shape) / self.queries
    }

    /// Whether it can be made of matrices of `shape`, with heads of `channels` channels.
    fn admits(self, shape: MatrixShape, channels: u32) -> bool {
        let lanes = self.lanes(shape);
        whole(self.queries, shape.rows)
            && whole(shape.columns, 4)
            && whole(shape.depth, PIECE)
            && whole(shape.depth, shape.columns)
            && shape.depth.is_power_of_two()
            && whole(self.across * shape.subgroup, shape.rows)
            && lanes.is_power_of_two()
            && whole(shape.subgroup, lanes)
            && self.threads(shape) <= MOST_THREADS
            && whole(channels, PIECE)
            && whole(channels, shape.columns)
            && channels <= MOST_CHANNELS
    }

    /// How heads of `channels` channels over `keys` keys find room, if they do: all keys in one turn,
    /// otherwise with scores that are kept, otherwise with scores that are computed anew.
    fn layout(self, hardware: &Hardware, channels: u32, keys: u32) -> Option<Layout> {
        let shape = hardware.matrices.filter(|&shape| self.admits(shape, channels))?;
        let lanes = self.lanes(shape);
        let of = |turn, whole, kept| {
            let sure = if whole { keys } else { 0 };
            Layout { form: self, shape, channels, keys: turn, whole, kept, sure }
        };
        let all = (keys <= MOST_FOURS * 4 * lanes)
            .then(|| of(keys.next_multiple_of(shape.columns).max(shape.depth), true, 0));
        let turns = [4, 2, 1].map(|times| times * shape.depth.max(4 * lanes));
        let some = turns.into_iter().filter(|_| keys <= MOST_KEPT);
        let kept = some.map(|turn| of(turn, false, keys.next_multiple_of(turn) / 4));
        let anew = turns.into_iter().map(|turn| of(turn, false, 0));
        all.into_iter().chain(kept).chain(anew).find(|layout| layout.bytes() <= hardware.workgroup_bytes)
    }
}

/// What a workgroup holds at a time; see the shader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    form: Form,
    shape: MatrixShape,
    channels: u32,
    /// Keys of a turn.
    keys: u32,
    /// Whether there is one turn.
    whole: bool,
    /// Words of scores of each row that are kept.
    kept: u32,
    /// Keys that every turn has.
    sure: u32,
}

impl Layout {
    /// Where scores begin, in pieces: behind queries, and keys or values.
    fn scores_at(self) -> u32 {
        let stride = |bytes: u32| (bytes.next_multiple_of(self.shape.depth) / PIECE) | 1;
        let keys = self.keys * stride(self.channels);
        self.form.queries * stride(self.channels) + keys.max(self.channels * stride(self.keys))
    }

    /// Pieces of shared memory.
    fn shared(self) -> u32 {
        let subgroups = self.form.threads(self.shape) / self.shape.subgroup;
        let results = subgroups * self.shape.rows * ((self.shape.columns / 4) | 1);
        self.scores_at() + results.max(self.form.queries * ((self.keys / 4) | 1))
    }

    fn bytes(self) -> u32 {
        self.shared() * PIECE + 4 * (256 + self.form.queries * self.kept + 1)
    }

    fn settings(self) -> [(&'static str, u32); 9] {
        [
            ("QUERIES", self.form.queries),
            ("ACROSS", self.form.across),
            ("THREADS", self.form.threads(self.shape)),
            ("KEYS", self.keys),
            ("WHOLE", self.whole.into()),
            ("KEPT", self.kept),
            ("SCORES_AT", self.scores_at()),
            ("SURE", self.sure),
            ("SHARED", self.shared()),
        ]
    }
}

/// The attention over `rows`, where there are matrices for it.
pub(super) fn attention(op: &Attention, planner: &Planner<'_>, rows: Rows) -> Option<Dispatch> {
    let hardware = planner.means.hardware;
    let shape = hardware.matrices?;
    let layout = |form: Form| form.layout(&hardware, rows.head_dim, op.keys);
    let forms = planner.means.tiles.of_attention(|form| layout(form).is_some());
    if forms.is_empty() {
        return None;
    }
    let aligned = rows.begin_at(PIECE).into();
    let mut source = Source::of_module(ATTENTION).with("ALIGNED", aligned).with("HEAD", rows.head_dim);
    for (name, value) in shape.settings() {
        source = source.with(name, value);
    }
    let results = Shape { products: op.heads, joined: false, rows: op.queries, columns: 1, inner: op.keys };
    let complete = |source: Source, row: &Row<Form>| {
        source.for_row(row.name, &layout(row.tile).expect("a form that fits").settings())
    };
    let dispatch = operands(op, planner, rows, source);
    Some(spread(dispatch, &planner.means.tiles, &forms, results, complete))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quant::Op;
    use quant::mem::{Blob, Slot};
    use quant::ops::Channels;

    use super::*;
    use crate::ops::Tiles;
    use crate::plan::Means;
    use crate::source::Text;

    const SHAPE: MatrixShape = MatrixShape { rows: 16, columns: 16, depth: 32, subgroup: 32 };
    const HARDWARE: Hardware = Hardware { workgroup_bytes: 48 << 10, matrices: Some(SHAPE) };
    const FORM: Form = Form { queries: 32, across: 4 };

    #[test]
    fn turns_depend_on_the_memory() {
        let turns = |bytes, channels, keys| {
            let hardware = Hardware { workgroup_bytes: bytes, ..HARDWARE };
            let layout = FORM.layout(&hardware, channels, keys)?;
            Some((layout.keys, layout.whole, layout.kept))
        };
        assert_eq!(turns(48 << 10, 64, 197), Some((208, true, 0)));
        assert_eq!(turns(48 << 10, 64, 577), Some((64, false, 160)));
        assert_eq!(turns(48 << 10, 64, 5000), Some((128, false, 0)));
        assert_eq!(turns(24 << 10, 64, 197), Some((32, false, 56)));
        assert_eq!(turns(16 << 10, 256, 197), None);
        assert_eq!(turns(48 << 10, 72, 197), None, "half a piece");
    }

    /// An attention of two heads of `channels` channels over `keys` keys, whose constants are zeros
    /// from where the shifts are not.
    fn op(channels: u32, keys: u32) -> Op {
        let width = 2 * channels;
        let scale = Channels { mantissa: Blob::new(1024, 2), shift: Blob::new(1032, 2) };
        Op::Attention(Attention {
            queries: 5,
            keys,
            heads: 2,
            head_dim: channels,
            q: Slot::new(0, 5 * width),
            q_stride: width,
            k: Slot::new(0, keys * width),
            v: Slot::new(0, keys * width),
            kv_stride: width,
            score: scale,
            exp: Blob::new(0, 256),
            requant: scale,
            out: Slot::new(0, 5 * width),
            scores: Slot::new(0, keys),
            probabilities: Slot::new(0, keys),
        })
    }

    /// Without a GPU this finds constants and parameters that the module does not have by the names
    /// that are set.
    #[test]
    fn every_form_is_a_module_of_its_own() {
        let constants = [0u32; 260];
        for row in FORMS {
            let means = Means { tiles: Tiles::only(row.name), hardware: HARDWARE };
            let mut planner = Planner::over(bytemuck::cast_slice(&constants), 1 << 20, means);
            for (channels, keys) in [(64, 197), (64, 577), (32, 5000), (16, 1)] {
                planner.steps(0, &op(channels, keys)).expect("a kernel");
            }
            let plan = planner.finish();
            assert_eq!((plan.steps.len(), plan.kernels.len()), (4, 4), "{}", row.name);
            for kernel in &plan.kernels {
                assert_eq!(kernel.row, Some(row.name));
                assert!(matches!(kernel.text, Text::Spirv(_)));
            }
        }
    }

    #[test]
    fn what_has_no_matrices_or_no_room_takes_words() {
        assert!(FORMS.iter().all(|row| row.tile.fits(&HARDWARE)));
        let fits = |hardware: Hardware| FORMS.iter().any(|row| row.tile.fits(&hardware));
        assert!(!fits(Hardware { matrices: None, ..HARDWARE }));
        assert!(!fits(Hardware { workgroup_bytes: 1 << 10, ..HARDWARE }));
        assert!(fits(Hardware { matrices: Some(MatrixShape { columns: 8, ..SHAPE }), ..HARDWARE }));
        assert!(!fits(Hardware { matrices: Some(MatrixShape { depth: 8, ..SHAPE }), ..HARDWARE }));
    }

    proptest! {
        /// What the shader takes for granted, of any shape that the checker admits.
        #[test]
        fn every_layout_holds(
            channels in prop_oneof![(1u32..20).prop_map(|pieces| 16 * pieces), 1u32..=1 << 16],
            keys in prop_oneof![1u32..1200, 1u32..=1 << 31],
            bytes in (16u32 << 10)..=(64 << 10),
            columns in prop_oneof![Just(8u32), Just(16)],
            form in 0..FORMS.len(),
        ) {
            let shape = MatrixShape { columns, ..SHAPE };
            let hardware = Hardware { workgroup_bytes: bytes, matrices: Some(shape) };
            if let Some(layout) = FORMS[form].tile.layout(&hardware, channels, keys) {
                prop_assert!(layout.bytes() <= bytes, "{layout:?}");
                prop_assert!(layout.keys >= shape.depth && layout.keys.is_multiple_of(columns));
                let value_pieces = layout.keys.next_multiple_of(shape.depth) / PIECE;
                prop_assert!(2 * value_pieces <= (layout.keys / 4) | 1);
                let lanes = layout.form.lanes(shape);
                let all = keys <= layout.keys;
                let whole_turns = layout.keys.is_multiple_of(4 * lanes);
                prop_assert!((layout.whole && all) || (!layout.whole && whole_turns));
                prop_assert!(layout.kept == 0 || (!layout.whole && keys.div_ceil(4) <= layout.kept));
            }
        }
    }
}
