//! What the linker made of a board's description.

use boards::{Board, Region};

use crate::elf::{Executable, Section};

/// Bytes of an image.
pub struct Figures {
    /// What it takes of flash.
    pub flash: u64,
    /// Static memory beside the arena.
    pub statics: u64,
    /// The arena.
    pub arena: u64,
    /// What is left to the stack.
    pub stack: u64,
}

/// Compares the map of `program` with the description of `board`.
pub fn check(board: &Board, program: &Executable) -> Result<Figures, String> {
    checked(board, program).map_err(|problem| format!("{}: {problem}", board.name))
}

fn checked(board: &Board, program: &Executable) -> Result<Figures, String> {
    let places = Places::of(board);
    for section in program.sections() {
        places.check_section(&section)?;
    }
    for (start, bytes) in program.loaded() {
        places.check_load(start, bytes)?;
    }
    let size = program.size();
    let flash = size.code + size.rodata + size.data;
    if flash > u64::from(board.program) {
        return Err(format!("the image has {flash} bytes and reaches into the model"));
    }
    let symbol = |name: &str| program.symbol(name).ok_or_else(|| format!("it has no symbol `{name}`"));
    let (start, arena) = symbol(&format!("{}::MEMORY", board.name.replace('-', "_")))?;
    if arena != u64::from(board.arena) || !board.arena_memory().contains(start, arena) {
        return Err(format!("the arena has {arena} bytes at {start:#x}, which is not what is described"));
    }
    let (top, bottom) = (symbol("_stack_start")?.0, symbol("__sheap")?.0);
    if top != board.ram.end() {
        return Err(format!("the stack starts at {top:#x}, which is not the end of RAM"));
    }
    let (stack, needed) = (top.saturating_sub(bottom), board.core.kernels().stack());
    if stack < u64::from(needed) {
        return Err(format!("{stack} bytes are left to the stack, and a run takes up to {needed}"));
    }
    Ok(Figures { flash, statics: size.ram.saturating_sub(arena), arena, stack })
}

/// Where parts of a program may lie.
struct Places {
    program: Vec<Region>,
    ram: Vec<Region>,
    /// Whether somebody else puts in RAM what lies there at the start.
    loads_ram: bool,
}

impl Places {
    fn of(board: &Board) -> Self {
        let (program, ram) = (board.program_regions().collect(), board.ram_regions().collect());
        Self { program, ram, loads_ram: board.loads_ram() }
    }

    /// Where the processor sees it: constants and code in flash, statics in RAM.
    fn check_section(&self, section: &Section) -> Result<(), String> {
        let Section { name, start, bytes, writable } = section;
        let within = |regions: &[Region]| regions.iter().any(|region| region.contains(*start, *bytes));
        let in_flash = !writable && within(&self.program);
        if in_flash || ((*writable || self.loads_ram) && within(&self.ram)) {
            return Ok(());
        }
        Err(format!("the section {name} has {bytes} bytes at {start:#x}, which are not there for it"))
    }

    /// Where the loader puts it.
    fn check_load(&self, start: u64, bytes: u64) -> Result<(), String> {
        let within = |regions: &[Region]| regions.iter().any(|region| region.contains(start, bytes));
        if within(&self.program) || (self.loads_ram && within(&self.ram)) {
            return Ok(());
        }
        Err(format!("{bytes} bytes are loaded to {start:#x}, which is not the program's"))
    }
}

#[cfg(test)]
mod tests {
    use boards::{ESP32_C3, NRF52840_DK};

    use super::*;

    #[test]
    fn sections_lie_where_they_may() {
        let places = Places::of(&NRF52840_DK);
        let place = |start, bytes, writable| {
            places.check_section(&Section { name: "x".into(), start, bytes, writable }).is_ok()
        };
        assert!(place(0, 128 << 10, false) && !place(0, (128 << 10) + 1, false));
        assert!(place(0x2000_0000, 256 << 10, true) && !place(0x2000_0000, (256 << 10) + 1, true));
        assert!(!place(0, 4, true) && !place(0x2000_0000, 4, false));
        assert!(places.check_load(0x100, 8).is_ok() && places.check_load(0x2000_0000, 8).is_err());

        let places = Places::of(&ESP32_C3);
        let place = |start, bytes, writable| {
            places.check_section(&Section { name: "x".into(), start, bytes, writable }).is_ok()
        };
        assert!(place(0x3c00_0020, 100, false) && place(0x4201_0020, 100, false));
        assert!(place(0x4038_0000, 100, false) && !place(0x4203_0000, 1, false));
        assert!(places.check_load(0x4038_0000, 8).is_ok());
    }
}
