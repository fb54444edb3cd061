//! What can go wrong when a program is built.

use runtime::LoadError;
use thiserror::Error;

/// Why a program could not be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Something exceeds what the container can address.
    #[error("{what} is too large for a container")]
    TooLarge {
        /// What.
        what: &'static str,
    },
    /// The finished program is refused by the checker.
    #[error("the program is refused by the checker{}: {error}", at(.instruction))]
    Check {
        /// The checker's reason.
        error: LoadError,
        /// The instruction's name, where the reason concerns one.
        instruction: Option<String>,
    },
}

fn at(instruction: &Option<String>) -> String {
    instruction.as_ref().map(|name| format!(" at `{name}`")).unwrap_or_default()
}
