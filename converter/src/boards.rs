//! Boards that people own, and whether a program fits them.
//!
//! Flash is what a program's image may occupy in place; RAM is the largest region that is
//! contiguous in the address space, since the arena is one block. Memory that a board has
//! beside these (external flash, SDRAM) is named but not counted: it needs a board's own
//! set-up and is several times slower.

/// Bytes at the start of flash that are kept for firmware: the runtime, its kernels and the
/// application. The container lies behind them.
pub const RUNTIME_CODE: u64 = 128 << 10;

/// Bytes of RAM kept for the stack, of which a run on a Cortex-M7 uses 11.4 KiB, and the
/// application's statics. The arenas in `firmware/boards` leave as much.
pub const STACK_RESERVE: u64 = 16 << 10;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A board and the memory that a model may use on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The processor core.
    pub core: &'static str,
    /// Bytes of flash, or of what stands for it.
    pub flash: u64,
    /// Bytes of contiguous RAM.
    pub ram: u64,
    /// Further memory, not counted.
    pub external: Option<&'static str>,
    /// Whether it is an emulator's.
    pub emulated: bool,
    /// Where the figures come from.
    pub source: &'static str,
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
        BOARDS.iter().find(|board| board.name == name)
    }

    /// What is left beside a container of `flash_bytes`, an arena of `arena_bytes`,
    /// [`RUNTIME_CODE`] and [`STACK_RESERVE`].
    pub const fn fit(&self, flash_bytes: u64, arena_bytes: u64) -> Fit {
        Fit {
            flash_left: left(self.flash, flash_bytes, RUNTIME_CODE),
            ram_left: left(self.ram, arena_bytes, STACK_RESERVE),
        }
    }
}

/// `available − used − reserved`; saturates far beyond any board.
const fn left(available: u64, used: u64, reserved: u64) -> i64 {
    let needed = used.saturating_add(reserved);
    if needed > i64::MAX as u64 { i64::MIN } else { available as i64 - needed as i64 }
}

/// Every board known.
pub const BOARDS: [Board; 9] = [
    Board {
        name: "stm32f746g-disco",
        title: "STM32F746G-Discovery",
        core: "Cortex-M7",
        flash: MIB,
        ram: 320 * KIB,
        external: Some("16 MiB QSPI flash, 8 MiB SDRAM"),
        emulated: false,
        source: "ST DS10916 (STM32F745xx/746xx): 64 KiB DTCM, 240 KiB SRAM1 and 16 KiB SRAM2 adjoin; \
                 UM1907 (board)",
    },
    Board {
        name: "nucleo-h743zi",
        title: "Nucleo-H743ZI",
        core: "Cortex-M7",
        flash: 2 * MIB,
        ram: 512 * KIB,
        external: None,
        emulated: false,
        source: "ST DS12110 (STM32H742/743): 512 KiB of AXI SRAM is the largest of its regions, 1 MiB in all",
    },
    Board {
        name: "nrf52840-dk",
        title: "nRF52840-DK",
        core: "Cortex-M4",
        flash: MIB,
        ram: 256 * KIB,
        external: Some("8 MiB QSPI flash"),
        emulated: false,
        source: "Nordic nRF52840 Product Specification, Memory; nRF52840 DK Hardware, External memory",
    },
    Board {
        name: "pico",
        title: "Raspberry Pi Pico (RP2040)",
        core: "Cortex-M0+",
        flash: 2 * MIB,
        ram: 264 * KIB,
        external: None,
        emulated: false,
        source: "RP2040 Datasheet 2.6.2 (SRAM); Raspberry Pi Pico Datasheet (QSPI flash, executed in place)",
    },
    Board {
        name: "pico2",
        title: "Raspberry Pi Pico 2 (RP2350)",
        core: "Cortex-M33",
        flash: 4 * MIB,
        ram: 520 * KIB,
        external: None,
        emulated: false,
        source: "RP2350 Datasheet 4.2 (SRAM); Raspberry Pi Pico 2 Datasheet (QSPI flash, executed in place)",
    },
    Board {
        name: "esp32-c3",
        title: "ESP32-C3-DevKitM-1",
        core: "RV32IMC",
        flash: 4 * MIB - 320 * KIB,
        ram: 304 * KIB,
        external: None,
        emulated: false,
        source: "esp-hal 1.2, ld/esp32c3/memory.x: 313 KiB of SRAM in front of the boot loader's, of which \
                 9 KiB are left to code in RAM; ESP32-C3-MINI-1 Datasheet: 4 MiB of flash, less 64 KiB for the \
                 boot loader and the partition table, and 256 KiB since data and code have pages of their own \
                 both in the address space and in an image",
    },
    Board {
        name: "mps2-an386",
        title: "QEMU mps2-an386",
        core: "Cortex-M4",
        flash: 4 * MIB,
        ram: 4 * MIB,
        external: Some("16 MiB PSRAM"),
        emulated: true,
        source: "Arm DAI 0386 (AN386) memory map; QEMU hw/arm/mps2.c",
    },
    Board {
        name: "mps2-an500",
        title: "QEMU mps2-an500",
        core: "Cortex-M7",
        flash: 4 * MIB,
        ram: 4 * MIB,
        external: Some("16 MiB PSRAM"),
        emulated: true,
        source: "Arm DAI 0500 (AN500) memory map; QEMU hw/arm/mps2.c",
    },
    Board {
        name: "mps3-an547",
        title: "QEMU mps3-an547",
        core: "Cortex-M55",
        flash: 2 * MIB,
        ram: 4 * MIB,
        external: Some("DDR4 memory"),
        emulated: true,
        source: "Arm DAI 0547 (AN547) memory map: 2 MiB SRAM at 0x01000000, 4 MiB at 0x21000000; \
                 QEMU hw/arm/mps2-tz.c",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_is_full_when_nothing_is_left() {
        let pico = Board::by_name("pico").expect("in the table");
        let (flash, ram) = (2 * MIB - RUNTIME_CODE, 264 * KIB - STACK_RESERVE);
        let exact = pico.fit(flash, ram);
        assert_eq!(exact, Fit { flash_left: 0, ram_left: 0 });
        assert!(exact.fits());
        assert!(!pico.fit(flash + 1, ram).fits());
        assert_eq!(pico.fit(flash, ram + 5).ram_left, -5);
        assert!(!pico.fit(u64::MAX, u64::MAX).fits());
    }

    #[test]
    fn names_are_unique_and_figures_plausible() {
        for (index, board) in BOARDS.iter().enumerate() {
            assert!(BOARDS[..index].iter().all(|other| other.name != board.name));
            assert!(board.flash >= MIB && board.ram >= 256 * KIB, "{}", board.name);
            assert_eq!(board.emulated, board.title.starts_with("QEMU"));
        }
        assert!(Board::by_name("abacus").is_none());
    }
}
