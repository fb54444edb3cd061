//! Which tile a product takes: by numbers of workgroups, or by what was measured.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::cooperative::Block;
use super::generate::Tile;
use super::tile::{FRAMES, MATRIX_TILES, Row, TILES};
use crate::kept::Unusable;
use crate::ops::attention::FORMS;

/// How products choose among the tiles that they may take. Results are the same.
#[derive(Clone, Debug, Default)]
pub(crate) enum Choice {
    /// By the numbers of workgroups in the tables of tiles.
    #[default]
    Counted,
    /// By measurements, where there are some.
    Measured(Arc<Choices>),
    /// Any, by a seed: for tests.
    Any(u64),
}

impl Choice {
    /// The one of `rows` that `product` takes for the number of frames at `at` in [`FRAMES`]; `None`
    /// where nothing but the tables tells.
    pub(super) fn of<T>(
        &self,
        rows: &[&'static Row<T>],
        product: &str,
        at: usize,
    ) -> Option<&'static Row<T>> {
        match self {
            Choice::Counted => None,
            Choice::Measured(choices) => {
                let name = choices.0.get(product)?[at]?;
                rows.iter().find(|row| row.name == name).copied()
            }
            Choice::Any(seed) => {
                let mut hasher = DefaultHasher::new();
                (seed, product, at).hash(&mut hasher);
                rows.get(hasher.finish() as usize % rows.len().max(1)).copied()
            }
        }
    }
}

/// The fastest tile of products, by their names, for each number of frames in [`FRAMES`]; `None` for
/// numbers that were not measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices(BTreeMap<String, [Option<&'static str>; FRAMES.len()]>);

/// What stands between a product and its tiles, and between two of these.
const OF: &str = " = ";
const NEXT: &str = "; ";

impl Choices {
    /// Whether `product` was measured.
    pub(crate) fn has(&self, product: &str) -> bool {
        self.0.contains_key(product)
    }

    /// Lets `product` take `tiles`.
    pub(crate) fn set(&mut self, product: &str, tiles: [Option<&'static str>; FRAMES.len()]) {
        self.0.insert(product.to_owned(), tiles);
    }

    /// Adds those of `newer`, and replaces what both have.
    pub(crate) fn extend(&mut self, newer: &Self) {
        self.0.extend(newer.0.iter().map(|(product, tiles)| (product.clone(), *tiles)));
    }

    /// A line for each product.
    pub(crate) fn text(&self) -> String {
        let line = |(product, tiles): (&String, &[Option<&'static str>; FRAMES.len()])| {
            format!("{product}{OF}{}\n", tiles.map(Option::unwrap_or_default).join(NEXT))
        };
        self.0.iter().map(line).collect()
    }

    /// Those of a file.
    pub(crate) fn read(content: &[u8]) -> Result<Self, Unusable> {
        Self::parse(content).ok_or(Unusable::Damaged)
    }

    /// Reads what [`text`](Self::text) wrote; `None` where it is something else. Tiles that are not
    /// in the tables do not count.
    fn parse(text: &[u8]) -> Option<Self> {
        let lines = std::str::from_utf8(text).ok()?.lines();
        let products = lines.map(|line| {
            let (product, tiles) = line.split_once(OF)?;
            let mut tiles = tiles.split(NEXT);
            let mut measured = [None; FRAMES.len()];
            for tile in &mut measured {
                *tile = name(tiles.next()?);
            }
            tiles.next().is_none().then(|| (product.to_owned(), measured))
        });
        products.collect::<Option<_>>().map(Self)
    }
}

/// `name` as the tables have it.
fn name(name: &str) -> Option<&'static str> {
    let words = TILES.iter().map(|row: &Row<Tile>| row.name);
    let matrices = MATRIX_TILES.iter().map(|row: &Row<Block>| row.name);
    let mut all = words.chain(matrices).chain(FORMS.iter().map(|row| row.name));
    all.find(|row| *row == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices() -> Choices {
        let mut choices = Choices::default();
        choices.set("a product", [Some("16x32"), None, Some("matrices 128x128")]);
        choices.set("another", [None; FRAMES.len()]);
        choices
    }

    #[test]
    fn lines_come_back() {
        let text = choices().text();
        assert_eq!(text, "a product = 16x32; ; matrices 128x128\nanother = ; ; \n");
        assert_eq!(Choices::parse(text.as_bytes()), Some(choices()));
        assert_eq!(Choices::parse(b""), Some(Choices::default()));
        for wrong in [&b"a product"[..], b"a = 16x32", b"a = ; ; ; ", b"\xff = ; ; "] {
            assert_eq!(Choices::parse(wrong), None, "{wrong:?}");
        }
        let unknown = Choices::parse(b"a = 1x1; 16x32; 16x32 ").expect("lines");
        assert_eq!(unknown.0["a"], [None, Some("16x32"), None]);
    }

    #[test]
    fn newer_choices_replace_older_ones() {
        let mut newer = Choices::default();
        newer.set("another", [Some("32x32"); FRAMES.len()]);
        let mut all = choices();
        all.extend(&newer);
        assert!(all.has("a product"));
        assert_eq!(all.0["another"], [Some("32x32"); FRAMES.len()]);
    }

    #[test]
    fn what_cannot_be_taken_is_not_chosen() {
        let rows: Vec<&'static Row<Tile>> = TILES[..2].iter().collect();
        let measured = Choice::Measured(Arc::new(choices()));
        assert!(measured.of(&rows, "a product", 0).is_none(), "16x32 is not among them");
        assert!(measured.of(&rows, "unknown", 0).is_none());
        assert!(Choice::Any(1).of::<Tile>(&[], "a product", 0).is_none());
        let any = (0..20).map(|seed| Choice::Any(seed).of(&rows, "a product", 0).expect("a row").name);
        assert_eq!(any.collect::<std::collections::BTreeSet<_>>().len(), 2);
    }
}
