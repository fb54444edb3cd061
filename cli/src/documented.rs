//! Every command that the help and the documents show is one that this program understands, and
//! the bundled files that they name are there.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};

use crate::Cli;
use crate::commands::demo;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}

/// Parses `command`, a line for a shell that begins with the program's name; what follows `#` or
/// `|` is not the program's.
fn check(command: &str, source: &str) {
    let ours = command.split(" #").next().and_then(|ours| ours.split(" | ").next());
    let words: Vec<&str> = ours.unwrap_or_default().split_whitespace().collect();
    if let Err(error) = Cli::try_parse_from(&words) {
        // Asking for help ends the parser, too.
        assert_eq!(error.exit_code(), 0, "{source}: {command}\n{error}");
    }
    for file in words.iter().filter(|word| word.starts_with("data/")) {
        assert!(root().join(file).is_file(), "{source}: there is no {file}");
    }
}

#[test]
fn examples_of_the_help() {
    let top = Cli::command();
    let helps = std::iter::once(&top).chain(top.get_subcommands());
    for command in helps.filter(|command| command.get_name() != "help") {
        let help =
            command.get_after_help().unwrap_or_else(|| panic!("{} has no examples", command.get_name()));
        let help = help.to_string();
        // A line that is wrapped on a terminal cannot be pasted.
        assert!(help.lines().all(|line| line.chars().count() < 80), "{help}");
        let joined = help.replace("\\\n", " ");
        let examples: Vec<&str> = joined.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert!(!examples.is_empty(), "{help}");
        examples.iter().for_each(|example| check(example, command.get_name()));
    }
}

#[test]
fn what_the_demo_says_to_try_next() {
    let commands =
        demo::next(Path::new("shiftformer"), Path::new("target/demo.shf"), Some(Path::new("data")));
    for word in ["--calib", "--mean", "--std", "data/ankle-boot.png"] {
        assert!(commands.iter().any(|command| command.contains(word)), "{word}");
    }
    commands.iter().for_each(|command| check(command, "demo"));
    let without = demo::next(Path::new("shiftformer"), Path::new("demo.shf"), None);
    assert!(without.iter().all(|command| !command.contains("data")), "{without:?}");
}

/// The lines of the blocks of shell commands in `text`, those that go on joined.
fn shell_lines(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks
        .flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn commands_of_the_documents() {
    let mut documents = vec![root().join("README.md"), root().join("cli/README.md")];
    let docs = fs::read_dir(root().join("docs")).expect("the folder of documents");
    documents.extend(docs.map(|entry| entry.expect("readable").path()));
    let mut checked = 0;
    for path in documents.iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(path).expect("a document");
        for line in shell_lines(&text) {
            let line = line
                .trim()
                .strip_prefix("cargo run --release -- ")
                .map_or_else(|| line.trim().to_owned(), |arguments| format!("shiftformer {arguments}"));
            if line.starts_with("shiftformer ") {
                check(&line, &path.display().to_string());
                checked += 1;
            }
        }
    }
    assert!(checked > 15, "only {checked} commands were found");
}
