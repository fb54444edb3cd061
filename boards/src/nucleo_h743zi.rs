//! ST NUCLEO-H743ZI and -ZI2.

use crate::region::{KIB, MIB};
use crate::{Board, Core, Loader, Region, Way};

/// Nucleo-H743ZI.
pub const NUCLEO_H743ZI: Board = Board {
    name: "nucleo-h743zi",
    title: "Nucleo-H743ZI",
    core: Core::CortexM7,
    hz: 400_000_000,
    line: "virtual COM port, PD8 and PD9",
    lights: "LD1, LD3",
    flash: Region::new(0x0800_0000, 2 * MIB),
    boot: 0,
    program: 128 * KIB,
    store: None,
    ram: Region::new(0x2000_0000, 128 * KIB),
    arena_ram: Some(Region::new(0x2400_0000, 512 * KIB)),
    arena: 512 * KIB,
    code_bus: None,
    external: None,
    way: Way::Loader(Loader::Probe { chip: "STM32H743ZITx" }),
    source: "ST DS12110 (STM32H742/743); RM0433, 2.3: sectors of 128 KiB; DTCM for statics and stack, \
             AXI SRAM, the largest of its regions, for the arena",
};
