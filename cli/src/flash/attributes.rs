//! Which Arm architecture an ELF file was compiled for: the two that share an address of
//! flash differ in nothing else that is in the file's header.

use boards::Architecture;
use object::Endianness;
use object::elf::{FileHeader32, SHT_ARM_ATTRIBUTES, Tag_File};
use object::read::elf::{FileHeader, SectionHeader};

/// `Tag_CPU_arch` of the addenda to the ABI for Arm.
const CPU_ARCH: u64 = 6;
/// The tags before it that have text, `Tag_CPU_raw_name` and `Tag_CPU_name`.
const TEXTS: [u64; 2] = [4, 5];

/// What the attributes of `file` say; `None` where they say nothing.
pub fn architecture(header: &FileHeader32<Endianness>, file: &[u8]) -> object::read::Result<Option<u64>> {
    let endian = header.endian()?;
    for section in header.sections(endian, file)?.iter() {
        if section.sh_type(endian) != SHT_ARM_ATTRIBUTES {
            continue;
        }
        let mut subsections = section.attributes(endian, file)?.subsections()?;
        while let Some(subsection) = subsections.next()? {
            let mut parts = subsection.subsubsections();
            while let Some(part) = parts.next()? {
                if subsection.vendor() != b"aeabi" || part.tag() != Tag_File {
                    continue;
                }
                let mut attributes = part.attributes();
                while let Some(tag) = attributes.read_tag()? {
                    match tag {
                        CPU_ARCH => return attributes.read_integer().map(Some),
                        tag if TEXTS.contains(&tag) => drop(attributes.read_string()?),
                        _ => drop(attributes.read_integer()?),
                    }
                }
            }
        }
    }
    Ok(None)
}

/// Whether a core of `architecture` executes what was compiled for the one numbered `compiled`.
pub fn runs(architecture: Architecture, compiled: u64) -> bool {
    match architecture {
        Architecture::Armv6m => matches!(compiled, 11 | 12),
        Architecture::Armv7em => matches!(compiled, 10..=13),
        Architecture::Armv8m => matches!(compiled, 10..=13 | 16 | 17),
        Architecture::Riscv32 => false,
    }
}
