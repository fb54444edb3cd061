//! Nordic nRF52840 DK.

use crate::region::{KIB, MIB};
use crate::{Board, Core, Loader, Region, Way};

/// nRF52840-DK.
pub const NRF52840_DK: Board = Board {
    name: "nrf52840-dk",
    title: "nRF52840-DK",
    core: Core::CortexM4,
    hz: 64_000_000,
    line: "virtual COM port, P0.06 and P0.08",
    lights: "LED1 to LED4",
    flash: Region::new(0, MIB),
    boot: 0,
    program: 128 * KIB,
    store: None,
    ram: Region::new(0x2000_0000, 256 * KIB),
    arena_ram: None,
    arena: 240 * KIB,
    code_bus: None,
    external: Some("8 MiB QSPI flash"),
    way: Way::Loader(Loader::Probe { chip: "nRF52840_xxAA" }),
    source: "Nordic nRF52840 Product Specification, 4.2 (memory); nRF52840 DK Hardware, External \
             memory",
};
