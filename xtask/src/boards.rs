//! Images of the boards: they link, they lie where the descriptions say, and nothing of ours in
//! them can panic.

use boards::firmware::Firmware;
use boards::{BOARDS, Board};

use crate::elf::{Executable, Suspect};
use crate::link::failed;
use crate::map::{self, Figures};
use crate::outcome::Outcome;
use crate::process::root;

/// What the names of our own functions have in common.
const OURS: &str = "shiftformer_";

/// Builds the images of the boards named, or of all, checks them, and prints their sizes.
pub fn run(names: &[&str]) -> Outcome {
    if let Some(name) = names.iter().find(|name| Board::by_name(name).is_none()) {
        return Err(format!("there is no board `{name}`; there are {}", BOARDS.map(|b| b.name).join(", ")));
    }
    let mut table =
        vec![format!("{:18} {:>8} {:>8} {:>8} {:>8}", "board", "flash", "statics", "arena", "stack")];
    for board in BOARDS.into_iter().filter(|board| names.is_empty() || names.contains(&board.name)) {
        let Figures { flash, statics, arena, stack } = measure(board)?;
        table.push(format!("{:18} {flash:>8} {statics:>8} {arena:>8} {stack:>8}", board.name));
    }
    println!("bytes; statics without the arena\n{}", table.join("\n"));
    Ok(())
}

/// Builds the image of `board` and checks it.
pub fn measure(board: &Board) -> Result<Figures, String> {
    println!("    linking for {}", board.name);
    let image = Firmware::of(board).build(&root()).map_err(|error| failed(&error))?;
    let program = Executable::read(&image)?;
    let panics = ours(program.suspects());
    if !panics.is_empty() {
        let panics = panics.join("\n");
        return Err(format!("{}: what runs a program must not panic:\n{panics}", board.name));
    }
    map::check(board, &program)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

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

    #[test]
    fn every_crate_has_a_description_and_every_description_a_crate() {
        let folders = fs::read_dir(root().join("firmware/boards")).unwrap();
        let crates: BTreeSet<String> =
            folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(crates, BOARDS.map(|board| board.name.to_owned()).into());
    }

    #[test]
    fn every_crate_has_the_kernels_of_its_core() {
        for board in BOARDS {
            let manifest = root().join("firmware/boards").join(board.name).join("Cargo.toml");
            let manifest = fs::read_to_string(manifest).unwrap();
            let line = match board.core.kernels().feature() {
                Some(feature) => format!("mcu = {{ workspace = true, features = [\"{feature}\"] }}"),
                None => "mcu = { workspace = true }".to_owned(),
            };
            assert!(manifest.lines().any(|found| found == line), "{}: {line}", board.name);
        }
    }
}
