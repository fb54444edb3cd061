//! Rows of bits, and the registered layouts of 1-bit weights.
//!
//! A *bit row* of `n` elements is `⌈n / 32⌉` words; bit `i` of word `w` is element
//! `32·w + i`, 1 for +1 and 0 for −1, and bits past `n` are 0. A *grouped* row is one bit
//! row for each `group` of its elements, so that every group (a head) starts on a word.
//! With 0 for padding on both sides of an XOR, `Σ x·w = K − 2·popcount(x ⊕ w)` needs no
//! correction.

use serde::{Deserialize, Serialize};

/// Elements of a word.
pub const WORD: u32 = u32::BITS;

/// Words of a row of `width` elements in groups of `group`; `None` unless `group` is
/// positive and divides `width`.
pub const fn row_words(width: u32, group: u32) -> Option<u32> {
    match width.checked_rem(group) {
        // At most one word for each element.
        Some(0) => Some(width / group * group.div_ceil(WORD)),
        Some(_) | None => None,
    }
}

/// The word of a grouped row that holds element `element`, and its bit; the row's start
/// where `group` is 0, which no checked record has.
#[inline(always)]
pub const fn place(element: usize, group: usize) -> (usize, u32) {
    let (Some(index), Some(inside)) = (element.checked_div(group), element.checked_rem(group)) else {
        return (0, 0);
    };
    let bit = (inside % WORD as usize) as u32;
    (index * group.div_ceil(WORD as usize) + inside / WORD as usize, bit)
}

/// The bits of word `word` of a grouped row that hold elements; the others are padding.
pub const fn used(word: u32, group: u32) -> u32 {
    let words = group.div_ceil(WORD);
    match word.checked_rem(words) {
        Some(inside) if inside + 1 == words && group % WORD != 0 => (1 << (group % WORD)) - 1,
        Some(_) => u32::MAX,
        None => 0,
    }
}

/// Layout of a blob of 1-bit weights, `n` channels of `words` words. Append only: the
/// position is the id in the container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BitPack {
    /// `row · words + word`: the canonical layout, no padding.
    #[default]
    Rows,
    /// Panels of 16 output channels, which take turns word by word: one 512-bit load, two
    /// of 256 or four of 128 bits bring the same 32 inputs of 16, 8 or 4 channels. `n` is
    /// padded to 16.
    Panel16,
}

impl BitPack {
    /// Every registered pack, in id order.
    pub const ALL: [BitPack; 2] = [BitPack::Rows, BitPack::Panel16];

    /// The name used on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            BitPack::Rows => "rows",
            BitPack::Panel16 => "panel16",
        }
    }

    /// Words of a packed matrix, padding included; `None` past 2³² − 1.
    pub const fn len(self, n: u32, words: u32) -> Option<u32> {
        match self.padded(n) {
            Some(n) => n.checked_mul(words),
            None => None,
        }
    }

    /// Channels of a packed matrix of `n`, padding included.
    const fn padded(self, n: u32) -> Option<u32> {
        match self {
            BitPack::Rows => Some(n),
            BitPack::Panel16 => n.checked_next_multiple_of(16),
        }
    }

    /// Whether the padding of a packed matrix in `data` is zero: `n` rows of `words` words, grouped
    /// by `group`. Visits the last word of each group, and nothing else of the `n` rows.
    pub(crate) fn is_zero_padded(self, data: &[u32], n: u32, words: u32, group: u32) -> bool {
        let step = group.div_ceil(WORD);
        let (Some(rows), Some(groups)) = (self.padded(n), words.checked_div(step)) else { return false };
        let (last, unused) = (step - 1, !used(step - 1, group));
        (0..rows).all(|row| {
            let inside = row < n;
            let (first, step, count) = if inside { (last, step, groups) } else { (0, 1, words) };
            let unused = if inside { unused } else { u32::MAX };
            (0..count).all(|at| {
                let word = first + at * step;
                let position = self.index(words as usize, row as usize, word as usize);
                data.get(position).is_none_or(|&bits| bits & unused == 0)
            })
        })
    }

    /// Position of word `word` of channel `row`, in a matrix of `words` words a channel.
    #[inline(always)]
    pub const fn index(self, words: usize, row: usize, word: usize) -> usize {
        match self {
            BitPack::Rows => row * words + word,
            BitPack::Panel16 => (row / 16) * 16 * words + word * 16 + row % 16,
        }
    }

    /// The channel and word at `position`, or `None` for padding: the inverse of
    /// [`index`](Self::index).
    pub const fn locate(self, n: usize, words: usize, position: usize) -> Option<(usize, usize)> {
        let (row, word) = match self {
            BitPack::Rows => match position.checked_div(words) {
                Some(row) => (row, position - row * words),
                None => return None,
            },
            BitPack::Panel16 => {
                let panel_len = 16 * words;
                let Some(panel) = position.checked_div(panel_len) else { return None };
                let inside = position - panel * panel_len;
                (panel * 16 + inside % 16, inside / 16)
            }
        };
        if row < n { Some((row, word)) } else { None }
    }
}

/// A matrix of `n` output channels, each a bit row of `words` words.
#[derive(Clone, Copy, Debug)]
pub struct BitWeights<'a> {
    /// Words in the order of `pack`.
    pub data: &'a [u32],
    /// Their layout.
    pub pack: BitPack,
    /// Output channels.
    pub n: usize,
    /// Words of each channel.
    pub words: usize,
}

impl<'a> BitWeights<'a> {
    /// Word `word` of channel `row`; 0 outside.
    #[inline(always)]
    pub fn get(&self, row: usize, word: usize) -> u32 {
        self.data.get(self.pack.index(self.words, row, word)).copied().unwrap_or(0)
    }

    /// Channel `row` as a slice, where the pack keeps rows contiguous.
    #[inline(always)]
    pub fn row(&self, row: usize) -> Option<&'a [u32]> {
        match self.pack {
            BitPack::Rows => {
                let start = row.checked_mul(self.words)?;
                self.data.get(start..start.checked_add(self.words)?)
            }
            BitPack::Panel16 => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    proptest! {
        #[test]
        fn every_pack_is_a_bijection_onto_its_non_padding(n in 1usize..40, words in 1usize..6) {
            for pack in BitPack::ALL {
                let len = pack.len(n as u32, words as u32).unwrap() as usize;
                let mut hit = vec![None; len];
                for row in 0..n {
                    for word in 0..words {
                        let place = &mut hit[pack.index(words, row, word)];
                        prop_assert_eq!(*place, None);
                        *place = Some((row, word));
                    }
                }
                for (position, &want) in hit.iter().enumerate() {
                    prop_assert_eq!(pack.locate(n, words, position), want);
                }
            }
        }

        #[test]
        fn padding_is_what_no_element_lies_in(
            n in 1u32..40,
            groups in 1u32..4,
            group in 1u32..100,
            damage in proptest::collection::vec((any::<proptest::sample::Index>(), 0u32..32), 0..4),
        ) {
            let words = row_words(groups * group, group).unwrap();
            for pack in BitPack::ALL {
                let mut data = vec![0u32; pack.len(n, words).unwrap() as usize];
                for row in 0..n as usize {
                    (0..words).for_each(|w| data[pack.index(words as usize, row, w as usize)] = used(w, group));
                }
                prop_assert!(pack.is_zero_padded(&data, n, words, group));
                damage.iter().for_each(|(at, bit)| *at.get_mut(&mut data) |= 1 << bit);
                let held = |position| match pack.locate(n as usize, words as usize, position) {
                    Some((_, word)) => used(word as u32, group),
                    None => 0,
                };
                let want = data.iter().enumerate().all(|(at, &word)| word & !held(at) == 0);
                prop_assert_eq!(pack.is_zero_padded(&data, n, words, group), want);
            }
        }

        #[test]
        fn elements_fill_exactly_the_used_bits(groups in 1u32..5, group in 1u32..100) {
            let words = row_words(groups * group, group).unwrap();
            let mut row = vec![0u32; words as usize];
            for element in 0..groups * group {
                let (word, bit) = place(element as usize, group as usize);
                prop_assert_eq!(row[word] >> bit & 1, 0);
                row[word] |= 1 << bit;
            }
            for (word, &bits) in (0..).zip(&row) {
                prop_assert_eq!(bits, used(word, group));
            }
        }
    }

    #[test]
    fn a_group_that_does_not_divide_is_refused() {
        assert_eq!(row_words(64, 0), None);
        assert_eq!(row_words(64, 48), None);
        assert_eq!(row_words(u32::MAX, 1), Some(u32::MAX));
        assert_eq!((place(3, 0), used(0, 0)), ((0, 0), 0));
        for pack in BitPack::ALL {
            assert_eq!(pack.len(u32::MAX, 2), None);
        }
    }
}
