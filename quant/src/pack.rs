//! Registered layouts of weight matrices.
//!
//! A pack is a bijective map from the logical index `(row, column)` of an `n × k`
//! matrix (`n` output channels, `k` inputs) to a position in the blob, plus padding
//! that is always zero. Packs never change results: every kernel set can read every
//! pack through [`Weights::get`], and converts or prefers those it likes.

use crate::bits::BitPack;
use serde::{Deserialize, Serialize};

/// Layout of a weight blob. Append only: the position is the id in the container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pack {
    /// `row · k + column`: the canonical layout, no padding.
    #[default]
    RowMajor,
    /// Panels of 16 output channels; inside a panel, groups of 4 inputs; inside a
    /// group, 4 consecutive inputs of each channel in turn. `n` is padded to 16, `k`
    /// to 4. Four adjacent bytes are one operand of a 4-way int8 dot product.
    Panel16x4,
    /// Panels of 2 output channels and groups of 4 inputs, otherwise as [`Panel16x4`](Self::Panel16x4):
    /// two adjacent words are what a core with dual 16-bit products multiplies with one word of each row.
    Panel2x4,
    /// Panels of 2 output channels and groups of 16 inputs: adjacent 128-bit vectors.
    Panel2x16,
}

impl Pack {
    /// Every registered pack, in id order.
    pub const ALL: [Pack; 4] = [Pack::RowMajor, Pack::Panel16x4, Pack::Panel2x4, Pack::Panel2x16];

    /// The name used on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Pack::RowMajor => "row-major",
            Pack::Panel16x4 => "panel16x4",
            Pack::Panel2x4 => "panel2x4",
            Pack::Panel2x16 => "panel2x16",
        }
    }

    /// Output channels of a panel and consecutive inputs of a group; powers of two. The
    /// canonical layout is that of panels of one channel and groups of one input.
    pub const fn panel(self) -> (usize, usize) {
        match self {
            Pack::RowMajor => (1, 1),
            Pack::Panel16x4 => (16, 4),
            Pack::Panel2x4 => (2, 4),
            Pack::Panel2x16 => (2, 16),
        }
    }

    /// Elements of a packed `n × k` matrix, padding included; `None` past 2³² − 1.
    pub const fn len(self, n: u32, k: u32) -> Option<u32> {
        match self.padded(n, k) {
            Some((n, k)) => n.checked_mul(k),
            None => None,
        }
    }

    /// Channels and inputs of a packed `n × k` matrix, padding included.
    const fn padded(self, n: u32, k: u32) -> Option<(u32, u32)> {
        let (channels, group) = self.panel();
        let n = n.checked_next_multiple_of(channels as u32);
        let (Some(n), Some(k)) = (n, k.checked_next_multiple_of(group as u32)) else { return None };
        Some((n, k))
    }

    /// Whether the padding of the packed `n × k` matrix in `data` is zero. Visits nothing else.
    pub(crate) fn is_zero_padded(self, data: &[i8], n: u32, k: u32) -> bool {
        let Some((rows, columns)) = self.padded(n, k) else { return false };
        (0..rows).all(|row| {
            let first = if row < n { k } else { 0 };
            (first..columns).all(|column| {
                let position = self.index(k as usize, row as usize, column as usize);
                data.get(position).is_none_or(|&weight| weight == 0)
            })
        })
    }

    /// Position of logical element (`row`, `column`) of a matrix with `k` columns.
    #[inline(always)]
    pub const fn index(self, k: usize, row: usize, column: usize) -> usize {
        match self {
            Pack::RowMajor => row * k + column,
            Pack::Panel16x4 => panel_index(16, 4, k, row, column),
            Pack::Panel2x4 => panel_index(2, 4, k, row, column),
            Pack::Panel2x16 => panel_index(2, 16, k, row, column),
        }
    }

    /// The logical element at `position`, or `None` for padding: the inverse of [`index`](Self::index).
    pub const fn locate(self, n: usize, k: usize, position: usize) -> Option<(usize, usize)> {
        let (row, column) = match self {
            Pack::RowMajor => match position.checked_div(k) {
                Some(row) => (row, position - row * k),
                None => return None,
            },
            Pack::Panel16x4 => panel_locate(16, 4, k, position),
            Pack::Panel2x4 => panel_locate(2, 4, k, position),
            Pack::Panel2x16 => panel_locate(2, 16, k, position),
        };
        if row < n && column < k { Some((row, column)) } else { None }
    }
}

/// A layout for every kind of weights: what a kernel set prefers, or a container is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Packs {
    /// Of int8 weights.
    pub int8: Pack,
    /// Of 1-bit weights.
    pub bits: BitPack,
}

impl Packs {
    /// The plain layouts, which identities are taken of.
    pub const CANONICAL: Packs = Packs { int8: Pack::RowMajor, bits: BitPack::Rows };
}

/// Position of an element in panels of `channels` rows, groups of `group` columns.
#[inline(always)]
const fn panel_index(channels: usize, group: usize, k: usize, row: usize, column: usize) -> usize {
    let padded = k.next_multiple_of(group);
    let panel = (row / channels) * channels * padded;
    panel + (column / group) * channels * group + (row % channels) * group + column % group
}

/// The element at a position of such panels, which may lie in the padding.
#[inline(always)]
const fn panel_locate(channels: usize, group: usize, k: usize, position: usize) -> (usize, usize) {
    let len = channels * k.next_multiple_of(group);
    let panel = position / if len == 0 { 1 } else { len };
    let inside = position - panel * len;
    let (block, at) = (inside / (channels * group), inside % (channels * group));
    (panel * channels + at / group, block * group + at % group)
}

/// A weight matrix of `n` output channels by `k` inputs, values −127..=127.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Elements in the order of `pack`.
    pub data: &'a [i8],
    /// Their layout.
    pub pack: Pack,
    /// Output channels.
    pub n: usize,
    /// Inputs of each channel.
    pub k: usize,
}

impl<'a> Weights<'a> {
    /// The weight of input `column` in channel `row`; 0 outside.
    #[inline(always)]
    pub fn get(&self, row: usize, column: usize) -> i8 {
        self.data.get(self.pack.index(self.k, row, column)).copied().unwrap_or(0)
    }

    /// Channel `row` as a slice, where the pack keeps rows contiguous.
    #[inline(always)]
    pub fn row(&self, row: usize) -> Option<&'a [i8]> {
        match self.pack {
            Pack::RowMajor => {
                let start = row.checked_mul(self.k)?;
                self.data.get(start..start.checked_add(self.k)?)
            }
            Pack::Panel16x4 | Pack::Panel2x4 | Pack::Panel2x16 => None,
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
        fn every_pack_is_a_bijection_onto_its_non_padding(n in 1usize..40, k in 1usize..40) {
            for pack in Pack::ALL {
                let len = pack.len(n as u32, k as u32).unwrap() as usize;
                let mut hit = vec![None; len];
                for row in 0..n {
                    for column in 0..k {
                        let place = &mut hit[pack.index(k, row, column)];
                        prop_assert_eq!(*place, None);
                        *place = Some((row, column));
                    }
                }
                for (position, &want) in hit.iter().enumerate() {
                    prop_assert_eq!(pack.locate(n, k, position), want);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn padding_is_what_no_element_lies_in(
            n in 1u32..40,
            k in 1u32..40,
            damage in proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
        ) {
            for pack in Pack::ALL {
                let mut data = vec![0i8; pack.len(n, k).unwrap() as usize];
                for row in 0..n as usize {
                    (0..k as usize).for_each(|column| data[pack.index(k as usize, row, column)] = 1);
                }
                prop_assert!(pack.is_zero_padded(&data, n, k));
                damage.iter().for_each(|at| *at.get_mut(&mut data) = -1);
                let padding = |position| pack.locate(n as usize, k as usize, position).is_none();
                let want = data.iter().enumerate().all(|(at, &weight)| weight == 0 || !padding(at));
                prop_assert_eq!(pack.is_zero_padded(&data, n, k), want);
            }
        }
    }

    #[test]
    fn lengths_past_32_bits_are_refused() {
        for pack in Pack::ALL {
            assert_eq!(pack.len(u32::MAX, u32::MAX), None);
        }
    }
}
