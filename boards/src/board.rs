//! The description of a board, and what follows from it.

use crate::{BOARDS, Core, Emulator, Loader, Region, Way};

/// A board: what firmware, linker, `flash` and `inspect` have to know of it.
///
/// The program begins where flash does. The model lies behind it, or in a memory of its own. The
/// arena is one block of RAM; statics and stack have the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its name on the command line, and of its crate in `firmware/boards`.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The processor core.
    pub core: Core,
    /// Ticks of the processor's clock in a second; in an emulator, of its timer.
    pub hz: u32,
    /// The serial line, for people.
    pub line: &'static str,
    /// The lights, for people; empty where it has none.
    pub lights: &'static str,
    /// Flash, or the memory that stands for it, as the data bus sees it.
    pub flash: Region,
    /// Bytes at the start of flash in front of the vector table, which a stage of booting has.
    pub boot: u32,
    /// Bytes at the start of flash that are the program's, those of `boot` among them.
    pub program: u32,
    /// The memory that the model has, where it is not the flash behind the program.
    pub store: Option<Region>,
    /// The RAM of statics and stack.
    pub ram: Region,
    /// The RAM that the arena has, where it does not share that of statics and stack.
    pub arena_ram: Option<Region>,
    /// Bytes of the arena.
    pub arena: u32,
    /// Where the instruction bus sees flash and RAM, if elsewhere than the data bus.
    pub code_bus: Option<CodeBus>,
    /// Further memory, which nothing here uses.
    pub external: Option<&'static str>,
    /// The way to it.
    pub way: Way,
    /// Where the figures come from.
    pub source: &'static str,
}

/// Where the instruction bus sees memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeBus {
    /// The first byte of flash.
    pub flash: u32,
    /// The first byte of RAM.
    pub ram: u32,
}

/// What is left of a board's memory. Negative: what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Bytes of flash.
    pub flash_left: i64,
    /// Bytes of RAM.
    pub ram_left: i64,
}

impl Fit {
    /// Whether nothing is missing.
    pub const fn fits(self) -> bool {
        self.flash_left >= 0 && self.ram_left >= 0
    }
}

impl Board {
    /// The board called `name`.
    pub fn by_name(name: &str) -> Option<&'static Board> {
        BOARDS.into_iter().find(|board| board.name == name)
    }

    /// Whether it is a machine of an emulator; people own the others.
    pub const fn is_emulated(&self) -> bool {
        self.emulator().is_some()
    }

    /// The emulator, where it has one.
    pub const fn emulator(&self) -> Option<Emulator> {
        match self.way {
            Way::Emulator(emulator) => Some(emulator),
            Way::Loader(_) => None,
        }
    }

    /// What writes it, where somebody owns it.
    pub const fn loader(&self) -> Option<Loader> {
        match self.way {
            Way::Emulator(_) => None,
            Way::Loader(loader) => Some(loader),
        }
    }

    /// Where the model lies.
    pub const fn model(&self) -> Region {
        match self.store {
            Some(store) => store,
            None => Region::new(self.flash.start + self.program, self.flash.bytes - self.program),
        }
    }

    /// The memory that the model lies in, whole.
    pub const fn model_memory(&self) -> Region {
        match self.store {
            Some(store) => store,
            None => self.flash,
        }
    }

    /// The memory that the arena lies in, whole.
    pub const fn arena_memory(&self) -> Region {
        match self.arena_ram {
            Some(ram) => ram,
            None => self.ram,
        }
    }

    /// Addresses at which the first byte of flash is seen: by the data bus, and by the
    /// instruction bus where that differs.
    pub fn windows(&self) -> impl Iterator<Item = u32> {
        [Some(self.flash.start), self.code_bus.map(|bus| bus.flash)].into_iter().flatten()
    }

    /// Where the program may lie in flash, as either bus sees it.
    pub fn program_regions(&self) -> impl Iterator<Item = Region> {
        let program = self.program;
        self.windows().map(move |start| Region::new(start, program))
    }

    /// RAM, as either bus sees it.
    pub fn ram_regions(&self) -> impl Iterator<Item = Region> {
        let code = self.code_bus.map(|bus| Region::new(bus.ram, self.ram.bytes));
        [Some(self.ram), code, self.arena_ram].into_iter().flatten()
    }

    /// Whether what lies in RAM at the start is put there by somebody else than the program: by
    /// the emulator or by a boot loader.
    pub const fn loads_ram(&self) -> bool {
        match self.way {
            Way::Emulator(_) | Way::Loader(Loader::Espflash { .. }) => true,
            Way::Loader(Loader::Probe { .. } | Loader::Drive { .. }) => false,
        }
    }

    /// What is left of the model's memory and of the arena beside a container of `container`
    /// bytes with an arena of `arena` bytes.
    pub const fn fit(&self, container: u64, arena: u64) -> Fit {
        Fit { flash_left: left(self.model().bytes, container), ram_left: left(self.arena, arena) }
    }

    /// Fails to compile where the description contradicts itself.
    pub(crate) const fn check(&self) {
        assert!(self.boot < self.program && self.program <= self.flash.bytes, "the program lies in flash");
        assert!(
            self.flash.end() <= 1 << 32 && self.ram.end() <= 1 << 32,
            "memories are addressed by 32 bits"
        );
        assert!(self.model().bytes > 0 && self.model().end() <= 1 << 32, "the model has memory");
        assert!(self.model().start.is_multiple_of(16), "containers are read in place at multiples of 16");
        assert!(
            self.arena.is_multiple_of(16) && self.arena <= self.arena_memory().bytes,
            "the arena lies in RAM"
        );
        let shared = if self.arena_ram.is_none() { self.arena } else { 0 };
        assert!(self.ram.bytes - shared >= self.core.kernels().stack(), "a run has its stack");
    }
}

/// `available − used`; saturates far beyond any board.
const fn left(available: u32, used: u64) -> i64 {
    if used > i64::MAX as u64 { i64::MIN } else { available as i64 - used as i64 }
}
