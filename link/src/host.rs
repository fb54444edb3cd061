//! The host's side: asks, and asks again until there is an answer.

use thiserror::Error;
use wire::crc32;

use crate::frame::{CHUNK, Receiver, Sender, read};
use crate::message::{
    Answer, Finished, Identity, MemoryUse, PROTOCOL, Reply, Request, Stepped, ToDevice, ToHost,
};
use crate::problem::Problem;

/// A serial line with a clock.
pub trait Line {
    /// What may go wrong with it for good.
    type Error;

    /// Sends all of `bytes`.
    ///
    /// # Errors
    ///
    /// Where the line is gone.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Waits for bytes, at most `timeout_ms`, and fills the front of `out` with those
    /// that are there; 0 when the time is over.
    ///
    /// # Errors
    ///
    /// Where the line is gone.
    fn receive(&mut self, out: &mut [u8], timeout_ms: u32) -> Result<usize, Self::Error>;
}

/// How long a host waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Milliseconds of silence after which a request is repeated.
    pub repeat_ms: u32,
    /// Repetitions after which a device counts as gone. The time between them doubles
    /// up to 16 times the first.
    pub repeats: u32,
}

impl Default for Patience {
    /// About half a minute.
    fn default() -> Self {
        Self { repeat_ms: 250, repeats: 12 }
    }
}

/// A request without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostError<E> {
    /// The line is gone.
    #[error("the line to the device failed: {0}")]
    Line(E),
    /// Nothing came back.
    #[error("the device does not answer")]
    Silence,
    /// The device says why.
    #[error("{0}")]
    Device(Problem),
    /// The device speaks another version of the protocol.
    #[error("the device speaks version {found} of the protocol, this program version {PROTOCOL}")]
    Protocol {
        /// Its version.
        found: u16,
    },
    /// The answer is to another question: another version of the protocol.
    #[error("the device gave an answer that does not belong to the question")]
    Unexpected,
    /// More than 4 GiB of input.
    #[error("the inputs are larger than 4 GiB")]
    TooLarge,
}

/// A device at the other end of a line.
#[derive(Debug)]
pub struct Host<L> {
    line: L,
    patience: Patience,
    receiver: Receiver,
    sender: Sender,
    tag: u32,
    run: u32,
    /// Received, and not yet looked at: `arrived[next..end]`.
    arrived: [u8; 256],
    next: usize,
    end: usize,
}

/// Bytes of noise that are as good as silence.
const NOISE: u32 = 1 << 16;

impl<L: Line> Host<L> {
    /// A host that counts its requests and runs from `nonce` on: take another one each
    /// time, lest an answer to an earlier host be taken for one's own.
    pub const fn new(line: L, patience: Patience, nonce: u32) -> Self {
        Self {
            line,
            patience,
            receiver: Receiver::new(),
            sender: Sender::new(),
            tag: nonce,
            run: nonce,
            arrived: [0; 256],
            next: 0,
            end: 0,
        }
    }

    /// The line.
    pub fn line(&mut self) -> &mut L {
        &mut self.line
    }

    /// Asks who is there.
    ///
    /// # Errors
    ///
    /// [`HostError::Protocol`] where it speaks another version.
    pub fn identify<T>(&mut self, mut see: impl FnMut(&Identity<'_>) -> T) -> Result<T, HostError<L::Error>> {
        let identity = self.ask(Request::Identify, |answer| match answer {
            Answer::Identity(identity) if identity.protocol != PROTOCOL => Some(Err(identity.protocol)),
            Answer::Identity(identity) => Some(Ok(see(&identity))),
            _ => None,
        })?;
        identity.map_err(|found| HostError::Protocol { found })
    }

    /// Asks for the memory in use.
    ///
    /// # Errors
    ///
    /// As every request.
    pub fn memory(&mut self) -> Result<MemoryUse, HostError<L::Error>> {
        self.ask(Request::Memory, |answer| match answer {
            Answer::Memory(memory) => Some(memory),
            _ => None,
        })
    }

    /// Sends `inputs`, the bytes of all inputs one after another, for a new run.
    ///
    /// # Errors
    ///
    /// As every request; [`Problem::InputLength`].
    pub fn begin(&mut self, inputs: &[u8]) -> Result<(), HostError<L::Error>> {
        self.run = self.run.wrapping_add(1);
        let run = self.run;
        let len = u32::try_from(inputs.len()).map_err(|_| HostError::TooLarge)?;
        self.accepted(Request::Begin { run, len, crc: crc32(inputs) })?;
        let mut offset = 0u32;
        let mut rest = inputs;
        while !rest.is_empty() {
            let (data, tail) = rest.split_at_checked(CHUNK).unwrap_or((rest, &[]));
            self.accepted(Request::Write { run, offset, data })?;
            offset = offset.wrapping_add(data.len() as u32);
            rest = tail;
        }
        Ok(())
    }

    /// Runs to the end.
    ///
    /// # Errors
    ///
    /// As every request; [`Problem::Checksum`], [`Problem::Fault`].
    pub fn run(&mut self) -> Result<Finished, HostError<L::Error>> {
        self.ask(Request::Run { run: self.run }, |answer| match answer {
            Answer::Finished(finished) => Some(finished),
            _ => None,
        })
    }

    /// Runs step by step to the end and shows each to `see`.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn trace(&mut self, mut see: impl FnMut(Stepped)) -> Result<Finished, HostError<L::Error>> {
        let mut step = 0u32;
        loop {
            let answer = self.ask(Request::Advance { run: self.run, step }, |answer| match answer {
                Answer::Stepped(stepped) => Some(Ok(stepped)),
                Answer::Finished(finished) => Some(Err(finished)),
                _ => None,
            })?;
            match answer {
                Ok(stepped) => see(stepped),
                Err(finished) => return Ok(finished),
            }
            step = step.wrapping_add(1);
        }
    }

    /// Reads output `output` of the finished run and shows each value to `see`, in
    /// logical order.
    ///
    /// # Errors
    ///
    /// As every request; [`Problem::Output`].
    pub fn output(&mut self, output: u16, mut see: impl FnMut(i32)) -> Result<(), HostError<L::Error>> {
        let (run, mut first) = (self.run, 0u32);
        loop {
            let (count, total) = self.ask(Request::Read { run, output, first }, |answer| {
                let Answer::Values { total, data } = answer else { return None };
                if data.len() % 4 != 0 {
                    return None;
                }
                let mut rest = data;
                while let Some((&value, behind)) = rest.split_first_chunk() {
                    see(i32::from_le_bytes(value));
                    rest = behind;
                }
                Some((data.len() as u32 / 4, total))
            })?;
            first = first.saturating_add(count);
            if first >= total {
                return Ok(());
            }
            if count == 0 {
                return Err(HostError::Unexpected);
            }
        }
    }

    fn accepted(&mut self, request: Request<'_>) -> Result<(), HostError<L::Error>> {
        self.ask(request, |answer| matches!(answer, Answer::Accepted).then_some(()))
    }

    /// Asks until there is an answer that `take` makes something of.
    fn ask<T>(
        &mut self,
        request: Request<'_>,
        mut take: impl FnMut(Answer<'_>) -> Option<T>,
    ) -> Result<T, HostError<L::Error>> {
        self.tag = self.tag.wrapping_add(1);
        let tag = self.tag;
        let mut repeats = 0;
        while repeats <= self.patience.repeats {
            let frame = self.sender.frame(&ToDevice { tag, request }).ok_or(HostError::TooLarge)?;
            self.line.send(frame).map_err(HostError::Line)?;
            let timeout = self.patience.repeat_ms.saturating_mul(1 << repeats.min(4));
            match self.await_answer(tag, timeout, &mut take)? {
                Waited::Answer(answer) => return Ok(answer),
                // The device is at work: ask again as if for the first time.
                Waited::Busy => repeats = 0,
                Waited::Silence => repeats += 1,
            }
        }
        Err(HostError::Silence)
    }

    /// Reads until the answer with `tag` is there, or nothing comes for `timeout`.
    fn await_answer<T>(
        &mut self,
        tag: u32,
        timeout: u32,
        take: &mut impl FnMut(Answer<'_>) -> Option<T>,
    ) -> Result<Waited<T>, HostError<L::Error>> {
        let (mut noise, mut busy) = (0, false);
        while noise < NOISE {
            if self.next >= self.end {
                let arrived = self.line.receive(&mut self.arrived, timeout).map_err(HostError::Line)?;
                (self.next, self.end) = (0, arrived);
                if arrived == 0 {
                    break;
                }
            }
            let Some(&byte) = self.arrived.get(self.next) else { break };
            self.next += 1;
            noise += 1;
            let Some(Ok(content)) = self.receiver.push(byte) else { continue };
            let Some(ToHost { tag: answered, reply }) = read::<ToHost<'_>>(content) else { continue };
            if answered != tag {
                continue;
            }
            match reply {
                Reply::Log(_) => {}
                Reply::Problem(problem) => return Err(HostError::Device(problem)),
                Reply::Answer(Answer::Busy { .. }) => busy = true,
                Reply::Answer(answer) => {
                    return take(answer).map(Waited::Answer).ok_or(HostError::Unexpected);
                }
            }
        }
        Ok(if busy { Waited::Busy } else { Waited::Silence })
    }
}

enum Waited<T> {
    Answer(T),
    Busy,
    Silence,
}
