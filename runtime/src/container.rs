//! The fixed header and its sections.

use crate::error::{LoadError, SectionKind};
use crate::limits::{BLOB_ALIGN, FORMAT_VERSION, HEADER_LEN, MAGIC, MAX_ARENA, MAX_INSTRUCTIONS};

/// A range of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Byte offset from the start of the file, a multiple of 16.
    pub offset: u32,
    /// Bytes.
    pub len: u32,
}

/// The decoded header; see `SPEC.md` for the layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// SHA-256 of the canonical content.
    pub identity: [u8; 32],
    /// Exact bytes of arena that the program needs.
    pub arena_len: u32,
    /// Instructions, control records included.
    pub instructions: u32,
    /// Number of inputs.
    pub inputs: u16,
    /// Number of outputs.
    pub outputs: u16,
    /// Descriptions of inputs and outputs.
    pub io: Section,
    /// Instructions.
    pub program: Section,
    /// Instruction names, then notes; empty when stripped.
    pub names: Section,
    /// Constants.
    pub blobs: Section,
}

/// The container at the front of `flash`, as long as its header says; `None` where
/// there is none, and the rest of the region where the header asks for more.
pub fn container_in(flash: &[u8]) -> Option<&[u8]> {
    let (magic, rest) = flash.split_first_chunk::<4>()?;
    let (_version, rest) = rest.split_first_chunk::<4>()?;
    let (len, _) = rest.split_first_chunk::<4>()?;
    if *magic != MAGIC {
        return None;
    }
    flash.get(..u32::from_le_bytes(*len) as usize).or(Some(flash))
}

/// Whether `bytes` start where containers are read in place on every machine.
pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr() % 4 == 0
}

impl Header {
    /// Encodes the header of a file of `file_len` bytes whose bytes from 16 on have checksum `crc`.
    pub fn encode(&self, file_len: u32, crc: u32) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let words = [
            (8, file_len),
            (12, crc),
            (48, self.arena_len),
            (52, self.instructions),
            (56, u32::from(self.inputs) | u32::from(self.outputs) << 16),
            (60, self.io.offset),
            (64, self.io.len),
            (68, self.program.offset),
            (72, self.program.len),
            (76, self.names.offset),
            (80, self.names.len),
            (84, self.blobs.offset),
            (88, self.blobs.len),
        ];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 4, &FORMAT_VERSION.to_le_bytes());
        put(&mut bytes, 16, &self.identity);
        for (at, word) in words {
            put(&mut bytes, at, &word.to_le_bytes());
        }
        bytes
    }

    /// Decodes and checks the header of `file`, the whole container.
    pub fn decode(file: &[u8], crc: impl FnOnce(&[u8]) -> u32) -> Result<Self, LoadError> {
        let len = file.len() as u64;
        if crc(body(file, len)?) != word(file, 12)? {
            return Err(LoadError::Crc);
        }
        Self::fields(file, len)
    }

    /// As [`decode`](Self::decode), of a container of `len` bytes that begins with `front`. Its CRC is
    /// not looked at.
    pub(crate) fn of_front(front: &[u8], len: u64) -> Result<Self, LoadError> {
        body(front, len)?;
        Self::fields(front, len)
    }

    fn fields(front: &[u8], len: u64) -> Result<Self, LoadError> {
        let counts = word(front, 56)?;
        let section = |at| Ok(Section { offset: word(front, at)?, len: word(front, at + 4)? });
        let header = Self {
            identity: identity(front)?,
            arena_len: word(front, 48)?,
            instructions: word(front, 52)?,
            inputs: counts as u16,
            outputs: (counts >> 16) as u16,
            io: section(60)?,
            program: section(68)?,
            names: section(76)?,
            blobs: section(84)?,
        };
        if word(front, 92)? != 0 {
            return Err(LoadError::Section(SectionKind::Header));
        }
        header.check_sections(len)?;
        Ok(header)
    }

    /// Sections follow each other in order, each at the next multiple of 16, and fill the file.
    fn check_sections(&self, file_len: u64) -> Result<(), LoadError> {
        let mut end = HEADER_LEN as u64;
        for (section, kind) in [
            (self.io, SectionKind::Io),
            (self.program, SectionKind::Program),
            (self.names, SectionKind::Names),
            (self.blobs, SectionKind::Blobs),
        ] {
            if u64::from(section.offset) != end.next_multiple_of(BLOB_ALIGN.into()) {
                return Err(LoadError::Section(kind));
            }
            end = u64::from(section.offset) + u64::from(section.len);
        }
        if end != file_len {
            return Err(LoadError::Section(SectionKind::Blobs));
        }
        if self.arena_len > MAX_ARENA {
            return Err(LoadError::Arena);
        }
        if self.instructions == 0 || self.instructions > MAX_INSTRUCTIONS {
            return Err(LoadError::InstructionCount);
        }
        Ok(())
    }
}

impl Section {
    /// The section's bytes in `file`.
    pub fn of(self, file: &[u8]) -> Option<&[u8]> {
        let start = self.offset as usize;
        file.get(start..start.checked_add(self.len as usize)?)
    }
}

/// What the CRC is of, in a container of `len` bytes that begins with `front`.
fn body(front: &[u8], len: u64) -> Result<&[u8], LoadError> {
    if front.get(..4) != Some(&MAGIC) {
        return Err(if front.len() < 4 { LoadError::Truncated } else { LoadError::Magic });
    }
    let version = word(front, 4)?;
    if version != u32::from(FORMAT_VERSION) {
        return Err(LoadError::Version { found: version as u16 });
    }
    let body = front.get(16..).ok_or(LoadError::Truncated)?;
    match len.cmp(&u64::from(word(front, 8)?)) {
        core::cmp::Ordering::Less => Err(LoadError::Truncated),
        core::cmp::Ordering::Greater => Err(LoadError::TrailingBytes),
        core::cmp::Ordering::Equal => Ok(body),
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (place, &byte) in bytes.iter_mut().skip(at).zip(value) {
        *place = byte;
    }
}

fn word(file: &[u8], at: usize) -> Result<u32, LoadError> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk()).ok_or(LoadError::Truncated)?;
    Ok(u32::from_le_bytes(*bytes))
}

fn identity(file: &[u8]) -> Result<[u8; 32], LoadError> {
    file.get(16..).and_then(|rest| rest.first_chunk()).copied().ok_or(LoadError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_found_at_the_front_only() {
        let mut flash = [0xff; 200];
        assert_eq!(container_in(&flash), None);
        flash[..HEADER_LEN].copy_from_slice(&Header::default().encode(120, 0));
        assert_eq!(container_in(&flash), Some(&flash[..120]));
        assert_eq!(container_in(&flash[..100]), Some(&flash[..100]), "cut short: the check will say so");
        assert_eq!(container_in(&flash[..11]), None);
        assert_eq!(container_in(&flash[1..]), None);
    }

    #[test]
    fn header_round_trips() {
        let header = Header {
            identity: [7; 32],
            arena_len: 1000,
            instructions: 3,
            inputs: 1,
            outputs: 2,
            io: Section { offset: 96, len: 0 },
            program: Section { offset: 96, len: 0 },
            names: Section { offset: 96, len: 0 },
            blobs: Section { offset: 96, len: 0 },
        };
        let mut file = header.encode(HEADER_LEN as u32, 0);
        let crc = crate::crc32(&file[16..]);
        file = header.encode(HEADER_LEN as u32, crc);
        assert_eq!(Header::decode(&file, crate::crc32), Ok(header));
        for len in 0..HEADER_LEN {
            assert_eq!(Header::decode(&file[..len], crate::crc32), Err(LoadError::Truncated));
        }
        file[4] = 9;
        assert_eq!(Header::decode(&file, crate::crc32), Err(LoadError::Version { found: 9 }));
    }
}
