//! Errors in words for people.

use std::io::ErrorKind;

use program::ProgramError;
use runtime::image::FitError;
use runtime::{ArenaError, Fault, LoadError, NoteError};
use thiserror::Error;

use crate::camera::CameraError;

/// A container cannot be used.
#[derive(Debug, Error)]
#[error("{name}: {problem}")]
pub struct OpenError {
    /// The file's path, or the name given with its bytes.
    pub name: String,
    /// What is wrong.
    #[source]
    pub problem: OpenProblem,
}

/// Why a container cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenProblem {
    /// The system refuses.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// More than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
    #[error("is larger than 2 GiB")]
    TooLarge,
    /// The checker refuses.
    #[error("{0}")]
    Load(LoadError),
    /// What people read beside the program does not decode.
    #[error("{0}")]
    Note(NoteError),
}

impl OpenError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match &self.problem {
            OpenProblem::Read(_) => "check the path and its permissions",
            OpenProblem::TooLarge => "containers are at most 2 GiB: this is probably another file",
            OpenProblem::Load(reason) => load_hint(reason),
            OpenProblem::Note(_) => {
                "convert the model again with this build, or use the build that made the file"
            }
        }
    }
}

fn load_hint(error: &LoadError) -> &'static str {
    match error {
        LoadError::Truncated | LoadError::TrailingBytes | LoadError::Crc => {
            "the file is incomplete or altered: copy it again, or convert the model again"
        }
        LoadError::Magic => "expected a .shf file; `shiftformer convert` makes one from a checkpoint",
        LoadError::Version { .. } | LoadError::UnknownOp { .. } => {
            "convert the model again with this build, or use the build that made the file"
        }
        LoadError::Misaligned => "place the container at an address that is a multiple of 16",
        LoadError::Section(_)
        | LoadError::Arena
        | LoadError::InstructionCount
        | LoadError::Instruction { .. }
        | LoadError::Op { .. }
        | LoadError::Slot { .. }
        | LoadError::Tile { .. }
        | LoadError::Io { .. }
        | LoadError::OutputUndefined { .. } => {
            "the file was not written by `shiftformer convert`, or by a faulty version: convert the model again"
        }
    }
}

/// A run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The frame has not the size of the model's inputs.
    #[error("the frame has {found} bytes, the model's inputs take {expected}")]
    Frame {
        /// Bytes of all inputs together.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The arena was refused.
    #[error("{0}")]
    Arena(ArenaError),
    /// The program faulted, which a checked model does not.
    #[error("the program faulted ({0}); please report this with the container")]
    Fault(Fault),
    /// The device gave no answer.
    #[cfg(feature = "device")]
    #[error("{0}")]
    Device(link::HostError<ErrorKind>),
    /// One of several devices gave no answer.
    #[cfg(feature = "device")]
    #[error("device number {number}: {reason}")]
    OneDevice {
        /// Its place among them, from 1 on.
        number: usize,
        /// Why.
        reason: link::HostError<ErrorKind>,
    },
    /// The GPU gave no answer.
    #[cfg(feature = "gpu")]
    #[error("{0}")]
    Gpu(#[from] gpu::RunError),
    /// An instruction's output cannot be observed.
    #[error(
        "the output of instruction {instruction} cannot be traced; please report this with the container"
    )]
    Untraceable {
        /// The instruction.
        instruction: u32,
    },
    /// There is nothing to run.
    #[error("a submission needs at least one frame")]
    NoFrames,
    /// The ticket was cancelled or dropped before the frame was done.
    #[error("the run was cancelled")]
    Cancelled,
    /// The engine panicked.
    #[error("the engine failed; please report this with the container")]
    Panicked,
}

impl RunError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            RunError::Frame { .. } => {
                "pass the bytes of all inputs one after another, or a picture, which is brought to size"
            }
            RunError::NoFrames => "pass one frame or more",
            RunError::Cancelled => "run the frame again if its answer is still wanted",
            RunError::Arena(_) | RunError::Fault(_) | RunError::Untraceable { .. } | RunError::Panicked => {
                "this is a defect: report it with the container, and use another engine meanwhile"
            }
            #[cfg(feature = "device")]
            RunError::Device(_) | RunError::OneDevice { .. } => {
                "check the cable and the power, and reset the board"
            }
            #[cfg(feature = "gpu")]
            RunError::Gpu(_) => "open the session again, or run the model on the processor",
        }
    }
}

/// A backend cannot run a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The model cannot be laid out for it.
    #[error("the model cannot be laid out for this backend: {0}")]
    Layout(#[from] ProgramError),
    /// The system gives it no thread.
    #[error("cannot start a thread: {0}")]
    Threads(ErrorKind),
    /// The GPU cannot run it.
    #[cfg(feature = "gpu")]
    #[error("{0}")]
    Gpu(#[from] gpu::PlanError),
    /// There is no device to run it, or it does not run it.
    #[cfg(feature = "device")]
    #[error("{0}")]
    Connect(#[from] crate::device::ConnectError),
    /// One of several devices does not.
    #[cfg(feature = "device")]
    #[error("{place}: {reason}")]
    At {
        /// Which, as on the command line.
        place: String,
        /// Why.
        reason: Box<PrepareError>,
    },
    /// The serial port cannot be opened.
    #[cfg(feature = "device")]
    #[error("{0}")]
    Serial(#[from] crate::device::SerialError),
    /// The emulator cannot be started.
    #[cfg(feature = "device")]
    #[error("{0}")]
    Emulator(#[from] crate::device::EmulatorError),
}

impl PrepareError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            PrepareError::Layout(_) => "the model is too large for this machine: use a smaller one".into(),
            PrepareError::Threads(_) => "use fewer threads".into(),
            #[cfg(feature = "gpu")]
            PrepareError::Gpu(_) => "use `--backend cpu`, which runs every model".into(),
            #[cfg(feature = "device")]
            PrepareError::Connect(error) => error.hint().into(),
            #[cfg(feature = "device")]
            PrepareError::At { reason, .. } => reason.hint(),
            #[cfg(feature = "device")]
            PrepareError::Serial(_) => "check its name, that nobody else uses it, and its permissions".into(),
            #[cfg(feature = "device")]
            PrepareError::Emulator(error) => error.hint(),
        }
    }
}

/// A name that is not known, or of something left out of this build.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("this build has no `{name}` {what}; it has: {known}")]
pub struct NotInThisBuild {
    /// What was asked for.
    pub name: String,
    /// The kind of thing.
    pub what: &'static str,
    /// What there is, comma-separated.
    pub known: String,
}

/// A picture cannot become a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The model takes other things than one image.
    #[error("the model does not take one image")]
    NoImage,
    /// The picture is not what it says, or cannot be brought to the model's size and channels.
    #[error("{0}")]
    Fit(FitError),
    /// The camera's frame is not what it says.
    #[error("{0}")]
    Camera(CameraError),
}

impl PictureError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            PictureError::NoImage => "give the model its inputs as bytes",
            PictureError::Fit(FitError::Conversion { .. }) => {
                "pass a picture with the channels of the model, or with red, green and blue"
            }
            PictureError::Fit(FitError::Length { .. }) => {
                "pass height × width × channels bytes, without gaps between the rows"
            }
            PictureError::Fit(
                FitError::Size(_) | FitError::Channels(_) | FitError::Crop { .. } | FitError::Scratch { .. },
            ) => "pass a picture of another size or number of channels",
            PictureError::Camera(_) => "take sizes and strides of the planes from the camera, plane by plane",
        }
    }
}
