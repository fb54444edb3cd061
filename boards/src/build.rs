//! For the build scripts of firmware: a board's description as a linker script.

use std::path::Path;
use std::{env, fs};

use crate::{Board, Loader, Region, Way};

/// Writes the memory map of `board` where the linker finds it, and has the program linked with
/// `scripts`, in this order. A script is the HAL's, or lies beside the crate's manifest.
///
/// The map is the file `memory.x`, which the scripts of cortex-m-rt include by this name. Where the
/// HAL brings a map of its own, `board.x` has the figures as symbols. With the feature `defmt` of
/// the crate defmt's script comes last. Relocations stay in the file, so that `cargo xtask boards`
/// can say which function refers to what should not be there.
///
/// # Panics
///
/// Outside of a build script.
pub fn emit(board: &Board, scripts: &[&str]) {
    let folder = |name| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"));
    let (out, crate_folder) = (folder("OUT_DIR"), folder("CARGO_MANIFEST_DIR"));
    let name = if has_map_of_hal(board) { "board.x" } else { "memory.x" };
    let file = Path::new(&out).join(name);
    fs::write(&file, memory_map(board)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-search={out}\ncargo:rustc-link-search={crate_folder}");
    for script in scripts {
        println!("cargo:rustc-link-arg-bins=-T{script}");
        if Path::new(&crate_folder).join(script).is_file() {
            println!("cargo:rerun-if-changed={script}");
        }
    }
    if env::var_os("CARGO_FEATURE_DEFMT").is_some() {
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
    println!("cargo:rustc-link-arg-bins=--emit-relocs");
}

/// Whether the HAL's linker scripts have a memory map: that of esp-hal does.
const fn has_map_of_hal(board: &Board) -> bool {
    match board.way {
        Way::Loader(Loader::Espflash { .. }) => true,
        Way::Loader(Loader::Probe { .. } | Loader::Drive { .. }) | Way::Emulator(_) => false,
    }
}

/// The linker script.
fn memory_map(board: &Board) -> String {
    let head = format!("/* {}: {} */\n", board.name, board.source);
    if has_map_of_hal(board) { head + &symbols(board) } else { head + &regions(board) }
}

/// Where the program lies, for both buses.
fn symbols(board: &Board) -> String {
    let windows = board.program_regions().zip(["data", "code"]);
    let symbol = |(region, bus): (Region, &str)| {
        format!("_board_{bus}_start = {:#x};\n_board_{bus}_end = {:#x};\n", region.start, region.end())
    };
    windows.map(symbol).collect()
}

/// The regions of memory, and a section for the arena where it has a region of its own.
fn regions(board: &Board) -> String {
    let mut lines = String::new();
    let mut region = |name: &str, rights: &str, Region { start, bytes }: Region| {
        lines += &format!("    {name:<5} ({rights}) : ORIGIN = {start:#010x}, LENGTH = {bytes:#x}\n");
    };
    let Region { start, .. } = board.flash;
    if board.boot > 0 {
        region("BOOT2", "rx", Region::new(start, board.boot));
    }
    region("FLASH", "rx", Region::new(start + board.boot, board.program - board.boot));
    region("RAM", "rwx", board.ram);
    let section = match board.arena_ram {
        Some(ram) => {
            region("ARENA", "rw", ram);
            "SECTIONS { .arena (NOLOAD) : ALIGN(16) { *(.arena); } > ARENA } INSERT AFTER .got;\n"
        }
        None => "",
    };
    format!("MEMORY\n{{\n{lines}}}\n{section}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ESP32_C3, NUCLEO_H743ZI, PICO};

    #[test]
    fn the_map_is_that_of_the_description() {
        let map = memory_map(&PICO);
        assert!(map.ends_with(
            "MEMORY\n{\n    \
             BOOT2 (rx) : ORIGIN = 0x10000000, LENGTH = 0x100\n    \
             FLASH (rx) : ORIGIN = 0x10000100, LENGTH = 0x1ff00\n    \
             RAM   (rwx) : ORIGIN = 0x20000000, LENGTH = 0x42000\n}\n"
        ));
        let map = memory_map(&NUCLEO_H743ZI);
        assert!(map.contains("ARENA (rw) : ORIGIN = 0x24000000, LENGTH = 0x80000"), "{map}");
        assert!(map.contains("*(.arena)"), "{map}");
        let map = memory_map(&ESP32_C3);
        assert!(map.contains("_board_code_end = 0x42030000;") && !map.contains("MEMORY"), "{map}");
    }
}
