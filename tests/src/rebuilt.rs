//! Programs from anywhere, laid out anew.

use program::{Container, Dataflow, ProgramError, ReplanOptions, replan, write_as};
use runtime::Model;

/// `model` laid out by `options`; `None` where it is too large for that.
///
/// # Panics
///
/// Where the checker refuses what came of a program that it admitted.
pub fn replanned(model: &Model<'_>, options: ReplanOptions) -> Option<Vec<u8>> {
    let made: Result<Container<'_>, ProgramError> =
        Dataflow::of(model).and_then(|flow| replan(model, &flow, options));
    match made.and_then(|container| write_as(&container, *model.identity())) {
        Ok(file) => Some(file),
        Err(ProgramError::TooLarge { .. }) => None,
        Err(other) => panic!("{options:?}: {other}"),
    }
}

/// Lays `model` out anew, with its tiles and without.
///
/// # Panics
///
/// As [`replanned`].
pub fn rebuild(model: &Model<'_>) {
    for tiles in [true, false] {
        replanned(model, ReplanOptions { align: 64, tiles });
    }
}
