//! Boards that can be written: where things lie, for which core, and the way there.

use converter::boards::{Board, RUNTIME_CODE};
use shiftformer::device::FirmwareCrate;
use shiftformer::quant::pack::Packs;

/// A board that firmware and a model are written to.
#[derive(Clone, Copy, Debug)]
pub struct FlashBoard {
    /// What is built for it.
    pub firmware: FirmwareCrate,
    /// What its processor executes.
    pub core: Core,
    /// Addresses at which flash begins; firmware lies in any of them, the model in the first.
    pub windows: &'static [u32],
    /// Bytes in front of the model, which are the firmware's.
    pub kept: u32,
    /// The way to it.
    pub way: Way,
    /// Weight layouts that its kernels like.
    pub packs: Packs,
}

/// What a processor executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// Armv6-M.
    Armv6m,
    /// Armv7E-M.
    Armv7em,
    /// Armv8-M with the Main Extension.
    Armv8m,
    /// RISC-V, 32 bits.
    Riscv32,
}

impl Core {
    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Core::Armv6m => "Armv6-M",
            Core::Armv7em => "Armv7E-M",
            Core::Armv8m => "Armv8-M",
            Core::Riscv32 => "RISC-V",
        }
    }
}

/// The way to a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through a debug probe.
    Probe {
        /// The probe software's name of the chip.
        chip: &'static str,
    },
    /// Onto the drive that the chip's boot loader offers, or through a debug probe.
    Drive {
        /// UF2 family.
        family: u32,
        /// `Board-ID` on the drive.
        id: &'static str,
        /// The probe software's name of the chip.
        chip: &'static str,
    },
    /// Over the serial port, by the program `espflash`.
    Espflash {
        /// Its name of the chip.
        chip: &'static str,
    },
}

impl Way {
    /// What to give, for wrong options.
    pub const fn advice(self) -> &'static str {
        match self {
            Way::Probe { .. } => "it is written through a debug probe, which --probe chooses",
            Way::Drive { .. } => "it is written through --drive or --probe, not both",
            Way::Espflash { .. } => "it is written over its serial port, which --port chooses",
        }
    }
}

/// What most boards keep for firmware.
const KEPT: u32 = RUNTIME_CODE as u32;

/// Every board that can be written.
pub const FLASH_BOARDS: [FlashBoard; 6] = [
    FlashBoard {
        firmware: FirmwareCrate {
            name: "stm32f746g-disco",
            target: "thumbv7em-none-eabihf",
            cpu: Some("cortex-m7"),
        },
        core: Core::Armv7em,
        windows: &[0x0800_0000],
        kept: KEPT,
        way: Way::Probe { chip: "STM32F746NGHx" },
        packs: Packs::DSP,
    },
    FlashBoard {
        firmware: FirmwareCrate {
            name: "nucleo-h743zi",
            target: "thumbv7em-none-eabihf",
            cpu: Some("cortex-m7"),
        },
        core: Core::Armv7em,
        windows: &[0x0800_0000],
        kept: KEPT,
        way: Way::Probe { chip: "STM32H743ZITx" },
        packs: Packs::DSP,
    },
    FlashBoard {
        firmware: FirmwareCrate {
            name: "nrf52840-dk",
            target: "thumbv7em-none-eabihf",
            cpu: Some("cortex-m4"),
        },
        core: Core::Armv7em,
        windows: &[0],
        kept: KEPT,
        way: Way::Probe { chip: "nRF52840_xxAA" },
        packs: Packs::DSP,
    },
    FlashBoard {
        firmware: FirmwareCrate { name: "pico", target: "thumbv6m-none-eabi", cpu: None },
        core: Core::Armv6m,
        windows: &[0x1000_0000],
        kept: KEPT,
        way: Way::Drive { family: 0xe48b_ff56, id: "RPI-RP2", chip: "RP2040" },
        packs: Packs::PLAIN,
    },
    FlashBoard {
        firmware: FirmwareCrate {
            name: "pico2",
            target: "thumbv8m.main-none-eabihf",
            cpu: Some("cortex-m33"),
        },
        core: Core::Armv8m,
        windows: &[0x1000_0000],
        kept: KEPT,
        way: Way::Drive { family: 0xe48b_ff59, id: "RP2350", chip: "RP235x" },
        packs: Packs::DSP,
    },
    FlashBoard {
        firmware: FirmwareCrate { name: "esp32-c3", target: "riscv32imc-unknown-none-elf", cpu: None },
        core: Core::Riscv32,
        // The data bus and the instruction bus see flash through one page table: constants have
        // the first page of 64 KiB, code the next two.
        windows: &[0x3c00_0000, 0x4200_0000],
        kept: 192 << 10,
        way: Way::Espflash { chip: "esp32c3" },
        packs: Packs::PLAIN,
    },
];

impl FlashBoard {
    /// The board called `name`.
    pub fn by_name(name: &str) -> Option<&'static FlashBoard> {
        FLASH_BOARDS.iter().find(|board| board.name() == name)
    }

    /// Its name on the command line.
    pub const fn name(&self) -> &'static str {
        self.firmware.name
    }

    /// Its memory.
    pub fn memory(&self) -> &'static Board {
        Board::by_name(self.name()).expect("every board that can be written is in the converter's table")
    }

    /// Where the container begins.
    pub const fn model_address(&self) -> u32 {
        self.windows[0] + self.kept
    }

    /// Whether a boot loader copies segments of the firmware into RAM.
    pub const fn loads_ram(&self) -> bool {
        matches!(self.way, Way::Espflash { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_real_board_can_be_written_and_knows_its_memory() {
        let real = converter::boards::BOARDS.iter().filter(|board| !board.emulated);
        assert!(real.clone().all(|board| FlashBoard::by_name(board.name).is_some()));
        assert_eq!(real.count(), FLASH_BOARDS.len());
        for board in &FLASH_BOARDS {
            let memory = board.memory();
            assert_eq!(memory.core == "RV32IMC", board.core == Core::Riscv32, "{}", board.name());
            assert!(memory.flash > RUNTIME_CODE);
        }
    }

    #[test]
    fn models_lie_where_firmware_looks_for_them() {
        let address = |name| FlashBoard::by_name(name).unwrap().model_address();
        assert_eq!(address("stm32f746g-disco"), 0x0802_0000);
        assert_eq!(address("nucleo-h743zi"), 0x0802_0000);
        assert_eq!(address("nrf52840-dk"), 0x0002_0000);
        assert_eq!(address("pico"), 0x1002_0000);
        assert_eq!(address("pico2"), 0x1002_0000);
        assert_eq!(address("esp32-c3"), 0x3c03_0000);
    }
}
