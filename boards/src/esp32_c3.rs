//! Espressif ESP32-C3-DevKitM-1.
//!
//! The data bus and the instruction bus see flash through one page table: constants have the first
//! page of 64 KiB, code the next two, the model what follows. The chip has 4 MiB. 64 KiB are the
//! boot loader's and the partition table's, and an image has the program's 192 KiB a second time,
//! since data and code have pages of their own in it, too.

use crate::region::{KIB, MIB};
use crate::{Board, CodeBus, Core, Loader, Region, Way};

/// ESP32-C3-DevKitM-1.
pub const ESP32_C3: Board = Board {
    name: "esp32-c3",
    title: "ESP32-C3-DevKitM-1",
    core: Core::Rv32imc,
    hz: 160_000_000,
    line: "UART bridge, GPIO21 and GPIO20",
    lights: "",
    flash: Region::new(0x3c00_0000, 4 * MIB - 256 * KIB),
    boot: 0,
    program: 192 * KIB,
    store: None,
    ram: Region::new(0x3fc8_0000, 313 * KIB),
    arena_ram: None,
    arena: 288 * KIB,
    code_bus: Some(CodeBus { flash: 0x4200_0000, ram: 0x4038_0000 }),
    external: None,
    way: Way::Loader(Loader::Espflash { chip: "esp32c3" }),
    source: "esp-hal 1.2, ld/esp32c3/memory.x: 313 KiB of SRAM in front of the boot loader's, of \
             which 9 KiB are left to code; ESP32-C3-MINI-1 Datasheet: 4 MiB of flash; ESP32-C3 \
             Technical Reference Manual, 3.3.3",
};
