//! The RISC-V board `virt` of QEMU, with a 32-bit core.

use crate::region::MIB;
use crate::{Board, Core, Emulator, Region, Way};

/// QEMU virt, RV32.
pub const RISCV_VIRT: Board = Board {
    name: "riscv-virt",
    title: "QEMU virt, RV32",
    core: Core::Rv32imc,
    hz: 1_000_000_000,
    line: "UART",
    lights: "",
    flash: Region::new(0x8000_0000, MIB),
    boot: 0,
    program: MIB,
    store: Some(Region::new(0x8800_0000, 16 * MIB)),
    ram: Region::new(0x8010_0000, 7 * MIB),
    arena_ram: None,
    arena: 3 * MIB,
    code_bus: None,
    external: None,
    way: Way::Emulator(Emulator::riscv32(&["-machine", "virt", "-bios", "none", "-m", "256M"])),
    source: "QEMU hw/riscv/virt.c: all is RAM from 0x80000000 on; its clock counts instructions, one \
             a nanosecond",
};
