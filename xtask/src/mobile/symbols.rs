//! What a library takes from the system that it runs on, and what it gives to apps.

use std::collections::BTreeSet;

use object::read::archive::ArchiveFile;
use object::{File, Object, ObjectSymbol};

use super::allowed::Group;
use crate::outcome::Outcome;

/// The symbols of an archive, without the underscore that Apple's systems put in front.
#[derive(Default)]
pub struct Symbols {
    defined: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Symbols {
    /// Those of `archive`.
    pub fn of(archive: &[u8]) -> Result<Self, String> {
        let mut symbols = Self::default();
        for member in ArchiveFile::parse(archive).map_err(|error| error.to_string())?.members() {
            let object = member.and_then(|member| member.data(archive)).and_then(File::parse);
            symbols.add(&object.map_err(|error| error.to_string())?);
        }
        Ok(symbols)
    }

    fn add(&mut self, object: &File<'_>) {
        let underscore = if object.format() == object::BinaryFormat::MachO { "_" } else { "" };
        for symbol in object.symbols() {
            let Ok(name) = symbol.name() else { continue };
            let name = name.strip_prefix(underscore).unwrap_or(name).to_owned();
            if symbol.is_undefined() && !name.is_empty() {
                self.used.insert(name);
            } else if symbol.is_global() {
                self.defined.insert(name);
            }
        }
    }

    /// What has to come from the system.
    fn missing(&self) -> impl Iterator<Item = &String> {
        self.used.difference(&self.defined)
    }

    /// Prints what the system has to define, and fails for a name that no group allows.
    pub fn check(&self, what: &str, allowed: &[Group]) -> Outcome {
        let missing: Vec<&str> = self.missing().map(String::as_str).collect();
        println!("{what} takes {} names from the system:", missing.len());
        for Group { library, reason, names } in allowed {
            let used: Vec<&str> = names.iter().copied().filter(|name| missing.contains(name)).collect();
            if !used.is_empty() {
                println!("    lib{library}, {reason}: {}", used.join(" "));
            }
        }
        let allows = |name: &str| allowed.iter().any(|group| group.names.contains(&name));
        let new: Vec<&str> = missing.into_iter().filter(|name| !allows(name)).collect();
        if new.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{what} takes from the system what it did not take before: {}; where that is meant, \
             xtask/src/mobile/allowed.rs names it with the reason",
            new.join(", "),
        ))
    }

    /// Fails for a function of `functions` that the library does not define.
    pub fn defines(&self, what: &str, functions: &[String]) -> Outcome {
        all_defined(what, functions, &self.defined)
    }
}

/// Fails for a function of `functions` that is not among those that `what` defines.
pub fn all_defined(what: &str, functions: &[String], defined: &BTreeSet<String>) -> Outcome {
    match functions.iter().find(|name| !defined.contains(*name)) {
        Some(name) => Err(format!("{what} does not define {name}, which its sources call")),
        None => Ok(()),
    }
}

/// The functions of the library that `source` declares or calls, in whatever language.
pub fn called(source: &str) -> Vec<String> {
    const OURS: &[&str] = &["uniffi_shiftformer_mobile_", "ffi_shiftformer_mobile_", "shiftformer_"];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for (at, _) in source.match_indices('(') {
        let head = &source[..at];
        let start = head.rfind(|c| !is_word(c)).map_or(0, |end| end + 1);
        let name = &head[start..];
        if OURS.iter().any(|prefix| name.starts_with(prefix)) {
            names.insert(name.to_owned());
        }
    }
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_library_are_told_from_others() {
        let source = "let a = shiftformer_open(1); uniffi_shiftformer_mobile_fn_x\n(2); other(3)\n\
                      ffi_shiftformer_mobile_free(shiftformer_open(4))";
        assert_eq!(called(source), ["ffi_shiftformer_mobile_free", "shiftformer_open"]);
    }

    #[test]
    fn a_name_without_a_reason_is_refused() {
        let symbols = Symbols {
            defined: BTreeSet::from(["run".to_owned()]),
            used: BTreeSet::from(["run".to_owned(), "malloc".to_owned(), "system".to_owned()]),
        };
        let groups = |names| [Group { library: "c", reason: "memory", names }];
        assert!(symbols.check("it", &groups(&["malloc", "system"])).is_ok());
        assert!(symbols.check("it", &groups(&["malloc"])).unwrap_err().contains(": system;"));
        assert!(symbols.defines("it", &["run".to_owned()]).is_ok());
        assert!(symbols.defines("it", &["stop".to_owned()]).unwrap_err().contains("stop"));
    }
}
