//! Firmware from an ELF file.

use boards::Architecture;
use object::Endianness;
use object::elf::{EM_ARM, EM_RISCV, ET_EXEC, FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use thiserror::Error;

use super::attributes::{architecture, runs};
use super::image::Segment;

/// A file that is not firmware for the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ElfError {
    /// It is not a sound ELF file of 32 bits.
    #[error("not an ELF file of a 32-bit processor: {0}")]
    Malformed(object::read::Error),
    /// A segment lies outside of it.
    #[error("an ELF file that is cut off")]
    Truncated,
    /// It is something to link.
    #[error("an ELF file, but not a linked program")]
    NotLinked,
    /// It is for another processor.
    #[error("compiled for another processor than {}", .board.name())]
    OtherCore {
        /// What the board's executes.
        board: Architecture,
    },
}

/// What the program headers of `file` place in memory, at the addresses that it is loaded
/// to; `board` is what the board's core executes.
pub fn segments(file: &[u8], board: Architecture) -> Result<Vec<Segment>, ElfError> {
    let header = FileHeader32::<Endianness>::parse(file).map_err(ElfError::Malformed)?;
    let endian = header.endian().map_err(ElfError::Malformed)?;
    if header.e_type(endian) != ET_EXEC {
        return Err(ElfError::NotLinked);
    }
    let fits = match (board, header.e_machine(endian)) {
        (Architecture::Riscv32, EM_RISCV) => header.is_little_endian(),
        (Architecture::Armv6m | Architecture::Armv7em | Architecture::Armv8m, EM_ARM) => {
            let compiled = architecture(header, file).map_err(ElfError::Malformed)?;
            header.is_little_endian() && compiled.is_none_or(|compiled| runs(board, compiled))
        }
        _ => false,
    };
    if !fits {
        return Err(ElfError::OtherCore { board });
    }
    let mut segments = Vec::new();
    for segment in header.program_headers(endian, file).map_err(ElfError::Malformed)? {
        if segment.p_type(endian) != PT_LOAD {
            continue;
        }
        let bytes = segment.data(endian, file).map_err(|()| ElfError::Truncated)?;
        segments.push(Segment { address: segment.p_paddr(endian), bytes: bytes.to_vec() });
    }
    Ok(segments)
}
