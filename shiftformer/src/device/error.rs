//! Why a device does not run a model.

use std::io;

use link::HostError;
use thiserror::Error;

/// A device cannot run the model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// It does not answer, or not as it should.
    #[error("{0}")]
    Host(HostError<io::ErrorKind>),
    /// It has no model.
    #[error("the device has no model in its flash")]
    Absent,
    /// It refuses the model that it has.
    #[error("the device refuses its model: {reason}{}", at(*.instruction))]
    Refused {
        /// Why, in the device's words.
        reason: String,
        /// The instruction concerned, if it is one.
        instruction: Option<u32>,
    },
    /// Its memory is too small.
    #[error("the model needs {needed} bytes of arena, the device has {available}")]
    DoesNotFit {
        /// Bytes of arena that the model needs.
        needed: u32,
        /// Bytes of arena that there are.
        available: u32,
    },
    /// It has another model.
    #[error("the device has another model in its flash")]
    OtherModel,
}

fn at(instruction: Option<u32>) -> String {
    instruction.map_or_else(String::new, |index| format!(", instruction {index}"))
}

impl ConnectError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            ConnectError::Host(HostError::Silence) => {
                "is it powered, running Shiftformer's firmware, and is this its port and speed?"
            }
            ConnectError::Host(_) => "check the line, and that firmware and program are of the same version",
            ConnectError::Absent | ConnectError::OtherModel => "write this container to the device's flash",
            ConnectError::Refused { .. } => {
                "write the container again, with firmware that includes its ops; `shiftformer inspect` checks \
                 the file and lists them"
            }
            ConnectError::DoesNotFit { .. } => {
                "choose a board with more memory; `shiftformer inspect` lists them"
            }
        }
    }
}
