//! Tables of the boards in documents, written from the descriptions.

use boards::{BOARDS, Board, Core, EMULATED, Kernels, Loader, OWNED};

use crate::map::Figures;
use crate::outcome::Outcome;
use crate::tables::{code, replace, row};

/// A table in a document, between two comments with its name.
struct Table {
    file: &'static str,
    name: &'static str,
    rows: fn() -> Vec<Vec<String>>,
}

const TABLES: &[Table] = &[
    Table { file: "firmware/README.md", name: "owned boards", rows: owned },
    Table { file: "firmware/README.md", name: "emulated boards", rows: emulated },
    Table { file: "firmware/README.md", name: "stack of a run", rows: stacks },
    Table { file: "cli/README.md", name: "boards to write", rows: written },
    Table { file: "docs/new-board.md", name: "cores", rows: cores },
];

/// Where the measured table is.
const MEASURED: (&str, &str) = ("firmware/README.md", "measured images");

/// Builds every board that people own, and writes the tables.
pub fn write() -> Outcome {
    let mut rows = vec![row(["board", "flash", "statics", "arena", "stack"])];
    for board in OWNED {
        let Figures { flash, statics, arena, stack } = crate::boards::measure(board)?;
        let figures = [flash, statics, arena, stack].map(|figure| figure.to_string());
        rows.push([vec![code(board.name)], figures.to_vec()].concat());
    }
    replace(MEASURED.0, MEASURED.1, &rows)?;
    TABLES.iter().try_for_each(|table| replace(table.file, table.name, &(table.rows)()))
}

fn owned() -> Vec<Vec<String>> {
    let mut rows = vec![row([
        "board",
        "core",
        "serial line, 115200 baud",
        "lights",
        "target",
        "`target-cpu`",
        "model at",
    ])];
    for board in OWNED {
        let core = format!("{}, {} MHz", board.core.name(), board.hz / 1_000_000);
        rows.push(vec![
            code(board.name),
            core,
            board.line.into(),
            board.lights.into(),
            board.core.target().into(),
            board.core.cpu().unwrap_or_default().into(),
            address(board.model().start),
        ]);
    }
    rows
}

fn emulated() -> Vec<Vec<String>> {
    let mut rows = vec![row(["board", "core", "target", "`target-cpu`", "model at", "its memory", "arena"])];
    for board in EMULATED {
        rows.push(vec![
            code(board.name),
            board.core.name().into(),
            board.core.target().into(),
            board.core.cpu().unwrap_or_default().into(),
            address(board.model().start),
            size(board.model().bytes),
            size(board.arena),
        ]);
    }
    rows
}

fn stacks() -> Vec<Vec<String>> {
    let mut rows = vec![row(["kernels", "cores", "stack that firmware leaves for a run"])];
    for kernels in Kernels::ALL {
        let cores = Core::ALL.into_iter().filter(|core| core.kernels() == kernels);
        let cores = cores.map(Core::name).collect::<Vec<_>>().join(", ");
        rows.push(vec![kernels.name().into(), cores, size(kernels.stack())]);
    }
    rows
}

fn written() -> Vec<Vec<String>> {
    let mut rows = vec![row([
        "board",
        "firmware at",
        "kept for it",
        "container at",
        "written through",
        "file of `--dry-run`",
    ])];
    let line = |board: &Board, loader: Loader| {
        let (through, file) = match loader {
            Loader::Probe { .. } => ("debug probe", "Intel HEX"),
            Loader::Drive { .. } => ("the boot loader's drive, or a debug probe with `--probe`", "UF2"),
            Loader::Espflash { .. } => ("the program `espflash`", "ELF"),
        };
        vec![
            code(board.name),
            board.windows().map(address).collect::<Vec<_>>().join(", "),
            size(board.program),
            address(board.model().start),
            through.into(),
            file.into(),
        ]
    };
    rows.extend(OWNED.iter().filter_map(|board| Some(line(board, board.loader()?))));
    rows
}

fn cores() -> Vec<Vec<String>> {
    let mut rows = vec![row(["core", "target", "`target-cpu`", "`mcu`", "boards"])];
    for core in Core::ALL {
        let boards = BOARDS.iter().filter(|board| board.core == core).map(|board| code(board.name));
        rows.push(vec![
            core.name().into(),
            core.target().into(),
            core.cpu().unwrap_or_default().into(),
            core.kernels().feature().map(code).unwrap_or_default(),
            boards.collect::<Vec<_>>().join(", "),
        ]);
    }
    rows
}

fn address(address: u32) -> String {
    format!("{address:#010x}")
}

/// Bytes in the largest unit in which they are a whole number.
fn size(bytes: u32) -> String {
    match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::process::root;
    use crate::tables::{markdown, split};

    fn table(file: &str, name: &str) -> String {
        let text = fs::read_to_string(root().join(file)).unwrap();
        split(&text, name).unwrap_or_else(|| panic!("{file} has no table `{name}`"))[1].to_owned()
    }

    #[test]
    fn tables_are_those_of_the_descriptions() {
        for Table { file, name, rows } in TABLES {
            let found = table(file, name);
            assert_eq!(
                found,
                markdown(&rows()),
                "{file}: `cargo xtask boards --docs` writes the table `{name}`"
            );
        }
    }

    #[test]
    fn the_measured_images_are_those_of_the_boards() {
        let found = table(MEASURED.0, MEASURED.1);
        let rows: Vec<Vec<&str>> =
            found.lines().skip(2).map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(rows.len(), OWNED.len());
        for (row, board) in rows.iter().zip(OWNED) {
            assert_eq!((row[1], row[4]), (&*code(board.name), &*board.arena.to_string()));
            assert!(row[2].parse::<u32>().unwrap() <= board.program, "{}", board.name);
            assert!(row[5].parse::<u32>().unwrap() >= board.core.kernels().stack(), "{}", board.name);
        }
    }
}
