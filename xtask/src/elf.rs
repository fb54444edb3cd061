//! What a linked program contains.

use std::fs;
use std::path::Path;

use object::elf::{PT_LOAD, SHF_ALLOC, SHF_WRITE};
use object::read::elf::{ElfFile32, ProgramHeader};
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionFlags, SectionKind, SymbolKind};

/// A linked 32-bit program.
pub struct Executable {
    data: Vec<u8>,
}

/// A symbol that must not be there.
pub struct Suspect {
    /// Its demangled name.
    pub name: String,
    /// Functions that refer to it.
    pub referrers: Vec<String>,
}

/// Bytes of a program.
#[derive(Default)]
pub struct Size {
    /// Instructions, and constants kept among them.
    pub code: u64,
    /// Constants.
    pub rodata: u64,
    /// Static memory; the stack is not counted.
    pub ram: u64,
    /// The part of it that does not start as zeros, so that it lies in flash, too.
    pub data: u64,
}

/// A section that has memory when the program runs.
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its address, as the processor sees it.
    pub start: u64,
    /// Its size.
    pub bytes: u64,
    /// Whether the program writes to it.
    pub writable: bool,
}

/// A function and its place.
struct Function {
    start: u64,
    end: u64,
    name: String,
}

type Elf<'a> = ElfFile32<'a>;

impl Executable {
    /// Reads an ELF file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let data = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Elf::parse(&*data).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { data })
    }

    fn elf(&self) -> Elf<'_> {
        Elf::parse(&*self.data).expect("parsed when it was read")
    }

    /// Sizes of the loaded sections.
    pub fn size(&self) -> Size {
        let mut size = Size::default();
        for section in self.elf().sections().filter(|section| !is_room(section.name().unwrap_or(""))) {
            match section.kind() {
                SectionKind::Text => size.code += section.size(),
                SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => size.rodata += section.size(),
                SectionKind::Data => {
                    size.ram += section.size();
                    size.data += section.size();
                }
                SectionKind::UninitializedData => size.ram += section.size(),
                _ => {}
            }
        }
        size
    }

    /// The sections that have memory, without empty ones.
    pub fn sections(&self) -> Vec<Section> {
        let elf = self.elf();
        let sections = elf.sections().filter_map(|section| {
            let SectionFlags::Elf { sh_flags } = section.flags() else { return None };
            let name = section.name().unwrap_or("").to_owned();
            let (allocated, writable) = (sh_flags & u64::from(SHF_ALLOC), sh_flags & u64::from(SHF_WRITE));
            let has_memory = allocated != 0 && section.size() > 0 && !is_room(&name);
            let (start, bytes) = (section.address(), section.size());
            has_memory.then_some(Section { name, start, bytes, writable: writable != 0 })
        });
        sections.collect()
    }

    /// Address and size of what a loader puts in memory.
    pub fn loaded(&self) -> Vec<(u64, u64)> {
        let elf = self.elf();
        let endian = elf.endian();
        let headers = elf.elf_program_headers().iter().filter(|header| header.p_type(endian) == PT_LOAD);
        let places = headers.map(|header| (header.p_paddr(endian).into(), header.p_filesz(endian).into()));
        places.filter(|(_, bytes)| *bytes > 0).collect()
    }

    /// Address and size of the symbol with the demangled name `name`.
    pub fn symbol(&self, name: &str) -> Option<(u64, u64)> {
        let elf = self.elf();
        let found = elf.symbols().find(|s| demangled(s.name().unwrap_or("")) == name)?;
        Some((found.address(), found.size()))
    }

    /// Panics, floating point, formatting, an allocator, and whatever is not defined.
    pub fn suspects(&self) -> Vec<Suspect> {
        let elf = self.elf();
        let functions = functions(&elf);
        let mut suspects = Vec::new();
        for symbol in elf.symbols() {
            let name = demangled(symbol.name().unwrap_or(""));
            let undefined = symbol.is_undefined() && !name.is_empty();
            if undefined || is_forbidden(&name) {
                let referrers = referrers(&elf, symbol.index(), &functions);
                suspects.push(Suspect { name, referrers });
            }
        }
        suspects.extend(float_instructions(&elf, &functions));
        suspects
    }
}

/// Parts of the standard library that firmware must not need.
const FORBIDDEN: &[&str] = &[
    "core::panicking::",
    "core::option::unwrap_failed",
    "core::option::expect_failed",
    "core::result::unwrap_failed",
    "core::slice::copy_from_slice_impl",
    "core::str::slice_error_fail",
    "core::cell::panic",
    "core::fmt::",
    "rust_begin_unwind",
    "__rust_alloc",
    "__rust_realloc",
    "__rust_dealloc",
    "__rg_",
    "alloc::",
];

/// Sections of esp-hal's linker script that hold nothing: the stack, and room for what is
/// mapped at two addresses.
fn is_room(section: &str) -> bool {
    section == ".stack" || section.ends_with("_dummy")
}

fn is_forbidden(name: &str) -> bool {
    let within = |part: &&str| name.starts_with(part) || name.contains(&format!("<{part}"));
    // `core::slice::index` also holds the checked accessors, which may stay out of line.
    let failing = name.contains("core::slice::index::") && name.contains("fail");
    failing || FORBIDDEN.iter().any(within) || is_float_routine(name)
}

/// Whether `name` is a software floating-point routine of the Arm EABI or of the GCC
/// library that other targets use.
fn is_float_routine(name: &str) -> bool {
    if let Some(routine) = name.strip_prefix("__aeabi_") {
        let arithmetic =
            routine.starts_with('f') || (routine.starts_with('d') && !routine.starts_with("div"));
        return arithmetic
            || routine.contains("2f")
            || routine.contains("2d")
            || routine.starts_with("cf")
            || routine.starts_with("cd");
    }
    // Modes of the operands: __addsf3, __floatunsidf, __truncdfsf2.
    name.starts_with("__")
        && ["sf", "df", "tf", "hf"].iter().any(|mode| {
            let tail = name.trim_end_matches(|c: char| c.is_ascii_digit());
            tail.ends_with(mode)
                || tail.ends_with(&format!("{mode}si"))
                || tail.ends_with(&format!("{mode}di"))
        })
}

fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

fn functions(elf: &Elf<'_>) -> Vec<Function> {
    let functions = elf.symbols().filter(|s| s.kind() == SymbolKind::Text && s.size() > 0);
    // Bit 0 of an address marks Thumb code.
    let place = |address: u64| address & !1;
    functions
        .map(|s| Function {
            start: place(s.address()),
            end: place(s.address()) + s.size(),
            name: demangled(s.name().unwrap_or("")),
        })
        .collect()
}

fn function_at(functions: &[Function], address: u64) -> String {
    let found = functions.iter().find(|f| (f.start..f.end).contains(&address));
    found.map_or_else(|| format!("{address:#x}"), |f| f.name.clone())
}

/// The functions with a relocation to a symbol; the program is linked with `--emit-relocs`.
fn referrers(elf: &Elf<'_>, symbol: object::SymbolIndex, functions: &[Function]) -> Vec<String> {
    let mut names: Vec<String> = elf
        .sections()
        .flat_map(|section| section.relocations())
        .filter(|(_, relocation)| relocation.target() == RelocationTarget::Symbol(symbol))
        .map(|(address, _)| function_at(functions, address))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Arithmetic on the float unit of an Arm core, one suspect a function.
///
/// The assembler marks where code (`$t`) and data (`$d`) start, so that constants
/// between functions are not taken for instructions.
fn float_instructions(elf: &Elf<'_>, functions: &[Function]) -> Vec<Suspect> {
    let mut found: Vec<String> = Vec::new();
    for section in elf.sections().filter(|s| s.kind() == SectionKind::Text) {
        let bytes = section.data().unwrap_or(&[]);
        let mut marks: Vec<(u64, bool)> = elf
            .symbols()
            .filter(|s| s.section_index() == Some(section.index()))
            .filter_map(|s| match s.name().ok()?.get(..2)? {
                "$t" => Some((s.address() & !1, true)),
                "$d" => Some((s.address() & !1, false)),
                _ => None,
            })
            .collect();
        marks.sort_unstable();
        for (at, &(start, code)) in marks.iter().enumerate() {
            let end = marks.get(at + 1).map_or(section.address() + section.size(), |&(next, _)| next);
            let range = (start - section.address()) as usize..(end - section.address()) as usize;
            let offsets = if code { vfp_arithmetic(&bytes[range]) } else { Vec::new() };
            found.extend(offsets.iter().map(|offset| function_at(functions, start + offset)));
        }
    }
    found.dedup();
    found
        .into_iter()
        .map(|name| Suspect { name: format!("float instructions in {name}"), referrers: Vec::new() })
        .collect()
}

/// Offsets of VFP data-processing instructions in Thumb code.
fn vfp_arithmetic(code: &[u8]) -> Vec<u64> {
    let half = |at: usize| code.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let mut offsets = Vec::new();
    let mut at = 0;
    while let Some(first) = half(at) {
        if first >> 11 < 0b11101 {
            at += 2;
            continue;
        }
        let second = half(at + 2).unwrap_or(0);
        // 111x1110 ---- ---- | ---- 101x ---0 ----: coprocessor 10 or 11, data processing.
        if first & 0xef00 == 0xee00 && second & 0x0e10 == 0x0a00 {
            offsets.push(at as u64);
        }
        at += 4;
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_routines_are_told_from_integer_ones() {
        for name in [
            "__aeabi_fadd",
            "__aeabi_dmul",
            "__aeabi_i2f",
            "__aeabi_l2d",
            "__aeabi_cfcmple",
            "__addsf3",
            "__fixdfsi",
            "__floatunsidf",
            "__truncdfsf2",
            "__gtsf2",
        ] {
            assert!(is_float_routine(name), "{name}");
        }
        for name in [
            "__aeabi_uidiv",
            "__aeabi_ldivmod",
            "__aeabi_lmul",
            "__aeabi_memcpy4",
            "__divmoddi4",
            "__udivsi3",
            "__muldi3",
            "__clzsi2",
            "main",
        ] {
            assert!(!is_float_routine(name), "{name}");
        }
    }

    #[test]
    fn vfp_arithmetic_is_found_and_nothing_else() {
        // movs r0, #1; vadd.f32 s0, s0, s1; bl; vmov s0, r0 (a transfer); vldr s0, [r0].
        let code = [
            0x01, 0x20, 0x30, 0xee, 0x20, 0x0a, 0x00, 0xf0, 0x00, 0xf8, 0x00, 0xee, 0x10, 0x0a, 0x90, 0xed,
            0x00, 0x0a,
        ];
        assert_eq!(vfp_arithmetic(&code), [2]);
    }

    #[test]
    fn failing_helpers_are_told_from_checked_ones() {
        assert!(is_forbidden("core::slice::index::slice_index_fail"));
        assert!(is_forbidden("core::panicking::panic_bounds_check"));
        assert!(is_forbidden("<core::fmt::Formatter as core::fmt::Write>::write_str"));
        assert!(!is_forbidden("<usize as core::slice::index::SliceIndex<[T]>>::get"));
        assert!(!is_forbidden("core::str::converts::from_utf8"));
    }
}
