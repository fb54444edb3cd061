//! Images for the boards that people own: they link, they fit, and nothing of ours in them
//! can panic.

use std::path::PathBuf;

use crate::Outcome;
use crate::elf::{Program, Suspect};
use crate::link;
use crate::process::{capture, cargo};

/// A board, and what its crate in `firmware/boards` is built for.
struct Board {
    name: &'static str,
    target: &'static str,
    cpu: Option<&'static str>,
    /// Bytes that its image may have: what `flash` keeps in front of the model.
    flash: u64,
}

const fn board(name: &'static str, target: &'static str, cpu: Option<&'static str>) -> Board {
    Board { name, target, cpu, flash: 128 << 10 }
}

const BOARDS: &[Board] = &[
    board("pico", "thumbv6m-none-eabi", None),
    board("pico2", "thumbv8m.main-none-eabihf", Some("cortex-m33")),
    board("nrf52840-dk", "thumbv7em-none-eabihf", Some("cortex-m4")),
    board("nucleo-h743zi", "thumbv7em-none-eabihf", Some("cortex-m7")),
    board("stm32f746g-disco", "thumbv7em-none-eabihf", Some("cortex-m7")),
    // Three pages of 64 KiB, of which constants take the first; its linker script asserts that
    // code stays within the others.
    Board { flash: 192 << 10, ..board("esp32-c3", "riscv32imc-unknown-none-elf", None) },
];

/// What the names of our own functions have in common.
const OURS: &str = "shiftformer_";

/// Builds the images of the boards named, or of all, checks them, and prints their sizes.
pub fn run(names: &[&str]) -> Outcome {
    let unknown = names.iter().find(|name| BOARDS.iter().all(|board| board.name != **name));
    if let Some(name) = unknown {
        let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        return Err(format!("there is no board `{name}`; there are {}", known.join(", ")));
    }
    let mut table =
        vec![format!("{:18} {:>8} {:>8} {:>8} {:>8}", "board", "flash", "statics", "arena", "stack")];
    for board in BOARDS.iter().filter(|board| names.is_empty() || names.contains(&board.name)) {
        println!("    linking for {}", board.name);
        let program = Program::read(&build(board)?)?;
        let panics = ours(program.suspects());
        if !panics.is_empty() {
            return Err(format!(
                "{}: what runs a program must not panic:\n{}",
                board.name,
                panics.join("\n")
            ));
        }
        table.push(row(board, &program)?);
    }
    println!("bytes; statics without the arena\n{}", table.join("\n"));
    Ok(())
}

/// The board's line in the table.
fn row(board: &Board, program: &Program) -> Result<String, String> {
    let size = program.size();
    let flash = size.code + size.rodata + size.data;
    if flash > board.flash {
        return Err(format!("{}: the image has {flash} bytes and reaches into the model", board.name));
    }
    let symbol = |name: &str| program.symbol(name).ok_or_else(|| format!("{}: no `{name}`", board.name));
    let (_, arena) = symbol(&format!("{}::MEMORY", board.name.replace('-', "_")))?;
    let stack = symbol("_stack_start")?.0.saturating_sub(symbol("__sheap")?.0);
    let statics = size.ram.saturating_sub(arena);
    Ok(format!("{:18} {flash:>8} {statics:>8} {arena:>8} {stack:>8}", board.name))
}

/// A HAL may panic while it sets the chip up, and then the chip starts over. The loop that
/// serves is never inlined into `main`, so the names tell what is ours.
fn ours(suspects: Vec<Suspect>) -> Vec<String> {
    let line = |suspect: Suspect| {
        let from: Vec<String> = suspect.referrers.into_iter().filter(|name| name.contains(OURS)).collect();
        let named = !from.is_empty() || suspect.name.contains(OURS);
        named.then(|| format!("  {}\n    from {}", suspect.name, from.join("\n    from ")))
    };
    suspects.into_iter().filter_map(line).collect()
}

/// Builds the image and returns the ELF file.
fn build(board: &Board) -> Result<PathBuf, String> {
    let place = link::target_dir();
    let cpu = board.cpu.map_or(String::new(), |cpu| format!("-Ctarget-cpu={cpu}"));
    // Relocations say which function refers to what should not be there.
    let flags = format!("-Clink-arg=--emit-relocs {cpu}");
    let build = ["build", "--locked", "--release", "--manifest-path", "firmware/Cargo.toml"];
    let mut command = cargo(&build);
    command.args(["--package", board.name, "--target", board.target, "--target-dir", &place]);
    let (done, stderr) = capture(command.env("RUSTFLAGS", flags.trim_end()))?;
    if !done {
        return Err(format!("{} does not build:\n{stderr}", board.name));
    }
    Ok(PathBuf::from(place).join(board.target).join("release").join(board.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspect(name: &str, referrers: &[&str]) -> Suspect {
        Suspect { name: name.into(), referrers: referrers.iter().map(|name| (*name).into()).collect() }
    }

    #[test]
    fn a_panic_of_ours_is_told_from_one_of_a_hal() {
        assert!(ours(vec![suspect("core::panicking::panic", &["embassy_rp::init", "main"])]).is_empty());
        let found = ours(vec![suspect("core::panicking::panic", &["main", "shiftformer_app::serve"])]);
        assert_eq!(found, ["  core::panicking::panic\n    from shiftformer_app::serve"]);
        assert_eq!(ours(vec![suspect("float instructions in shiftformer_quant::x", &[])]).len(), 1);
    }
}
