//! Raspberry Pi Pico.

use crate::region::{KIB, MIB};
use crate::{Board, Core, Loader, Region, Way};

/// Raspberry Pi Pico (RP2040).
pub const PICO: Board = Board {
    name: "pico",
    title: "Raspberry Pi Pico (RP2040)",
    core: Core::CortexM0Plus,
    hz: 125_000_000,
    line: "UART0, GP0 and GP1",
    lights: "GP25",
    flash: Region::new(0x1000_0000, 2 * MIB),
    boot: 0x100,
    program: 128 * KIB,
    store: None,
    ram: Region::new(0x2000_0000, 264 * KIB),
    arena_ram: None,
    arena: 248 * KIB,
    code_bus: None,
    external: None,
    way: Way::Loader(Loader::Drive { family: 0xe48b_ff56, id: "RPI-RP2", chip: "RP2040" }),
    source: "RP2040 Datasheet 2.6 (four striped banks of SRAM and two of 4 KiB behind them), 2.8.1 \
             (second stage of booting in the first 256 bytes of flash); Raspberry Pi Pico Datasheet \
             (QSPI flash, executed in place)",
};
