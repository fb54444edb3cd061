//! Files written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::failure::Failure;

/// Replaces the file at `path` with `bytes`: a temporary file beside it is written,
/// flushed to the disk and renamed. On failure the old file is untouched and nothing is
/// left behind. A device or pipe is written to directly.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::io("cannot write", path)(error).help(ADVICE);
    match fs::metadata(path) {
        Ok(existing) if existing.is_dir() => Err(failed(ErrorKind::IsADirectory.into())),
        Ok(existing) if !existing.is_file() => {
            let file = OpenOptions::new().write(true).open(path);
            file.and_then(|mut file| file.write_all(bytes)).map_err(failed)
        }
        Ok(_) => fs::canonicalize(path).and_then(|target| replace(&target, bytes)).map_err(failed),
        Err(_) => replace(path, bytes).map_err(failed),
    }
}

const ADVICE: &str =
    "check that the folder exists, is writable and has space left; an earlier file there is unchanged";

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".shiftformer-").suffix(".tmp");
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // Makes the rename itself durable, where folders can be opened.
    match File::open(folder) {
        Ok(folder) => folder.sync_all().or(Ok(())),
        Err(_) => Ok(()),
    }
}
