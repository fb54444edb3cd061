//! Errors in the facade's words.

use shiftformer::{NotInThisBuild, OpenError, PictureError, PrepareError, RunError};
use thiserror::Error;

/// What went wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Error, uniffi::Error)]
pub enum ShiftformerError {
    /// The model cannot be opened.
    #[error("{reason}")]
    Open {
        /// What is wrong, in a sentence.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// The engine cannot run the model.
    #[error("{reason}")]
    Prepare {
        /// What is wrong, in a sentence.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// The picture or the camera's frame does not become what the model takes.
    #[error("{reason}")]
    Picture {
        /// What is wrong, in a sentence.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// The run failed.
    #[error("{reason}")]
    Run {
        /// What is wrong, in a sentence.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// The run was cancelled.
    #[error("{reason}")]
    Cancelled {
        /// What happened, in a sentence.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// The model has no output of this index.
    #[error("{reason}")]
    Output {
        /// What is wrong, in a sentence.
        reason: String,
        /// What to do about it.
        hint: String,
    },
}

#[uniffi::export]
impl ShiftformerError {
    /// What is wrong, in a sentence.
    pub fn reason(&self) -> String {
        self.words().0.to_owned()
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        self.words().1.to_owned()
    }
}

impl ShiftformerError {
    /// The reason and the hint.
    pub(crate) fn words(&self) -> (&str, &str) {
        match self {
            Self::Open { reason, hint }
            | Self::Prepare { reason, hint }
            | Self::Picture { reason, hint }
            | Self::Run { reason, hint }
            | Self::Cancelled { reason, hint }
            | Self::Output { reason, hint } => (reason, hint),
        }
    }
}

impl From<OpenError> for ShiftformerError {
    fn from(error: OpenError) -> Self {
        Self::Open { reason: error.to_string(), hint: error.hint().into() }
    }
}

impl From<PrepareError> for ShiftformerError {
    fn from(error: PrepareError) -> Self {
        Self::Prepare { reason: error.to_string(), hint: error.hint() }
    }
}

impl From<NotInThisBuild> for ShiftformerError {
    fn from(error: NotInThisBuild) -> Self {
        Self::Prepare { reason: error.to_string(), hint: "choose one of those that it has".into() }
    }
}

impl From<PictureError> for ShiftformerError {
    fn from(error: PictureError) -> Self {
        Self::Picture { reason: error.to_string(), hint: error.hint().into() }
    }
}

impl From<RunError> for ShiftformerError {
    fn from(error: RunError) -> Self {
        let (reason, hint) = (error.to_string(), error.hint().into());
        if error == RunError::Cancelled {
            Self::Cancelled { reason, hint }
        } else {
            Self::Run { reason, hint }
        }
    }
}
