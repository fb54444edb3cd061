//! Moving weights from one layout to another, a group of inputs at a time.
//!
//! A word of bits is a group of four bytes here: so int8 and 1-bit weights have the same layouts.

use quant::bits::BitPack;
use quant::operand::Layout;
use quant::pack::Pack;

/// A weight matrix of `n` rows of `width` bytes.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    /// Its bytes in the order of `layout`.
    pub bytes: &'a [u8],
    /// Their layout.
    pub layout: Layout,
    /// Rows.
    pub n: usize,
    /// Bytes of a row.
    pub width: usize,
}

impl Matrix<'_> {
    /// Writes the matrix in the layout `to` into `place`: zeros, as many as it has bytes there.
    pub(crate) fn write(self, to: Layout, place: &mut [u8]) {
        match (is_rows(self.layout), is_rows(to)) {
            (true, _) => pack(self.bytes, self.width, to, place),
            (false, true) => unpack(self.bytes, self.width, self.layout, place),
            (false, false) => {
                let mut rows = vec![0; self.n * self.width];
                unpack(self.bytes, self.width, self.layout, &mut rows);
                pack(&rows, self.width, to, place);
            }
        }
    }
}

fn is_rows(layout: Layout) -> bool {
    matches!(layout, Layout::Int8(Pack::RowMajor) | Layout::Bits(BitPack::Rows))
}

/// Writes `rows` of `width` bytes into `place` in the layout `to`.
fn pack(rows: &[u8], width: usize, to: Layout, place: &mut [u8]) {
    match to {
        Layout::Int8(Pack::RowMajor) | Layout::Bits(BitPack::Rows) => place.copy_from_slice(rows),
        Layout::Int8(Pack::Panel16x4) | Layout::Bits(BitPack::Panel16) => {
            into_panels::<16, 4>(rows, width, place);
        }
        Layout::Int8(Pack::Panel2x4) => into_panels::<2, 4>(rows, width, place),
        Layout::Int8(Pack::Panel2x16) => into_panels::<2, 16>(rows, width, place),
    }
}

/// Writes what `bytes` hold in the layout `from` into `rows` of `width` bytes.
fn unpack(bytes: &[u8], width: usize, from: Layout, rows: &mut [u8]) {
    match from {
        Layout::Int8(Pack::RowMajor) | Layout::Bits(BitPack::Rows) => rows.copy_from_slice(bytes),
        Layout::Int8(Pack::Panel16x4) | Layout::Bits(BitPack::Panel16) => {
            out_of_panels::<16, 4>(bytes, width, rows);
        }
        Layout::Int8(Pack::Panel2x4) => out_of_panels::<2, 4>(bytes, width, rows),
        Layout::Int8(Pack::Panel2x16) => out_of_panels::<2, 16>(bytes, width, rows),
    }
}

/// Panels of `CHANNELS` rows of groups of `GROUP` bytes, which take turns.
fn into_panels<const CHANNELS: usize, const GROUP: usize>(rows: &[u8], width: usize, panels: &mut [u8]) {
    let len = CHANNELS * width.next_multiple_of(GROUP);
    for (rows, panel) in rows.chunks(CHANNELS * width).zip(panels.chunks_exact_mut(len)) {
        for (channel, row) in rows.chunks_exact(width).enumerate() {
            let groups = row.chunks_exact(GROUP);
            let rest = groups.remainder();
            let mut places = panel[channel * GROUP..].chunks_mut(CHANNELS * GROUP);
            for (group, place) in groups.zip(&mut places) {
                place[..GROUP].copy_from_slice(group);
            }
            places.for_each(|place| place[..rest.len()].copy_from_slice(rest));
        }
    }
}

/// The inverse of [`into_panels`].
fn out_of_panels<const CHANNELS: usize, const GROUP: usize>(panels: &[u8], width: usize, rows: &mut [u8]) {
    let len = CHANNELS * width.next_multiple_of(GROUP);
    for (rows, panel) in rows.chunks_mut(CHANNELS * width).zip(panels.chunks_exact(len)) {
        for (channel, row) in rows.chunks_exact_mut(width).enumerate() {
            let mut places = panel[channel * GROUP..].chunks(CHANNELS * GROUP);
            let mut groups = row.chunks_exact_mut(GROUP);
            for (group, place) in (&mut groups).zip(&mut places) {
                group.copy_from_slice(&place[..GROUP]);
            }
            let rest = groups.into_remainder();
            places.for_each(|place| rest.copy_from_slice(&place[..rest.len()]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every layout of a kind, from each into each: by value as the layouts say.
    #[test]
    fn every_value_lies_where_its_layout_says() {
        for (n, k) in [(1, 1), (2, 4), (3, 5), (15, 16), (16, 33), (17, 3), (40, 64)] {
            for (from, to) in pairs(Pack::ALL) {
                let value = |row: usize, column: usize| (row * k + column) as u8 | 1;
                let stored = |pack: Pack| {
                    let mut bytes = vec![0; pack.len(n as u32, k as u32).unwrap() as usize];
                    for (row, column) in cells(n, k) {
                        bytes[pack.index(k, row, column)] = value(row, column);
                    }
                    bytes
                };
                let bytes = &stored(from)[..];
                let matrix = Matrix { bytes, layout: Layout::Int8(from), n, width: k };
                let want = stored(to);
                let mut place = vec![0; want.len()];
                matrix.write(Layout::Int8(to), &mut place);
                assert_eq!(place, want, "{n} × {k} from {} to {}", from.name(), to.name());
            }
        }
    }

    #[test]
    fn every_word_lies_where_its_layout_says() {
        for (n, k) in [(1, 1), (3, 5), (15, 2), (16, 3), (17, 1), (40, 8)] {
            for (from, to) in pairs(BitPack::ALL) {
                let stored = |pack: BitPack| {
                    let mut words = vec![0u32; pack.len(n as u32, k as u32).unwrap() as usize];
                    for (row, word) in cells(n, k) {
                        words[pack.index(k, row, word)] = (row * k + word) as u32 + 0x0102_0304;
                    }
                    words
                };
                let bytes = &bytemuck::cast_vec(stored(from).into_iter().map(u32::to_ne_bytes).collect())[..];
                let matrix = Matrix { bytes, layout: Layout::Bits(from), n, width: 4 * k };
                let want = stored(to);
                let mut place = vec![0; 4 * want.len()];
                matrix.write(Layout::Bits(to), &mut place);
                assert_eq!(bytemuck::pod_collect_to_vec::<_, u32>(&place), want, "{n} × {k}");
            }
        }
    }

    fn pairs<T: Copy, const N: usize>(all: [T; N]) -> impl Iterator<Item = (T, T)> {
        all.into_iter().flat_map(move |from| all.into_iter().map(move |to| (from, to)))
    }

    fn cells(n: usize, k: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..n).flat_map(move |row| (0..k).map(move |column| (row, column)))
    }
}
