//! Raspberry Pi Pico 2.

use crate::region::{KIB, MIB};
use crate::{Board, Core, Loader, Region, Way};

/// Raspberry Pi Pico 2 (RP2350).
pub const PICO2: Board = Board {
    name: "pico2",
    title: "Raspberry Pi Pico 2 (RP2350)",
    core: Core::CortexM33,
    hz: 150_000_000,
    line: "UART0, GP0 and GP1",
    lights: "GP25",
    flash: Region::new(0x1000_0000, 4 * MIB),
    boot: 0,
    program: 128 * KIB,
    store: None,
    ram: Region::new(0x2000_0000, 520 * KIB),
    arena_ram: None,
    arena: 504 * KIB,
    code_bus: None,
    external: None,
    way: Way::Loader(Loader::Drive { family: 0xe48b_ff59, id: "RP2350", chip: "RP235x" }),
    source: "RP2350 Datasheet 4.2 (eight striped banks of SRAM and two of 4 KiB behind them); \
             Raspberry Pi Pico 2 Datasheet (QSPI flash, executed in place)",
};
