//! ST 32F746GDISCOVERY.

use crate::region::{KIB, MIB};
use crate::{Board, Core, Loader, Region, Way};

/// STM32F746G-Discovery.
pub const STM32F746G_DISCO: Board = Board {
    name: "stm32f746g-disco",
    title: "STM32F746G-Discovery",
    core: Core::CortexM7,
    hz: 216_000_000,
    line: "virtual COM port, PA9 and PB7",
    lights: "LD1",
    flash: Region::new(0x0800_0000, MIB),
    boot: 0,
    program: 128 * KIB,
    store: None,
    ram: Region::new(0x2000_0000, 320 * KIB),
    arena_ram: None,
    arena: 304 * KIB,
    code_bus: None,
    external: Some("16 MiB QSPI flash, 8 MiB SDRAM"),
    way: Way::Loader(Loader::Probe { chip: "STM32F746NGHx" }),
    source: "ST DS10916 (STM32F745xx/746xx): 64 KiB DTCM, 240 KiB SRAM1 and 16 KiB SRAM2 adjoin; \
             RM0385, 2.2; UM1907 (board)",
};
