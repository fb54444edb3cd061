//! What is kept on disk between processes: for each adapter a file of compiled
//! pipelines and one of tiles that were measured.
//!
//! A file begins with a header of our own, which names the adapter, its driver and who wrote it, and
//! holds a hash of the rest. Whatever is damaged, unfinished or another's is as good as no file: it
//! never reaches the driver, and a [`Remark`] says so. A file is written beside its place and then
//! put there, so that two processes may write at once: the last one's file stays, as a whole.

mod file;
mod folder;
mod pipelines;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

pub(crate) use self::file::Kind;
use self::file::Name;
pub use self::folder::Cache;
pub(crate) use self::pipelines::Pipelines;
use crate::adapter::Adapter;
use crate::ops::Choices;

/// Why a file is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It is cut off, or was changed, or is no such file.
    #[error("is damaged and ignored")]
    Damaged,
    /// Another adapter, driver or version of this program wrote it.
    #[error("is of another GPU, driver or version and ignored")]
    Foreign,
    /// The system does not let it be read.
    #[error("cannot be read: {0}")]
    Unread(std::io::ErrorKind),
    /// The system does not let it be written.
    #[error("cannot be written: {0}")]
    Unwritten(std::io::ErrorKind),
}

/// Something about a file that a run does without: results are the same, and the next start is slower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Unusable,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.problem)
    }
}

/// The files of one adapter.
#[derive(Debug)]
pub(crate) struct Kept {
    name: Option<Name>,
    remarks: Mutex<Vec<Remark>>,
}

impl Kept {
    /// Those of `adapter` in `cache`.
    pub(crate) fn new(cache: &Cache, adapter: &Adapter) -> Self {
        let name = cache.folder().map(|folder| Name::of(folder, adapter));
        Self { name, remarks: Mutex::default() }
    }

    /// Whether anything is kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.name.is_some()
    }

    /// What the file of this `kind` holds, as far as there is one of this adapter and `read` makes
    /// something of it.
    pub(crate) fn read<T>(&self, kind: Kind, read: impl FnOnce(&[u8]) -> Result<T, Unusable>) -> Option<T> {
        let name = self.name.as_ref()?;
        let content = name.read(kind).and_then(|content| content.map(|content| read(&content)).transpose());
        content.unwrap_or_else(|problem| {
            self.remark(name.path(kind), problem);
            None
        })
    }

    /// Writes `content` as the file of this `kind`.
    pub(crate) fn write(&self, kind: Kind, content: &[u8]) {
        let Some(name) = &self.name else { return };
        if let Err(problem) = name.write(kind, content) {
            self.remark(name.path(kind), problem);
        }
    }

    /// What was wrong with files so far.
    pub(crate) fn remarks(&self) -> Vec<Remark> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remark(&self, path: PathBuf, problem: Unusable) {
        let remark = Remark { path, problem };
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        if !remarks.contains(&remark) {
            remarks.push(remark);
        }
    }
}

/// Reads `bytes` as files of every kind and as what these hold: for fuzzing. What is read as tiles is
/// written as the same tiles.
#[doc(hidden)]
pub fn read_any(bytes: &[u8]) {
    for kind in [Kind::Pipelines, Kind::Tiles] {
        let _ = file::opened(kind, "", bytes);
        assert_eq!(file::opened(kind, "", &file::sealed(kind, "", bytes)), Ok(bytes));
    }
    let _ = pipelines::parsed(bytes);
    if let Ok(choices) = Choices::read(bytes) {
        assert_eq!(Choices::read(choices.text().as_bytes()), Ok(choices));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::adapter::AdapterKind;

    fn adapter(name: &str, driver: &str) -> Adapter {
        Adapter {
            name: name.to_owned(),
            kind: AdapterKind::Discrete,
            interface: "vulkan",
            driver: driver.to_owned(),
            binding_bytes: 0,
            buffer_bytes: 0,
            workgroup_bytes: 0,
            timestamps: true,
            matrices: Vec::new(),
        }
    }

    fn whole(content: &[u8]) -> Result<Vec<u8>, Unusable> {
        Ok(content.to_vec())
    }

    #[test]
    fn files_are_those_of_their_adapter_and_driver() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = |name, driver| Kept::new(&Cache::at(folder.path()), &adapter(name, driver));
        let old = kept("card", "1");
        assert_eq!(old.read(Kind::Pipelines, whole), None);
        old.write(Kind::Pipelines, b"old");
        assert_eq!(old.read(Kind::Pipelines, whole).as_deref(), Some(&b"old"[..]));
        assert_eq!(old.remarks(), []);
        let other = kept("another", "1");
        assert_eq!((other.read(Kind::Pipelines, whole), other.remarks()), (None, vec![]));
        let new = kept("card", "2");
        assert_eq!(new.read(Kind::Pipelines, whole), None);
        assert!(matches!(new.remarks()[..], [Remark { problem: Unusable::Foreign, .. }]));
        new.write(Kind::Pipelines, b"new");
        assert_eq!(new.read(Kind::Pipelines, whole).as_deref(), Some(&b"new"[..]));
        assert_eq!(old.read(Kind::Pipelines, whole), None);
    }

    #[test]
    fn files_of_any_bytes_are_read() {
        let files = [
            &b""[..],
            b"SHF PSO\x01",
            b"\x01\0\0\0",
            b"\xff\xff\xff\xff",
            b"a = b; ; 16x32\r\n",
            b" = ; ; = ",
        ];
        files.iter().for_each(|bytes| read_any(bytes));
    }

    #[test]
    fn what_is_read_while_others_write_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = || Kept::new(&Cache::at(folder.path()), &adapter("card", "1"));
        kept().write(Kind::Pipelines, &[0; 99_999]);
        thread::scope(|scope| {
            for writer in 1..4 {
                scope.spawn(move || {
                    let kept = kept();
                    (0..100).for_each(|_| kept.write(Kind::Pipelines, &vec![writer; 99_999]));
                    assert_eq!(kept.remarks(), []);
                });
            }
            for _ in 0..200 {
                let kept = kept();
                let content = kept.read(Kind::Pipelines, whole).expect("a file");
                assert!(content.len() == 99_999 && content.iter().all(|&byte| byte == content[0]));
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }
}
