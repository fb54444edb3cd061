//! Arm MPS3 with the AN547 image, in QEMU; it starts in secure state.

use crate::region::{KIB, MIB};
use crate::{Board, Core, Emulator, Region, Way};

/// QEMU mps3-an547.
pub const MPS3_AN547: Board = Board {
    name: "mps3-an547",
    title: "QEMU mps3-an547",
    core: Core::CortexM55,
    hz: 32_000_000,
    line: "UART0",
    lights: "",
    flash: Region::new(0, 512 * KIB),
    boot: 0,
    program: 512 * KIB,
    store: Some(Region::new(0x6000_0000, 16 * MIB)),
    ram: Region::new(0x3100_0000, 4 * MIB),
    arena_ram: None,
    arena: 3 * MIB,
    code_bus: None,
    external: Some("2 MiB SRAM, the rest of DDR4"),
    way: Way::Emulator(Emulator::arm(&["-machine", "mps3-an547"])),
    source: "Arm DAI 0547 (AN547) memory map: ITCM stands for flash, RAM is the 4 MiB SRAM at its secure \
             alias, the start of DDR4 holds the model; QEMU hw/arm/mps2-tz.c",
};
