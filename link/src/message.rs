//! The messages. Records are never edited: a variant is appended, or [`PROTOCOL`] changes.

use serde::{Deserialize, Serialize};

use crate::frame::read;
use crate::problem::Problem;

/// Version of the protocol, which the first message tells.
pub const PROTOCOL: u16 = 1;

/// A request with the number that its answer repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToDevice<'a> {
    /// Another one for every request; the same when a request is repeated.
    pub tag: u32,
    /// What is asked.
    #[serde(borrow)]
    pub request: Request<'a>,
}

/// An answer with the number of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToHost<'a> {
    /// The request's.
    pub tag: u32,
    /// What is answered.
    #[serde(borrow)]
    pub reply: Reply<'a>,
}

/// What a host asks. A request that arrives twice in a row does no more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Who is there? Answered by [`Answer::Identity`].
    Identify,
    /// Starts to fill the inputs of a new run, and abandons any other.
    Begin {
        /// The host's number for the run.
        run: u32,
        /// Bytes of all inputs together.
        len: u32,
        /// Their checksum, see [`crc32`](crate::crc32).
        crc: u32,
    },
    /// Bytes of the inputs, at most [`CHUNK`](crate::CHUNK).
    Write {
        /// The run.
        run: u32,
        /// Where the bytes go, counted over all inputs.
        offset: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// Runs to the end. Answered by [`Answer::Finished`] when it is there; a repetition
    /// in between by [`Answer::Busy`].
    Run {
        /// The run.
        run: u32,
    },
    /// Runs one step, and hashes what it wrote. Answered by [`Answer::Stepped`], after
    /// the last step by [`Answer::Finished`].
    Advance {
        /// The run.
        run: u32,
        /// Steps done before; one less asks for the last answer again.
        step: u32,
    },
    /// Values of an output of the run that is finished, as many as fit.
    Read {
        /// The run.
        run: u32,
        /// The output's index.
        output: u16,
        /// Logical index of the first value.
        first: u32,
    },
    /// How much memory was in use at most.
    Memory,
}

impl Request<'_> {
    /// Whether it is about a run, and not about the device.
    pub(crate) fn concerns_a_run(&self) -> bool {
        match self {
            Request::Identify | Request::Memory => false,
            Request::Begin { .. }
            | Request::Write { .. }
            | Request::Run { .. }
            | Request::Advance { .. }
            | Request::Read { .. } => true,
        }
    }
}

/// What a device says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// The answer.
    #[serde(borrow)]
    Answer(Answer<'a>),
    /// There is none.
    Problem(Problem),
    /// Answers no request: the tag says nothing. [`Device::log`](crate::Device::log) sends it,
    /// in a message of its own; other senders refuse it.
    #[serde(borrow, skip_serializing)]
    Log(Log<'a>),
}

/// A frame of the device's log, which may come at any time. A host that keeps none passes
/// over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log<'a> {
    /// How many frames the device has logged before, modulo 2³²: those left out were lost.
    pub number: u32,
    /// One whole frame as the device's logger made it, at most [`CHUNK`](crate::CHUNK) bytes.
    pub frame: &'a [u8],
}

/// A [`ToHost`] with a [`Reply::Log`], in the same bytes. A type of its own, so that a device
/// that logs nothing has no code for it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LogToHost<'a> {
    tag: u32,
    variant: u32,
    log: Log<'a>,
}

impl<'a> From<Log<'a>> for LogToHost<'a> {
    fn from(log: Log<'a>) -> Self {
        // The third variant.
        Self { tag: 0, variant: 2, log }
    }
}

/// The frame of a log that a message holds, by the content that
/// [`Receiver::push`](crate::Receiver::push) gives; `None` where it is another message.
pub fn log_of(content: &[u8]) -> Option<Log<'_>> {
    match read::<ToHost<'_>>(content)?.reply {
        Reply::Log(log) => Some(log),
        Reply::Answer(_) | Reply::Problem(_) => None,
    }
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To [`Request::Identify`].
    #[serde(borrow)]
    Identity(Identity<'a>),
    /// To [`Request::Begin`] and [`Request::Write`].
    Accepted,
    /// To a repeated [`Request::Run`]: not finished.
    Busy {
        /// Steps done.
        steps: u32,
    },
    /// The run is finished, its outputs can be read.
    Finished(Finished),
    /// To [`Request::Advance`].
    Stepped(Stepped),
    /// To [`Request::Read`].
    Values {
        /// Values of the whole output.
        total: u32,
        /// i32, little-endian.
        data: &'a [u8],
    },
    /// To [`Request::Memory`].
    Memory(MemoryUse),
}

/// Who a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity<'a> {
    /// [`PROTOCOL`] of the device. Stays first for ever.
    pub protocol: u16,
    /// Its board, as on the command line.
    pub board: &'a str,
    /// Its kernels.
    pub kernels: &'a str,
    /// Ticks of its clock in a second.
    pub hz: u32,
    /// Bytes of its arena.
    pub arena: u32,
    /// The model in its flash.
    pub model: ModelState<'a>,
}

/// The model in a device's flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelState<'a> {
    /// Checked, and ready to run.
    Ready {
        /// SHA-256 of its canonical content.
        identity: [u8; 32],
        /// Bytes of all inputs together.
        input: u32,
        /// Bytes of arena that it needs.
        arena: u32,
        /// Its instructions, control records included.
        instructions: u32,
        /// Its outputs.
        outputs: u16,
    },
    /// Where it should be there is none.
    Absent,
    /// It is damaged, or no program.
    Refused {
        /// What is wrong, in words.
        reason: &'a str,
        /// The instruction that is wrong, if it is one.
        instruction: Option<u32>,
    },
    /// It needs more arena than there is.
    DoesNotFit {
        /// Bytes that it needs.
        needed: u32,
    },
}

/// The cost of a finished run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Steps done.
    pub steps: u32,
    /// Ticks of the device's clock spent in steps.
    pub ticks: u64,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stepped {
    /// The instruction.
    pub instruction: u32,
    /// Ticks of the device's clock.
    pub ticks: u64,
    /// Hash of what it wrote; those of all steps of an instruction add up (wrapping) to
    /// the hash of its output.
    pub hash: u64,
    /// Whether the instruction's output is now complete.
    pub complete: bool,
}

/// Memory in use at most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Of the stack since the start.
    pub stack: u32,
    /// Of the stack, in all.
    pub stack_size: u32,
    /// Of the arena by the model.
    pub arena: u32,
    /// Of the arena, in all.
    pub arena_size: u32,
    /// Of the model's container in flash.
    pub model: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{CHUNK, MAX_MESSAGE};

    fn len<T: Serialize>(message: &T) -> usize {
        postcard::to_slice(message, &mut [0; MAX_MESSAGE]).expect("fits").len()
    }

    /// The largest of each kind that carries data fits.
    #[test]
    fn the_largest_messages_fit() {
        let (data, tag) = (&[0xff; CHUNK][..], u32::MAX);
        let request = Request::Write { run: u32::MAX, offset: u32::MAX, data };
        assert!(len(&ToDevice { tag, request }) <= MAX_MESSAGE);
        let reply = Reply::Answer(Answer::Values { total: u32::MAX, data });
        assert!(len(&ToHost { tag, reply }) <= MAX_MESSAGE);
        assert!(len(&LogToHost::from(Log { number: u32::MAX, frame: data })) <= MAX_MESSAGE);
        assert_eq!(CHUNK % 4, 0);
    }

    /// A changed byte is a changed protocol.
    #[test]
    fn pinned_bytes() {
        let mut buffer = [0; 64];
        let request = Request::Begin { run: 2, len: 784, crc: 1 };
        let bytes = postcard::to_slice(&ToDevice { tag: 300, request }, &mut buffer).expect("fits");
        assert_eq!(bytes, [0xac, 2, 1, 2, 0x90, 6, 1]);
        let reply = Reply::Problem(Problem::Fault { step: 5 });
        assert_eq!(postcard::to_slice(&ToHost { tag: 1, reply }, &mut buffer).expect("fits"), [1, 1, 9, 5]);
        let stepped = Stepped { instruction: 1, ticks: 2, hash: 3, complete: true };
        let reply = Reply::Answer(Answer::Stepped(stepped));
        assert_eq!(
            postcard::to_slice(&ToHost { tag: 1, reply }, &mut buffer).expect("fits"),
            [1, 0, 4, 1, 2, 3, 1]
        );
        let log = Log { number: 300, frame: &[9, 8] };
        let bytes = postcard::to_slice(&LogToHost::from(log), &mut buffer).expect("fits");
        assert_eq!(bytes, [0, 2, 0xac, 2, 2, 9, 8]);
        assert_eq!(read(bytes), Some(ToHost { tag: 0, reply: Reply::Log(log) }));
        assert_eq!(log_of(bytes), Some(log));
    }

    /// A host from before [`Log`] takes none for an answer, nor will today's host what is
    /// appended after it.
    #[test]
    fn unknown_replies_are_no_messages() {
        #[derive(Debug, PartialEq, Deserialize)]
        enum Before<'a> {
            #[serde(borrow)]
            Answer(Answer<'a>),
            Problem(Problem),
        }
        let mut buffer = [0; 64];
        let log = LogToHost::from(Log { number: 0, frame: &[0, 1] });
        let log = postcard::to_slice(&log, &mut buffer).expect("fits");
        assert_eq!(read::<(u32, Before<'_>)>(log), None);
        log[1] += 1;
        assert_eq!(read::<ToHost<'_>>(log), None);
        let reply = Reply::Problem(Problem::Order);
        let problem = postcard::to_slice(&ToHost { tag: 7, reply }, &mut buffer).expect("fits");
        assert_eq!(read(problem), Some((7u32, Before::Problem(Problem::Order))));
    }
}
