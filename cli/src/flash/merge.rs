//! The container as part of the firmware's ELF file, for programs that take nothing else.

use object::Endianness;
use object::elf::{FileHeader32, PF_R, PT_LOAD, SHF_ALLOC, SHT_PROGBITS};
use object::read::elf::FileHeader;

use super::image::Image;
use crate::failure::Failure;

/// Sizes of an entry of the program and the section headers.
const ENTRIES: [usize; 2] = [32, 40];
/// Where the file's header has the place of the headers, and their number.
const PLACES: [usize; 2] = [28, 32];
const COUNTS: [usize; 2] = [44, 48];

/// `firmware` with one more section, loaded by one more segment.
///
/// It begins where the firmware's data ends, with zeros up to the container: the boot loader
/// of an ESP32 maps one block of data only. Both tables of headers move to the end.
pub fn merge(firmware: &[u8], image: &Image) -> Result<Vec<u8>, Failure> {
    let refuse = || {
        Failure::new("the firmware's ELF file cannot take the model: it has no section headers")
            .help("link it again without stripping them")
    };
    let header = FileHeader32::<Endianness>::parse(firmware).map_err(|_| refuse())?;
    let endian = header.endian().map_err(|_| refuse())?;
    let sizes = [header.e_phentsize(endian), header.e_shentsize(endian)];
    if sizes.map(usize::from) != ENTRIES {
        return Err(refuse());
    }
    let counts = [header.e_phnum(endian), header.e_shnum(endian)];
    let places = [header.e_phoff(endian), header.e_shoff(endian)];

    let (address, data) = padded(image);
    let mut out = firmware.to_vec();
    out.resize(out.len().next_multiple_of(16), 0);
    let (offset, size) = (out.len() as u32, data.len() as u32);
    out.extend_from_slice(&data);
    out.resize(out.len().next_multiple_of(4), 0);
    let segment = words(&[PT_LOAD, offset, address, address, size, size, PF_R, 4]);
    let section = words(&[0, SHT_PROGBITS, SHF_ALLOC, address, offset, size, 0, 0, 4, 0]);
    for (index, entry) in [segment, section].into_iter().enumerate() {
        let (start, len) = (places[index] as usize, usize::from(counts[index]) * ENTRIES[index]);
        let table = firmware.get(start..start + len).ok_or_else(refuse)?;
        let place = out.len() as u32;
        out.extend_from_slice(table);
        out.extend_from_slice(&entry);
        out[PLACES[index]..][..4].copy_from_slice(&place.to_le_bytes());
        let count = counts[index].checked_add(1).ok_or_else(refuse)?;
        out[COUNTS[index]..][..2].copy_from_slice(&count.to_le_bytes());
    }
    Ok(out)
}

/// The container with zeros in front of it, down to the firmware's last byte below it.
fn padded(image: &Image) -> (u32, Vec<u8>) {
    let (model, kept) = (image.model(), &image.regions()[0]);
    let below = image.firmware().iter().map(|segment| segment.end());
    let below = below.filter(|end| (u64::from(kept.address)..=u64::from(model.address)).contains(end)).max();
    let address = below.map_or(model.address, |end| end.next_multiple_of(4) as u32);
    let mut data = vec![0; (model.address - address) as usize];
    data.extend_from_slice(&model.bytes);
    (address, data)
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
