//! Firmware images from a source tree.

use std::path::{Path, PathBuf};

use boards::Board;
pub use boards::firmware::BuildError;
use boards::firmware::Firmware;
use quant::op::OpKind;

/// What an image has.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirmwareOptions<'a> {
    /// The ops that it includes; those that the environment variable `SHIFTFORMER_OPS` names,
    /// or all, where they are not given.
    pub ops: Option<&'a [OpKind]>,
    /// Whether it logs through defmt, at the levels that the variable `DEFMT_LOG` asks for or
    /// from `info` on.
    pub log: bool,
}

/// Builds the firmware of `board` from the source tree at `root`, where that is not done, and
/// returns its ELF file. Images with other options stay beside it.
///
/// # Errors
///
/// [`BuildError`].
pub fn build_firmware(
    board: &Board,
    root: &Path,
    options: FirmwareOptions<'_>,
) -> Result<PathBuf, BuildError> {
    let ops: Option<Vec<&str>> = options.ops.map(|ops| ops.iter().map(|op| op.name()).collect());
    let features: &[&str] = if options.log { &["defmt"] } else { &[] };
    Firmware { features, ops: ops.as_deref(), ..Firmware::of(board) }.build(root)
}
