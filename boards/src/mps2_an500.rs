//! Arm MPS2 with the AN500 image, in QEMU.

use crate::region::MIB;
use crate::{Board, Core, Emulator, Region, Way};

/// QEMU mps2-an500.
pub const MPS2_AN500: Board = Board {
    name: "mps2-an500",
    title: "QEMU mps2-an500",
    core: Core::CortexM7,
    hz: 25_000_000,
    line: "UART0",
    lights: "LED0, LED1",
    flash: Region::new(0, 4 * MIB),
    boot: 0,
    program: 4 * MIB,
    store: Some(Region::new(0x6000_0000, 16 * MIB)),
    ram: Region::new(0x2000_0000, 4 * MIB),
    arena_ram: None,
    arena: 3 * MIB,
    code_bus: None,
    external: None,
    way: Way::Emulator(Emulator::arm(&["-machine", "mps2-an500"])),
    source: "Arm DAI 0500 (AN500) memory map: SSRAM1 stands for flash, SSRAM2 and 3 are RAM, PSRAM \
             holds the model; QEMU hw/arm/mps2.c",
};
