//! Passes the description of the emulated board to the linker that `SHIFTFORMER_BOARD` names.

use std::env;

use boards::{Architecture, Board, MPS2_AN386};

fn main() {
    println!("cargo:rerun-if-env-changed=SHIFTFORMER_BOARD");
    let name = env::var("SHIFTFORMER_BOARD").unwrap_or_else(|_| MPS2_AN386.name.into());
    let board = Board::by_name(&name).unwrap_or_else(|| panic!("there is no board `{name}`"));
    let scripts: &[&str] = match board.core.architecture() {
        Architecture::Armv6m | Architecture::Armv7em | Architecture::Armv8m => &["link.x"],
        Architecture::Riscv32 => &["regions.x", "link.x"],
    };
    boards::build::emit(board, scripts);
    println!("cargo:rustc-link-arg-bins=--nmagic");
}
