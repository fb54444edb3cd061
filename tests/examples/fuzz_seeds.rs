//! Writes the containers that the fuzzer starts from: `fuzz_seeds [FOLDER]`.

use std::path::PathBuf;

use converter::arch::Arch;
use converter::{BuildOptions, build};
use program::{Container, write};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use quant::op::OpKind;
use runtime::{Ending, Model, Note};
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::{binary, ops};

/// Smaller seeds are mutated faster.
const LARGEST: usize = 2500;

/// `file` with notes of every kind.
fn noted(file: &[u8]) -> Vec<u8> {
    let file = Aligned::copy(file);
    let mut container = Container::read(&Model::new(&file).expect("a sound container"));
    for ending in Ending::ALL {
        container.notes.push(&Note::Ending { output: 0, ending }).expect("small");
    }
    container.notes.push(&Note::Label { class: 1, name: "boot" }).expect("small");
    write(&container).expect("a sound container")
}

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| "fuzz/seeds/container".into(), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let graph = Arch::by_name("micro").expect("known").random(7);
    for (name, fuse) in [("micro", true), ("micro-apart", false)] {
        let file = build(&graph, BuildOptions { fuse, arena: None }).expect("a sound graph");
        std::fs::write(folder.join(name), &file)?;
        if fuse {
            std::fs::write(folder.join("notes"), noted(&file))?;
        }
    }
    let block = binary::program(Some(5)).container;
    std::fs::write(folder.join("binary-block"), write(&block).expect("a sound program"))?;
    for &kind in OpKind::ALL {
        // One for each op: programs of one do not depend on those of others.
        let mut runner = TestRunner::deterministic();
        let cases = ops::cases(kind);
        let file = loop {
            let case = cases.new_tree(&mut runner).expect("a case").current();
            let file = write(&case.build(Some(1)).container).expect("a sound program");
            if file.len() <= LARGEST {
                break file;
            }
        };
        std::fs::write(folder.join(kind.name()), file)?;
    }
    Ok(())
}
