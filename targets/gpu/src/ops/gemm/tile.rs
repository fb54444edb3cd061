//! Tiles, and which one a product takes.

use std::fmt::Write as _;
use std::ops::Range;

use super::choice::Choice;
use super::cooperative::Block;
use super::generate::{Tile, Variant};
use crate::ops::attention::{FORMS, Form};
use crate::ops::subgroup;
use crate::plan::{Dispatch, Hardware, Larger};
use crate::selftest::Sides;
use crate::source::Source;

/// A tile that products may take.
#[derive(Debug)]
pub(in crate::ops) struct Row<T> {
    /// Its name.
    pub name: &'static str,
    /// Its sizes.
    pub tile: T,
    /// Numbers of workgroups for which it is taken.
    pub counts: Range<u64>,
    /// Factors of each sum from which on it is taken.
    pub inner: u32,
}

/// A way to cut results into tiles.
pub(in crate::ops) trait Cut {
    /// Rows and columns of a tile, and words of each that are multiplied at a time.
    fn sides(&self) -> [u32; 3];
}

/// All tiles of kernels in WGSL; a product takes the first that is for so many workgroups. The larger a
/// tile, the fewer words an invocation loads for its products, and the fewer workgroups there are. The
/// numbers are those of an NVIDIA H200, which has 132 processors, with the products of DeiT-S and
/// DeiT-B.
pub(super) const TILES: &[Row<Tile>] = &[
    Row { name: "64x64", tile: tile([64, 64, 16], [8, 4], 1, false), counts: 800..MANY, inner: 0 },
    Row { name: "32x64", tile: tile([32, 64, 16], [4, 4], 1, true), counts: 200..MANY, inner: 0 },
    Row { name: "16x32", tile: tile([16, 32, 32], [4, 4], 4, false), counts: 0..MANY, inner: 0 },
    Row { name: "32x32", tile: tile([32, 32, 16], [4, 4], 1, true), counts: 0..MANY, inner: 0 },
];

const fn tile([rows, columns, words]: [u32; 3], [down, across]: [u32; 2], split: u32, wide: bool) -> Tile {
    Tile { rows, columns, words, down, across, split, wide }
}

/// All tiles of cooperative matrices, likewise. A product that may take both kinds takes one of these.
/// Of the first, 396 workgroups are three for each processor.
pub(super) const MATRIX_TILES: &[Row<Block>] = &[
    Row { name: "matrices 96x128", tile: block([96, 128, 128], [2, 4]), counts: 390..397, inner: 0 },
    Row { name: "matrices 128x128", tile: block([128, 128, 128], [2, 4]), counts: 230..MANY, inner: 768 },
    Row { name: "matrices 128x64", tile: block([128, 64, 64], [2, 2]), counts: 230..MANY, inner: 0 },
    Row { name: "matrices 64x64", tile: block([64, 64, 64], [2, 2]), counts: 200..MANY, inner: 0 },
    Row { name: "matrices 32x64", tile: block([32, 64, 128], [2, 2]), counts: 200..MANY, inner: 0 },
    Row { name: "matrices 32x32", tile: block([32, 32, 128], [2, 2]), counts: 0..MANY, inner: 0 },
];

/// No number of workgroups is as large.
pub(in crate::ops) const MANY: u64 = u64::MAX;

const fn block([rows, columns, depth]: [u32; 3], [down, across]: [u32; 2]) -> Block {
    Block { rows, columns, depth, down, across }
}

/// The rows of both tables that products may take, those of the table for attention, and whether
/// subgroups take rows.
#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    words: Vec<&'static Row<Tile>>,
    matrices: Vec<&'static Row<Block>>,
    attention: Vec<&'static Row<Form>>,
    /// Whether subgroups may take rows that are reduced.
    pub(in crate::ops) subgroups: bool,
    choice: Choice,
}

impl Default for Tiles {
    fn default() -> Self {
        Self::filtered(|_| true)
    }
}

impl Tiles {
    /// Those whose name `keeps` keeps.
    pub(crate) fn filtered(keeps: impl Fn(&str) -> bool) -> Self {
        Self {
            words: TILES.iter().filter(|row| keeps(row.name)).collect(),
            matrices: MATRIX_TILES.iter().filter(|row| keeps(row.name)).collect(),
            attention: FORMS.iter().filter(|row| keeps(row.name)).collect(),
            subgroups: keeps(subgroup::ROW),
            choice: Choice::Counted,
        }
    }

    /// The one called `name`.
    pub(crate) fn only(name: &str) -> Self {
        Self::filtered(|row| row == name)
    }

    /// None, which leaves general kernels.
    pub(crate) const fn none() -> Self {
        let choice = Choice::Counted;
        Self { words: Vec::new(), matrices: Vec::new(), attention: Vec::new(), subgroups: false, choice }
    }

    /// The same, of which products take what `choice` says.
    pub(crate) fn chosen_by(self, choice: Choice) -> Self {
        Self { choice, ..self }
    }

    /// Their names, those of cooperative matrices that `hardware` has first.
    pub(crate) fn names(&self, hardware: &Hardware) -> Vec<&'static str> {
        let matrices = self.of_matrices(hardware);
        matrices.iter().map(|row| row.name).chain(self.words.iter().map(|row| row.name)).collect()
    }

    /// What the first is tested with; `None` where there is none.
    pub(crate) fn sides(&self) -> Option<Sides> {
        let of_words = self.words.first().map(|row| row.tile.sides());
        let [rows, columns, words] = of_words.or(self.matrices.first().map(|row| row.tile.sides()))?;
        Some(Sides { rows, columns, words, fours: of_words.is_none() })
    }

    /// Whether one in WGSL is there for activations that are `wide`.
    pub(super) fn fit(&self, wide: bool) -> bool {
        !self.of_words(wide).is_empty()
    }

    /// Those in WGSL for activations that are `wide`.
    pub(super) fn of_words(&self, wide: bool) -> Vec<&'static Row<Tile>> {
        self.words.iter().copied().filter(|row| row.tile.wide || !wide).collect()
    }

    /// Those of cooperative matrices that `hardware` has.
    pub(super) fn of_matrices(&self, hardware: &Hardware) -> Vec<&'static Row<Block>> {
        self.matrices.iter().copied().filter(|row| row.tile.fits(hardware)).collect()
    }

    /// Those of attention that `fits` admits.
    pub(in crate::ops) fn of_attention(&self, fits: impl Fn(Form) -> bool) -> Vec<&'static Row<Form>> {
        self.attention.iter().copied().filter(|row| fits(row.tile)).collect()
    }

    /// Names of those of attention for which `hardware` has the matrices and the memory.
    pub(crate) fn attention_names(&self, hardware: &Hardware) -> Vec<&'static str> {
        self.of_attention(|form| form.fits(hardware)).iter().map(|row| row.name).collect()
    }
}

/// Submissions for which a product takes a tile of its own, in frames.
pub(crate) const FRAMES: [u32; 3] = [1, 8, 64];

/// Results of one frame.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Shape {
    /// Products, each with rows of its own.
    pub products: u32,
    /// Whether the rows of all frames are one matrix; there is one product then.
    pub joined: bool,
    /// Rows of each.
    pub rows: u32,
    /// Columns of each.
    pub columns: u32,
    /// Factors of each sum.
    pub inner: u32,
}

impl Shape {
    /// Workgroups of `tile` for `frames` frames.
    fn workgroups(self, tile: &impl Cut, frames: u32) -> u64 {
        let [tile_rows, tile_columns, _] = tile.sides();
        let (rows, frames) = (u64::from(self.rows), u64::from(frames));
        let (rows, times) = if self.joined { (rows * frames, 1) } else { (rows, frames) };
        let down = rows.div_ceil(tile_rows.into());
        let across = u64::from(self.columns.div_ceil(tile_columns));
        down.saturating_mul(across).saturating_mul(times * u64::from(self.products))
    }

    /// The first of `rows` that is for so many workgroups, otherwise the last.
    fn choose<T: Cut>(self, rows: &[&'static Row<T>], frames: u32) -> &'static Row<T> {
        let is_for = |row: &&&'static Row<T>| {
            row.counts.contains(&self.workgroups(&row.tile, frames)) && self.inner >= row.inner
        };
        rows.iter().find(is_for).or(rows.last()).expect("a tile that fits")
    }
}

/// What the time of a product depends on, but for its tile.
fn product(dispatch: &Dispatch, shape: Shape) -> String {
    let Shape { products, joined, rows, columns, inner } = shape;
    let each = if joined { "" } else { "each " };
    let mut name = format!("{} {each}{products}x{rows}x{columns}x{inner}", dispatch.name);
    for (setting, value) in dispatch.source.settings() {
        let _ = write!(name, " {setting} {value}");
    }
    name
}

/// Completes `dispatch`, whose source lacks the tile, with one of `rows`, of which there are some, for
/// each number of frames; `complete` adds it to the source.
pub(in crate::ops) fn spread<T: Cut + 'static>(
    mut dispatch: Dispatch,
    tiles: &Tiles,
    rows: &[&'static Row<T>],
    shape: Shape,
    complete: impl Fn(Source, &Row<T>) -> Source,
) -> Dispatch {
    let operands = dispatch.source.clone();
    let product = product(&dispatch, shape);
    let mut last = None;
    for (at, frames) in FRAMES.into_iter().enumerate() {
        let row = tiles.choice.of(rows, &product, at).unwrap_or_else(|| shape.choose(rows, frames));
        if last == Some(row.name) {
            continue;
        }
        last = Some(row.name);
        let source = complete(operands.clone(), row);
        let count = u32::try_from(shape.workgroups(&row.tile, 1)).unwrap_or(u32::MAX);
        if frames == 1 {
            dispatch.source = source;
            dispatch.workgroups(count);
        } else {
            dispatch.larger.push(Larger { frames, source, grid: crate::plan::grid(count) });
        }
    }
    dispatch.product = Some(product);
    dispatch
}

/// The same with tiles of words, which [fit](Tiles::fit) the `variant`.
pub(super) fn spread_words(dispatch: Dispatch, tiles: &Tiles, shape: Shape, variant: Variant) -> Dispatch {
    let complete = |source: Source, row: &Row<Tile>| source.generated(row.name, row.tile.text(variant));
    spread(dispatch, tiles, &tiles.of_words(variant.wide), shape, complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_results_take_larger_tiles() {
        let shape = |rows, columns| Shape { products: 1, joined: true, rows, columns, inner: 1 };
        let all = Tiles::default();
        let name = |shape: Shape, frames| shape.choose(&all.of_words(false), frames).name;
        assert_eq!(name(shape(1, 1000), 1), "16x32");
        let narrow = [1, 8, 64].map(|frames| name(shape(197, 384), frames));
        assert_eq!(narrow, ["16x32", "32x64", "64x64"]);
        assert_eq!([1, 8].map(|frames| name(shape(197, 2304), frames)), ["32x64", "64x64"]);
        assert_eq!(shape(197, 1152).choose(&all.of_words(true), 64).name, "32x64");
    }

    #[test]
    fn rows_that_are_left_out_are_not_taken() {
        let shape = Shape { products: 1, joined: true, rows: 197, columns: 1152, inner: 1 };
        let name = |tiles: Tiles, frames| shape.choose(&tiles.of_words(false), frames).name;
        assert_eq!(name(Tiles::filtered(|row| row != "64x64"), 64), "32x64");
        assert_eq!(name(Tiles::only("64x64"), 1), "64x64");
        assert!(!Tiles::only("64x64").fit(true) && Tiles::only("64x64").fit(false));
    }
}
