//! ELF files of firmware, made for a test.

use object::Endianness;
use object::build::elf::{Builder, SectionData};
use object::elf::{
    EM_ARM, EM_RISCV, ET_EXEC, PF_R, PF_X, PT_LOAD, SHF_ALLOC, SHT_ARM_ATTRIBUTES, SHT_PROGBITS, SHT_STRTAB,
};

/// `Tag_CPU_arch` of the cores.
pub const ARMV6S_M: u8 = 12;
pub const ARMV7E_M: u8 = 13;
pub const ARMV8M_MAIN: u8 = 17;

/// A program for an Arm of `architecture`, with these bytes at these addresses.
pub fn arm(architecture: u8, segments: &[(u32, Vec<u8>)]) -> Vec<u8> {
    // Format 'A'; the vendor's subsection; of the whole file: CPU_name, CPU_arch.
    let attributes = [5, b'm', 0, 6, architecture];
    let mut section = vec![b'A'];
    section.extend((4 + 6 + 5 + attributes.len() as u32).to_le_bytes());
    section.extend(b"aeabi\0\x01");
    section.extend((5 + attributes.len() as u32).to_le_bytes());
    section.extend(attributes);
    program(EM_ARM, segments, Some(section))
}

/// A program for RISC-V.
pub fn riscv(segments: &[(u32, Vec<u8>)]) -> Vec<u8> {
    program(EM_RISCV, segments, None)
}

fn program(machine: u16, segments: &[(u32, Vec<u8>)], attributes: Option<Vec<u8>>) -> Vec<u8> {
    let mut builder = Builder::new(Endianness::Little, false);
    builder.header.e_type = ET_EXEC;
    builder.header.e_machine = machine;
    builder.header.e_phoff = 52;
    let mut offset = 0x1000;
    for (address, bytes) in segments {
        let section = builder.sections.add();
        section.name = ".part".into();
        section.sh_type = SHT_PROGBITS;
        section.sh_flags = SHF_ALLOC.into();
        section.sh_addr = (*address).into();
        section.sh_offset = offset;
        section.sh_size = bytes.len() as u64;
        section.sh_addralign = 4;
        section.data = SectionData::Data(bytes.clone().into());
        let segment = builder.segments.add();
        segment.p_type = PT_LOAD;
        segment.p_flags = PF_R | PF_X;
        segment.p_align = 4;
        segment.append_section_range(section);
        segment.sections.push(section.id());
        offset = (offset + bytes.len() as u64).next_multiple_of(4);
    }
    if let Some(attributes) = attributes {
        let section = builder.sections.add();
        section.name = ".ARM.attributes".into();
        section.sh_type = SHT_ARM_ATTRIBUTES;
        section.sh_addralign = 1;
        section.data = SectionData::Data(attributes.into());
    }
    let section = builder.sections.add();
    section.name = ".shstrtab".into();
    section.sh_type = SHT_STRTAB;
    section.sh_addralign = 1;
    section.data = SectionData::SectionString;
    let mut out = Vec::new();
    builder.write(&mut out).unwrap();
    out
}
