//! A Cortex-M0 with larger memories than any: the microbit of QEMU, enlarged.

use crate::region::MIB;
use crate::{Board, Core, Emulator, Region, Way};

/// QEMU microbit, enlarged.
pub const VIRTUAL_M0: Board = Board {
    name: "virtual-m0",
    title: "QEMU microbit, enlarged",
    core: Core::CortexM0,
    hz: 16_000_000,
    line: "UART",
    lights: "",
    flash: Region::new(0, 4 * MIB),
    boot: 0,
    program: MIB,
    store: None,
    ram: Region::new(0x2000_0000, 4 * MIB),
    arena_ram: None,
    arena: 3 * MIB,
    code_bus: None,
    external: None,
    way: Way::Emulator(Emulator::arm(&[
        "-machine",
        "microbit",
        "-global",
        "nrf51-soc.flash-size=0x400000",
        "-global",
        "nrf51-soc.sram-size=0x400000",
    ])),
    source: "QEMU hw/arm/nrf51_soc.c: the memory map of an nRF51, with memories as large as the \
             arguments say",
};
