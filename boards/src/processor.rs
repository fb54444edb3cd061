//! Processor cores, and what the compiler needs to know of each.

/// A processor core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// Arm Cortex-M0.
    CortexM0,
    /// Arm Cortex-M0+.
    CortexM0Plus,
    /// Arm Cortex-M4 with its float unit.
    CortexM4,
    /// Arm Cortex-M7.
    CortexM7,
    /// Arm Cortex-M33 with the DSP extension.
    CortexM33,
    /// Arm Cortex-M55 with MVE.
    CortexM55,
    /// RISC-V of 32 bits with multiplication and compressed instructions.
    Rv32imc,
}

/// What a core executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Armv6-M.
    Armv6m,
    /// Armv7E-M.
    Armv7em,
    /// Armv8-M with the Main Extension.
    Armv8m,
    /// RISC-V, 32 bits.
    Riscv32,
}

/// The kernels that firmware is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// For small cores without vectors.
    Plain,
    /// With the DSP instructions of Armv7E-M and Armv8-M.
    Dsp,
    /// With the vectors of Armv8.1-M.
    Mve,
}

impl Core {
    /// Every core.
    pub const ALL: [Core; 7] = [
        Core::CortexM0,
        Core::CortexM0Plus,
        Core::CortexM4,
        Core::CortexM7,
        Core::CortexM33,
        Core::CortexM55,
        Core::Rv32imc,
    ];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Core::CortexM0 => "Cortex-M0",
            Core::CortexM0Plus => "Cortex-M0+",
            Core::CortexM4 => "Cortex-M4",
            Core::CortexM7 => "Cortex-M7",
            Core::CortexM33 => "Cortex-M33",
            Core::CortexM55 => "Cortex-M55",
            Core::Rv32imc => "RV32IMC",
        }
    }

    /// Its name in the names of files.
    pub const fn file_name(self) -> &'static str {
        match self {
            Core::CortexM0 => "cortex-m0",
            Core::CortexM0Plus => "cortex-m0plus",
            Core::CortexM4 => "cortex-m4",
            Core::CortexM7 => "cortex-m7",
            Core::CortexM33 => "cortex-m33",
            Core::CortexM55 => "cortex-m55",
            Core::Rv32imc => "rv32imc",
        }
    }

    /// What it executes.
    pub const fn architecture(self) -> Architecture {
        match self {
            Core::CortexM0 | Core::CortexM0Plus => Architecture::Armv6m,
            Core::CortexM4 | Core::CortexM7 => Architecture::Armv7em,
            Core::CortexM33 | Core::CortexM55 => Architecture::Armv8m,
            Core::Rv32imc => Architecture::Riscv32,
        }
    }

    /// The compiler's target.
    pub const fn target(self) -> &'static str {
        self.architecture().target()
    }

    /// The compiler's `target-cpu`, where the target's own will not do.
    pub const fn cpu(self) -> Option<&'static str> {
        match self {
            Core::CortexM0 | Core::CortexM0Plus | Core::Rv32imc => None,
            Core::CortexM4 => Some("cortex-m4"),
            Core::CortexM7 => Some("cortex-m7"),
            Core::CortexM33 => Some("cortex-m33"),
            Core::CortexM55 => Some("cortex-m55"),
        }
    }

    /// The fastest kernels that it executes.
    pub const fn kernels(self) -> Kernels {
        match self {
            Core::CortexM0 | Core::CortexM0Plus | Core::Rv32imc => Kernels::Plain,
            Core::CortexM4 | Core::CortexM7 | Core::CortexM33 => Kernels::Dsp,
            Core::CortexM55 => Kernels::Mve,
        }
    }
}

impl Architecture {
    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Architecture::Armv6m => "Armv6-M",
            Architecture::Armv7em => "Armv7E-M",
            Architecture::Armv8m => "Armv8-M",
            Architecture::Riscv32 => "RISC-V",
        }
    }

    /// The compiler's target.
    pub const fn target(self) -> &'static str {
        match self {
            Architecture::Armv6m => "thumbv6m-none-eabi",
            Architecture::Armv7em => "thumbv7em-none-eabihf",
            Architecture::Armv8m => "thumbv8m.main-none-eabihf",
            Architecture::Riscv32 => "riscv32imc-unknown-none-elf",
        }
    }
}

impl Kernels {
    /// Every set of kernels.
    pub const ALL: [Kernels; 3] = [Kernels::Plain, Kernels::Dsp, Kernels::Mve];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Kernels::Plain => "plain",
            Kernels::Dsp => "dsp",
            Kernels::Mve => "mve",
        }
    }

    /// The feature of the crate with the kernels that turns it on.
    pub const fn feature(self) -> Option<&'static str> {
        match self {
            Kernels::Plain => None,
            Kernels::Dsp => Some("dsp"),
            Kernels::Mve => Some("mve"),
        }
    }

    /// Bytes of stack that firmware has to leave for a run, in whole KiB: what the models of the
    /// repository use at most on the emulated boards. A test in the emulators measures it again,
    /// and `shiftformer bench MODEL --backend qemu:BOARD` prints it for one model.
    pub const fn stack(self) -> u32 {
        match self {
            Kernels::Plain | Kernels::Dsp => 12 << 10,
            Kernels::Mve => 19 << 10,
        }
    }
}
