//! One file: header, owner, hash and content.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};

use super::Unusable;
use crate::adapter::Adapter;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pipelines, as the driver gives them.
    Pipelines,
    /// Tiles that were measured.
    Tiles,
}

impl Kind {
    /// The end of the file's name.
    const fn extension(self) -> &'static str {
        match self {
            Kind::Pipelines => "pipelines",
            Kind::Tiles => "tiles",
        }
    }

    /// What a file begins with. The last byte counts layouts.
    const fn magic(self) -> &'static [u8; 8] {
        match self {
            Kind::Pipelines => b"SHF PSO\x01",
            Kind::Tiles => b"SHF TIL\x01",
        }
    }
}

/// Larger files are neither read nor written.
const MOST_BYTES: u64 = 64 << 20;

/// Bytes of a hash.
const HASH: usize = 32;

/// Who compiles: pipelines of another wgpu are other pipelines.
const WRITER: &str = concat!("shiftformer ", env!("CARGO_PKG_VERSION"), ", wgpu 30");

/// Where the files of an adapter lie, and whose they are.
#[derive(Clone, Debug)]
pub(super) struct Name {
    folder: PathBuf,
    stem: String,
    owner: String,
}

impl Name {
    /// Those of `adapter` in `folder`. After a change of the driver they have the same names.
    pub(super) fn of(folder: &Path, adapter: &Adapter) -> Self {
        let Adapter { name, interface, driver, .. } = adapter;
        let hash = Sha256::digest(format!("{interface}\n{name}"));
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let bits = usize::BITS;
        let owner = format!("{WRITER}, {bits} bits, {interface}\n{name}\n{driver}");
        Self { folder: folder.to_owned(), stem: format!("gpu-{hash}"), owner }
    }

    /// The file of this kind.
    pub(super) fn path(&self, kind: Kind) -> PathBuf {
        self.folder.join(format!("{}.{}", self.stem, kind.extension()))
    }

    /// What the file holds; `None` where there is none.
    pub(super) fn read(&self, kind: Kind) -> Result<Option<Vec<u8>>, Unusable> {
        let unread = |error: std::io::Error| Unusable::Unread(error.kind());
        let file = match File::open(self.path(kind)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unread(error)),
        };
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(unread)?;
        Ok(Some(opened(kind, &self.owner, &bytes)?.to_vec()))
    }

    /// Puts `content` in the file's place, whole.
    pub(super) fn write(&self, kind: Kind, content: &[u8]) -> Result<(), Unusable> {
        let bytes = sealed(kind, &self.owner, content);
        if bytes.len() as u64 > MOST_BYTES {
            return Err(Unusable::Unwritten(ErrorKind::FileTooLarge));
        }
        self.put(kind, &bytes).map_err(|error| Unusable::Unwritten(error.kind()))
    }

    fn put(&self, kind: Kind, bytes: &[u8]) -> std::io::Result<()> {
        private(&self.folder)?;
        // Threads and processes have names of their own for what they have not finished.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!(".{}.{}.{count}.{}", self.stem, process::id(), kind.extension());
        let unfinished = self.folder.join(unfinished);
        let written = OpenOptions::new().write(true).create_new(true).open(&unfinished);
        let put = written
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&unfinished, self.path(kind)));
        if put.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        put
    }
}

/// Makes `folder`, for this user alone where the system has such folders.
fn private(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// `content` with a header, as `owner` writes it.
pub(super) fn sealed(kind: Kind, owner: &str, content: &[u8]) -> Vec<u8> {
    let owner_len = (owner.len() as u32).to_le_bytes();
    let rest = [&owner_len[..], owner.as_bytes(), content].concat();
    [&kind.magic()[..], &Sha256::digest(&rest), &rest].concat()
}

/// What a file of `owner` holds.
pub(super) fn opened<'b>(kind: Kind, owner: &str, bytes: &'b [u8]) -> Result<&'b [u8], Unusable> {
    let rest = bytes.strip_prefix(kind.magic()).ok_or(Unusable::Damaged)?;
    let (hash, rest) = rest.split_first_chunk::<HASH>().ok_or(Unusable::Damaged)?;
    if Sha256::digest(rest).as_slice() != hash {
        return Err(Unusable::Damaged);
    }
    let (len, rest) = rest.split_first_chunk().ok_or(Unusable::Damaged)?;
    let (of, content) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or(Unusable::Damaged)?;
    if of == owner.as_bytes() { Ok(content) } else { Err(Unusable::Foreign) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind::Pipelines;

    #[test]
    fn what_is_changed_or_cut_off_is_damaged() {
        let bytes = sealed(KIND, "owner", b"some content");
        assert_eq!(opened(KIND, "owner", &bytes), Ok(&b"some content"[..]));
        for at in 0..bytes.len() {
            assert_eq!(opened(KIND, "owner", &bytes[..at]), Err(Unusable::Damaged), "{at} bytes");
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                assert_eq!(opened(KIND, "owner", &bytes), Err(Unusable::Damaged), "bit {bit} of {at}");
            }
        }
        assert_eq!(opened(KIND, "owner", &[&bytes[..], b"."].concat()), Err(Unusable::Damaged));
    }

    #[test]
    fn what_another_wrote_is_foreign() {
        for owner in ["", "owne", "owner2"] {
            assert_eq!(opened(KIND, "owner", &sealed(KIND, owner, b"r")), Err(Unusable::Foreign));
        }
    }

    #[test]
    fn the_writer_names_the_wgpu_of_this_workspace() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let manifest = fs::read_to_string(manifest).expect("the workspace's manifest");
        let version = manifest.split_once("\nwgpu = { version = \"").expect("wgpu").1;
        let version = version.split('"').next().expect("its version");
        assert!(WRITER.ends_with(&format!("wgpu {version}")), "{WRITER}, and not {version}");
    }
}
