//! The quick start of README.md works when it is pasted.

use std::fs;
use std::path::Path;

use crate::common::{data, run, stderr};

/// Options that make a command of the quick start shorter, and nothing else of it different.
const SHORTER: [(&str, &[&str]); 3] =
    [("convert", &["--calib-samples", "16"]), ("eval", &["--limit", "100"]), ("bench", &["--runs", "3"])];

/// The commands of the quick start, as words without comments.
fn quick_start() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("\n## Quick start\n").nth(1).expect("a section `Quick start`");
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("a block of commands").replace("\\\n", " ");
    let words = |line: &str| -> Vec<String> {
        line.split(" #").next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    block.lines().map(words).filter(|words| !words.is_empty()).collect()
}

/// Whether a command needs what a machine may lack: an emulator with the compiler's target, or a
/// board.
fn needs_a_device(words: &[String]) -> bool {
    words.iter().any(|word| word.starts_with("qemu:") || word == "flash")
}

#[test]
fn the_quick_start_works() {
    let folder = tempfile::tempdir().unwrap();
    let mut ran = Vec::new();
    for words in quick_start().iter().filter(|words| !needs_a_device(words)) {
        assert_eq!(words[0], "shiftformer", "{words:?}");
        // The folder of the test stands for the root of a clone.
        let in_clone = |word: &String| match word.strip_prefix("data/") {
            Some(file) => data(file).display().to_string(),
            None => word.clone(),
        };
        let words: Vec<String> = words[1..].iter().map(in_clone).collect();
        let shorter = SHORTER.iter().find(|(command, _)| *command == words[0]);
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.extend(shorter.into_iter().flat_map(|(_, options)| options.iter()));
        let output = run(folder.path(), &args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        if words[0] == "run" {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let first = text.lines().nth(1).unwrap();
            assert!(first.ends_with("Ankle boot"), "{text}");
        }
        ran.push(words[0].clone());
    }
    for command in ["convert", "inspect", "eval", "run", "verify", "bench"] {
        assert!(ran.iter().any(|name| name == command), "{command} is not in the quick start");
    }
}
