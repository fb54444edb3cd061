//! The drive that the boot loader of an RP2040 or RP2350 offers.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::progress::Progress;

/// What the boot loader says of itself.
const INFO: &str = "INFO_UF2.TXT";
/// The name of the file on the drive; the boot loader does not care.
const NAME: &str = "shiftformer.uf2";
/// Bytes between two steps of the progress.
const PART: usize = 64 << 10;
/// Where systems mount drives, and how many folders below.
const ROOTS: [(&str, usize); 4] = [("/media", 2), ("/run/media", 2), ("/Volumes", 1), ("/mnt", 1)];

const ADVICE: &str = "hold BOOTSEL while you plug the board in, then give the folder of its drive with --drive DIR, \
                      or write the file of --dry-run to it";

/// A mounted drive of a boot loader.
#[derive(Debug)]
pub struct Drive(PathBuf);

impl Drive {
    /// The drive in the folder `given`, or the only one that is mounted, whose `Board-ID` is
    /// `id`.
    pub fn find(id: &str, given: Option<&Path>) -> Result<Self, Failure> {
        if let Some(folder) = given {
            return match board_id(folder) {
                Some(found) if found == id => Ok(Self(folder.to_owned())),
                Some(found) => Err(Failure::new(format!(
                    "the drive {} is of a board `{found}`, not `{id}`",
                    folder.display()
                ))
                .help("check --board and --drive")),
                None => Err(Failure::new(format!(
                    "{} is not the drive of a boot loader: it has no {INFO} with a Board-ID",
                    folder.display()
                ))
                .help(ADVICE)),
            };
        }
        let mut found = mounted().into_iter().filter(|folder| board_id(folder).as_deref() == Some(id));
        match (found.next(), found.next()) {
            (Some(folder), None) => Ok(Self(folder)),
            (None, _) => Err(Failure::new(format!("no drive of a board `{id}` is mounted")).help(ADVICE)),
            (Some(one), Some(other)) => {
                let message =
                    format!("several drives are boards `{id}`: {}, {}", one.display(), other.display());
                Err(Failure::new(message).help("choose one with --drive DIR"))
            }
        }
    }

    /// Copies a UF2 file; the board restarts after its last block. Returns what was written.
    pub fn copy(&self, file: &[u8]) -> Result<String, Failure> {
        let path = self.0.join(NAME);
        let failed = Failure::io("cannot write", &path);
        let progress = Progress::bytes("writing", file.len() as u64);
        let mut out = File::create(&path).map_err(&failed)?;
        for part in file.chunks(PART) {
            out.write_all(part).map_err(&failed)?;
            progress.advance(part.len() as u64);
        }
        match out.sync_all() {
            // The board restarts, and takes the drive away, once it has the last block.
            Err(error) if board_id(&self.0).is_some() => Err(failed(error)),
            _ => Ok(format!("drive {}", self.0.display())),
        }
    }
}

/// The `Board-ID` on the drive in `folder`.
fn board_id(folder: &Path) -> Option<String> {
    let info = fs::read_to_string(folder.join(INFO)).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Board-ID:")).map(|id| id.trim().to_owned())
}

/// Folders at which drives may be mounted.
fn mounted() -> Vec<PathBuf> {
    let letters = ('A'..='Z').filter(|_| cfg!(windows)).map(|letter| PathBuf::from(format!("{letter}:\\")));
    let mut found: Vec<PathBuf> = letters.collect();
    for (root, depth) in ROOTS {
        let mut level = vec![PathBuf::from(root)];
        for _ in 0..depth {
            level = level.iter().flat_map(|folder| children(folder)).collect();
            found.extend_from_slice(&level);
        }
    }
    found
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
