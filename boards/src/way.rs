//! The way to a board.

/// How firmware and a model get to a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is a machine of an emulator.
    Emulator(Emulator),
    /// It is written to a board that somebody owns.
    Loader(Loader),
}

/// An emulated machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emulator {
    /// The emulator's program.
    pub program: &'static str,
    /// The Debian package with the program.
    pub package: &'static str,
    /// The program's arguments for the machine.
    pub machine: &'static [&'static str],
}

/// What writes an image to a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// A debug probe.
    Probe {
        /// The probe software's name of the chip.
        chip: &'static str,
    },
    /// The drive that the chip's boot loader offers, or a debug probe.
    Drive {
        /// UF2 family.
        family: u32,
        /// `Board-ID` on the drive.
        id: &'static str,
        /// The probe software's name of the chip.
        chip: &'static str,
    },
    /// The program `espflash`, over the serial port. The chip's boot loader copies parts of the
    /// program to RAM.
    Espflash {
        /// Its name of the chip.
        chip: &'static str,
    },
}

impl Emulator {
    /// QEMU for Arm with these arguments.
    pub(crate) const fn arm(machine: &'static [&'static str]) -> Self {
        Self { program: "qemu-system-arm", package: "qemu-system-arm", machine }
    }

    /// QEMU for RISC-V with these arguments.
    pub(crate) const fn riscv32(machine: &'static [&'static str]) -> Self {
        Self { program: "qemu-system-riscv32", package: "qemu-system-misc", machine }
    }
}

impl Loader {
    /// The file name's extension of an image that other programs write to the board.
    pub const fn extension(self) -> &'static str {
        match self {
            Loader::Probe { .. } => "hex",
            Loader::Drive { .. } => "uf2",
            Loader::Espflash { .. } => "elf",
        }
    }
}
