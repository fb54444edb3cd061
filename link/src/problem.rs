//! Why a device has no answer, and how it is said.

use core::error::Error;
use core::fmt;

use serde::{Deserialize, Serialize};

/// Why a device has no answer. After any of them it takes the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Problem {
    /// The frame is sound, its content is not a request: another version of the protocol.
    UnknownRequest,
    /// There is no model, or it was refused.
    NoModel,
    /// Another run is in progress, or none.
    UnknownRun,
    /// The inputs take another number of bytes.
    InputLength {
        /// Bytes of all inputs together.
        expected: u32,
    },
    /// A chunk reaches past the inputs.
    Offset,
    /// The inputs as they arrived have another checksum.
    Checksum,
    /// A step is asked for that is not the next.
    Order,
    /// There is no such output, or not so many values.
    Output,
    /// The run is not finished.
    NotFinished,
    /// An instruction failed, which a checked model does not.
    Fault {
        /// Steps done before.
        step: u32,
    },
    /// The stack has reached its end.
    StackOverflow,
}

/// The words of each problem, once: as constants, and for a log, whose texts are not in flash.
macro_rules! words {
    ($($problem:pat => $text:literal,)*) => {
        impl Problem {
            /// What is wrong, as a clause without the details.
            pub const fn message(self) -> &'static str {
                match self { $($problem => $text,)* }
            }

            #[cfg(feature = "defmt")]
            fn interned(self) -> defmt::Str {
                match self { $($problem => defmt::intern!($text),)* }
            }
        }
    };
}

words! {
    Problem::UnknownRequest => "the device does not know the request: it speaks another version of the protocol",
    Problem::NoModel => "the device has no model that it can run",
    Problem::UnknownRun => "the device does not know the run: it was reset, or serves another host or a camera",
    Problem::InputLength { .. } => "the model's inputs take another number of bytes",
    Problem::Offset => "a chunk reaches past the end of the inputs",
    Problem::Checksum => "the inputs did not arrive as they were sent",
    Problem::Order => "steps were asked for out of order",
    Problem::Output => "the model has no such output",
    Problem::NotFinished => "the run is not finished",
    Problem::Fault { .. } => "a step failed: the model in flash has changed since it was checked",
    Problem::StackOverflow => "the device's stack is used up",
}

impl Problem {
    /// The number that belongs to the message, and what it is.
    const fn detail(self) -> Option<(&'static str, u32)> {
        match self {
            Problem::InputLength { expected } => Some(("expected", expected)),
            Problem::Fault { step } => Some(("step", step)),
            Problem::UnknownRequest
            | Problem::NoModel
            | Problem::UnknownRun
            | Problem::Offset
            | Problem::Checksum
            | Problem::Order
            | Problem::Output
            | Problem::NotFinished
            | Problem::StackOverflow => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        match self.detail() {
            Some((what, number)) => write!(f, " ({what} {number})"),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Problem {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.detail() {
            Some((what, number)) => {
                defmt::write!(f, "{=istr} ({=str} {=u32})", self.interned(), what, number);
            }
            None => defmt::write!(f, "{=istr}", self.interned()),
        }
    }
}

impl Error for Problem {}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn words_have_the_details() {
        let text = |problem: Problem| problem.to_string();
        assert_eq!(text(Problem::NoModel), Problem::NoModel.message());
        assert_eq!(
            text(Problem::InputLength { expected: 784 }),
            "the model's inputs take another number of bytes (expected 784)"
        );
        assert_eq!(
            text(Problem::Fault { step: 5 }),
            "a step failed: the model in flash has changed since it was checked (step 5)"
        );
    }
}
