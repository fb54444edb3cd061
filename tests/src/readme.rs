//! What documents say, tried: their code in Rust and C, and figures that the code knows.

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use onnx::OPSETS;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    /// Every Markdown file below `folder`, but for hidden folders and what builds leave behind.
    fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if entry.file_type().unwrap().is_dir() {
                if !name.starts_with('.') && name != "target" {
                    documents(&path, found);
                }
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }

    /// The blocks of code in a document: what is said of each behind its fence, and the code.
    fn blocks(text: &str) -> Vec<(&str, String)> {
        let (mut blocks, mut inside) = (Vec::new(), false);
        for line in text.lines() {
            match (line.trim_start().strip_prefix("```"), inside) {
                (Some(_), true) => inside = false,
                (Some(info), false) => {
                    blocks.push((info, String::new()));
                    inside = true;
                }
                (None, true) => blocks.last_mut().unwrap().1.extend([line, "\n"]),
                (None, false) => {}
            }
        }
        blocks
    }

    fn language(info: &str) -> &str {
        info.split(',').next().unwrap()
    }

    /// A block without a language is Rust to rustdoc, and nothing to those who colour it.
    #[test]
    fn every_block_has_a_language_and_those_in_rust_are_tested() {
        let mut found = Vec::new();
        documents(root(), &mut found);
        assert!(found.len() > 10);
        let mut tested = 0;
        for document in found {
            let text = fs::read_to_string(&document).unwrap();
            let shown = document.strip_prefix(root()).unwrap().display();
            let blocks = blocks(&text);
            assert!(blocks.iter().all(|(info, _)| !info.is_empty()), "{shown}: a block without a language");
            if !blocks.iter().any(|(info, _)| language(info) == "rust") {
                continue;
            }
            tested += 1;
            // In its own crate, or here.
            let own = document.with_file_name("src").join("lib.rs");
            let own = fs::read_to_string(own).unwrap_or_default();
            let here = format!("include_str!(\"../../{shown}\")");
            let is_tested = own.contains("include_str!(\"../README.md\")") && document.ends_with("README.md");
            assert!(
                is_tested || include_str!("readme.rs").contains(&here),
                "{shown} has code in Rust that no doctest includes"
            );
        }
        assert!(tested >= 7, "{tested}");
    }

    #[test]
    fn code_in_c_compiles() {
        let readme = fs::read_to_string(root().join("firmware/c/README.md")).unwrap();
        let code: Vec<String> = blocks(&readme)
            .into_iter()
            .filter(|(info, _)| language(info) == "c")
            .map(|(_, code)| code)
            .collect();
        assert_eq!(code.len(), 2);
        let strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-xc"];
        let mut compiler = Command::new("cc")
            .current_dir(root().join("firmware/c/include"))
            .args(strict)
            .args(["-I.", "-include", "shiftformer.h", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start cc: {error}"));
        compiler.stdin.take().unwrap().write_all(code.concat().as_bytes()).unwrap();
        assert!(compiler.wait().unwrap().success());
    }

    #[test]
    fn opsets_are_those_of_the_reader() {
        let range = format!("opsets {} to {}", OPSETS.start(), OPSETS.end());
        for document in ["docs/conversion.md", "converter/README.md"] {
            assert!(fs::read_to_string(root().join(document)).unwrap().contains(&range), "{document}");
        }
    }
}
