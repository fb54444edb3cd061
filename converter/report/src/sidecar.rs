//! The facts of a conversion beside its container.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use thiserror::Error;

use facts::Facts;

/// Largest file of facts that is read, in bytes.
pub const MAX_FACTS: u64 = 32 << 20;

/// Why facts could not be kept or are not shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SidecarError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is longer than facts are.
    #[error("{path} is longer than {MAX_FACTS} bytes: these are no facts of a conversion")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("{path} does not hold the facts of a conversion ({source}); convert the model again")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// The facts are another container's.
    #[error("{path} is about another container ({found}, not {expected}); convert the model again")]
    Identity {
        /// The file.
        path: PathBuf,
        /// The identity asked for.
        expected: String,
        /// The identity found, cut to the length of one.
        found: String,
    },
}

/// Where the facts of `container` lie: `OUT.facts.json` beside `OUT.shf`; any other
/// name keeps its extension.
pub fn sidecar_path(container: &Path) -> PathBuf {
    if container.extension().is_some_and(|extension| extension == "shf") {
        return container.with_extension("facts.json");
    }
    let mut name = container.as_os_str().to_owned();
    name.push(".facts.json");
    name.into()
}

/// Writes `facts` beside `container`; returns the file's path.
///
/// # Errors
///
/// [`SidecarError::Write`].
pub fn write_facts(container: &Path, facts: &Facts) -> Result<PathBuf, SidecarError> {
    let path = sidecar_path(container);
    let result = serde_json::to_vec_pretty(facts)
        .map_err(std::io::Error::from)
        .and_then(|json| std::fs::write(&path, json));
    match result {
        Ok(()) => Ok(path),
        Err(source) => Err(SidecarError::Write { path, source }),
    }
}

/// The facts beside `container`, whose identity in hexadecimal is `identity`; `None`
/// where there is no such file.
///
/// # Errors
///
/// A [`SidecarError`] says why the file is to be ignored.
pub fn read_facts(container: &Path, identity: &str) -> Result<Option<Facts>, SidecarError> {
    let path = sidecar_path(container);
    let mut json = Vec::new();
    match File::open(&path).and_then(|file| file.take(MAX_FACTS + 1).read_to_end(&mut json)) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SidecarError::Read { path, source }),
    }
    if json.len() as u64 > MAX_FACTS {
        return Err(SidecarError::TooLarge { path });
    }
    let facts: Facts = match serde_json::from_slice(&json) {
        Ok(facts) => facts,
        Err(source) => return Err(SidecarError::Syntax { path, source }),
    };
    if facts.identity != identity {
        let found = facts.identity.chars().take(64).filter(char::is_ascii_hexdigit).collect();
        return Err(SidecarError::Identity { path, expected: identity.to_owned(), found });
    }
    Ok(Some(facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sidecar_lies_beside_its_container() {
        assert_eq!(sidecar_path(Path::new("a/model.v2.shf")), Path::new("a/model.v2.facts.json"));
        assert_eq!(sidecar_path(Path::new("model.v2")), Path::new("model.v2.facts.json"));
    }

    #[test]
    fn facts_come_back_for_their_own_container_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let container = folder.path().join("model.shf");
        let identity = "ab".repeat(32);
        assert!(read_facts(&container, &identity).expect("no file is no error").is_none());

        let facts = Facts { identity: identity.clone(), model: "m.onnx".into(), ..Facts::default() };
        let path = write_facts(&container, &facts).expect("written");
        let again = read_facts(&container, &identity).expect("readable").expect("there");
        assert_eq!(again.model, "m.onnx");
        let other = read_facts(&container, &"cd".repeat(32));
        assert!(matches!(other, Err(SidecarError::Identity { .. })), "{other:?}");

        std::fs::write(&path, b"[1, 2").expect("written");
        assert!(matches!(read_facts(&container, &identity), Err(SidecarError::Syntax { .. })));
        File::create(&path).and_then(|file| file.set_len(MAX_FACTS + 1)).expect("a long file");
        assert!(matches!(read_facts(&container, &identity), Err(SidecarError::TooLarge { .. })));
    }
}
