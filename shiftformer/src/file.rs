//! Containers in memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use runtime::Model;

use crate::aligned::AlignedBytes;
use crate::error::{OpenError, OpenProblem};

/// Largest container that is read, in bytes: 2 GiB.
pub const MAX_FILE_BYTES: u64 = 1 << 31;

/// The bytes of a container, aligned as the runtime asks for.
#[derive(Debug)]
pub struct ModelFile {
    name: String,
    bytes: AlignedBytes,
}

impl ModelFile {
    /// Reads the file at `path`, at most [`MAX_FILE_BYTES`]. The content is checked by
    /// [`model`](Self::model).
    ///
    /// # Errors
    ///
    /// [`OpenProblem::Read`] and [`OpenProblem::TooLarge`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let name = path.display().to_string();
        let refuse = |problem| OpenError { name: name.clone(), problem };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|reason| refuse(OpenProblem::Read(reason)))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(refuse(OpenProblem::TooLarge));
        }
        Ok(Self::from_bytes(name, &bytes))
    }

    /// A container that is already in memory; `name` is for messages.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self { name: name.into(), bytes: AlignedBytes::copy_of(bytes) }
    }

    /// The path, or the name given with the bytes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The container, starting at a multiple of 16 in memory.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// Checks the whole container. Takes time in proportion to its size: do it once.
    ///
    /// # Errors
    ///
    /// [`OpenProblem::Load`] with the checker's reason.
    pub fn model(&self) -> Result<Model<'_>, OpenError> {
        let refuse = |reason| OpenError { name: self.name.clone(), problem: OpenProblem::Load(reason) };
        Model::new(self.bytes()).map_err(refuse)
    }
}
