//! UF2, which the boot loaders of the RP2040 and the RP2350 take as a file on their drive.
//!
//! Every 4 KiB of flash that are touched are written whole: the RP2040's boot loader
//! erases a sector when its first page arrives, and wants every page of it (RP2040-E14).
//! The block that erratum RP2350-E10 asks for is left out: it is for flash with a partition
//! table, and these images begin where flash does.
//!
//! Written here because no crate fills whole sectors of several segments. `uf2` 0.1.0 takes one
//! segment, and its last page is filled with zeros. `uftwo` 0.3.0 has the layout of a block, which
//! is 17 of these 51 lines, and brings two crates.

use std::collections::BTreeMap;

use super::image::Segment;

const FIRST_MAGIC: u32 = 0x0a32_4655;
const SECOND_MAGIC: u32 = 0x9e5d_5157;
const LAST_MAGIC: u32 = 0x0ab1_6f30;
/// The word behind the sizes names the family.
const FAMILY_PRESENT: u32 = 0x2000;
/// Bytes of a block.
const BLOCK: usize = 512;
/// Bytes of flash in a block.
const PAGE: usize = 256;
/// Bytes that are erased together.
const SECTOR: u32 = 4096;
/// What erased flash reads as.
const ERASED: u8 = 0xff;

/// The file for chips of `family`.
pub fn encode<'a>(segments: impl Iterator<Item = &'a Segment>, family: u32) -> Vec<u8> {
    let pages = pages(segments);
    let mut out = Vec::with_capacity(pages.len() * BLOCK);
    for (index, (address, page)) in pages.iter().enumerate() {
        let head = [
            FIRST_MAGIC,
            SECOND_MAGIC,
            FAMILY_PRESENT,
            *address,
            PAGE as u32,
            index as u32,
            pages.len() as u32,
            family,
        ];
        let start = out.len();
        out.extend(head.iter().flat_map(|word| word.to_le_bytes()));
        out.extend_from_slice(page);
        out.resize(start + BLOCK - 4, 0);
        out.extend_from_slice(&LAST_MAGIC.to_le_bytes());
    }
    out
}

/// The pages of all sectors that `segments` touch, by address.
fn pages<'a>(segments: impl Iterator<Item = &'a Segment>) -> BTreeMap<u32, [u8; PAGE]> {
    let mut pages = BTreeMap::new();
    for segment in segments {
        let (mut address, mut rest) = (segment.address, segment.bytes.as_slice());
        while !rest.is_empty() {
            let sector = address & !(SECTOR - 1);
            for offset in (0..SECTOR).step_by(PAGE) {
                pages.entry(sector + offset).or_insert([ERASED; PAGE]);
            }
            let at = address as usize % PAGE;
            let (bytes, behind) = rest.split_at(rest.len().min(PAGE - at));
            let page = pages.entry(address - at as u32).or_insert([ERASED; PAGE]);
            page[at..at + bytes.len()].copy_from_slice(bytes);
            address = address.wrapping_add(bytes.len() as u32);
            rest = behind;
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file as the specification describes it.
    fn decode(file: &[u8], family: u32) -> BTreeMap<u32, u8> {
        assert_eq!(file.len() % 512, 0);
        let blocks = file.len() / 512;
        let mut flash = BTreeMap::new();
        for (number, block) in file.chunks(512).enumerate() {
            let word = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().unwrap());
            assert_eq!(&block[..4], b"UF2\n");
            assert_eq!((word(4), word(508)), (0x9e5d5157, 0x0ab16f30));
            // Only "family ID present": not "not main flash", a container or an MD5.
            assert_eq!(word(8), 0x00002000);
            let (address, size) = (word(12), word(16));
            assert_eq!((address % 256, size), (0, 256));
            assert_eq!((word(20), word(24), word(28)), (number as u32, blocks as u32, family));
            assert!(block[32 + 256..508].iter().all(|&byte| byte == 0));
            for (offset, &byte) in block[32..32 + size as usize].iter().enumerate() {
                assert!(flash.insert(address + offset as u32, byte).is_none(), "written twice");
            }
        }
        flash
    }

    #[test]
    fn what_is_read_back_is_what_was_written_in_whole_sectors() {
        let segments = [
            Segment { address: 0x1000_0000, bytes: (0..=255).cycle().take(300).collect() },
            Segment { address: 0x1000_01f0, bytes: vec![9; 4000] },
            Segment { address: 0x1002_0000, bytes: vec![3; 5] },
        ];
        let flash = decode(&encode(segments.iter(), 0xe48bff56), 0xe48bff56);
        let mut expected: BTreeMap<u32, u8> = BTreeMap::new();
        for sector in [0x1000_0000, 0x1000_1000, 0x1002_0000] {
            expected.extend((sector..sector + 4096).map(|address| (address, 0xff)));
        }
        for segment in &segments {
            expected.extend((segment.address..).zip(segment.bytes.iter().copied()));
        }
        assert!(flash == expected);
    }
}
