//! The device's side: answers requests, and runs the program between them.

use embedded_io::{Read, ReadReady, Write};
use serde::Deserialize;

use crate::frame::{CHUNK, Damaged, Receiver, Sender, read};
use crate::message::{
    Answer, Finished, Identity, Log, LogToHost, MemoryUse, ModelState, Reply, Request, Stepped, ToDevice,
    ToHost,
};
use crate::problem::Problem;

/// What runs the program.
pub trait Target {
    /// Who it is, and with which model.
    fn identity(&self) -> Identity<'_>;

    /// Memory in use at most.
    fn memory(&self) -> MemoryUse;

    /// Abandons the run in progress, if any.
    fn restart(&mut self);

    /// Writes `data` into the inputs, `offset` counted over all of them.
    ///
    /// # Errors
    ///
    /// [`Problem::Offset`] where it reaches past their end.
    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Problem>;

    /// [`crc32`](crate::crc32) of all inputs one after another.
    fn checksum(&mut self) -> u32;

    /// Runs one step, and hashes what it wrote where `hash` asks for that (it is zero
    /// otherwise). `None` at the end of the program.
    ///
    /// # Errors
    ///
    /// [`Problem::Fault`], [`Problem::StackOverflow`].
    fn step(&mut self, hash: bool) -> Result<Option<Stepped>, Problem>;

    /// Fills `out` with values of output `output` from the logical index `first` on, as
    /// i32, little-endian, as many as fit or are left; the bytes filled, and the values
    /// of the whole output.
    ///
    /// # Errors
    ///
    /// [`Problem::Output`] where there is no such output.
    fn read(&mut self, output: u16, first: u32, out: &mut [u8]) -> Result<(usize, u32), Problem>;

    /// Takes note of what has happened on the line, for a log.
    fn note(&mut self, event: Event) {
        let _ = event;
    }
}

/// What a person who looks at a device wants to know of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A frame arrived damaged, and was dropped.
    Damaged,
    /// A request, or a run, ended in a problem.
    Refused(Problem),
    /// A run began: its inputs are on the way.
    Begun {
        /// The host's number for it.
        run: u32,
    },
    /// A run came to its end.
    Ended {
        /// The host's number for it.
        run: u32,
        /// Its cost.
        done: Finished,
    },
}

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Filling { run: u32, crc: u32 },
    Running { run: u32, tag: u32, done: Finished },
    Tracing { run: u32, done: Finished, last: Option<Stepped> },
    Finished { run: u32, done: Finished },
    Failed { run: u32, problem: Problem },
}

impl State {
    fn is_run(&self, number: u32) -> bool {
        match *self {
            State::Idle => false,
            State::Filling { run, .. }
            | State::Running { run, .. }
            | State::Tracing { run, .. }
            | State::Finished { run, .. }
            | State::Failed { run, .. } => run == number,
        }
    }
}

/// Serves one line.
#[derive(Debug)]
pub struct Device {
    receiver: Receiver,
    sender: Sender,
    state: State,
    values: [u8; CHUNK],
    requests: u32,
}

impl Device {
    /// Without a run.
    pub const fn new() -> Self {
        Self {
            receiver: Receiver::new(),
            sender: Sender::new(),
            state: State::Idle,
            values: [0; CHUNK],
            requests: 0,
        }
    }

    /// Whether a program is being run: [`poll`](Self::poll) at once, do not sleep.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Requests so far that concern a run, modulo 2³²: while it grows, a host is at work.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Forgets the host's run, so that the application may use the program for itself: what
    /// the host asks about that run ends in [`Problem::UnknownRun`].
    pub fn abandon(&mut self) {
        self.state = State::Idle;
    }

    /// Reads what has arrived, answers at most one request, and runs at most one step.
    ///
    /// # Errors
    ///
    /// Those of the line; the next call goes on.
    pub fn poll<P: Read + ReadReady + Write, T: Target>(
        &mut self,
        port: &mut P,
        target: &mut T,
    ) -> Result<(), P::Error> {
        let mut byte = [0];
        while port.read_ready()? {
            if port.read(&mut byte)? == 0 {
                break;
            }
            let [byte] = byte;
            let content = match self.receiver.push(byte) {
                Some(Ok(content)) => content,
                // It gets no answer: the host asks again.
                Some(Err(Damaged)) => {
                    target.note(Event::Damaged);
                    continue;
                }
                None => continue,
            };
            let (tag, reply) = match read::<ToDevice<'_>>(content) {
                Some(ToDevice { tag, request }) => {
                    self.requests = self.requests.wrapping_add(u32::from(request.concerns_a_run()));
                    (tag, answer(&mut self.state, &mut self.values, tag, request, target))
                }
                None => {
                    let tag = u32::deserialize(&mut wire::Reader::new(content)).unwrap_or(0);
                    (tag, Some(Reply::Problem(Problem::UnknownRequest)))
                }
            };
            if let Some(reply) = reply {
                let problem = if let Reply::Problem(problem) = reply { Some(problem) } else { None };
                let sent = send(&mut self.sender, port, tag, reply);
                if let Some(problem) = problem {
                    target.note(Event::Refused(problem));
                }
                sent?;
            }
            break;
        }
        self.step(port, target)
    }

    /// Sends a frame of the device's log, between any two calls of [`poll`](Self::poll). One
    /// that is larger than [`CHUNK`] is dropped.
    ///
    /// # Errors
    ///
    /// Those of the line.
    pub fn log<P: Write>(&mut self, port: &mut P, log: Log<'_>) -> Result<(), P::Error> {
        let frame = self.sender.frame(&LogToHost::from(log));
        frame.map_or(Ok(()), |frame| transmit(port, frame))
    }

    /// One step of a run that a host waits for.
    fn step<P: Write, T: Target>(&mut self, port: &mut P, target: &mut T) -> Result<(), P::Error> {
        let State::Running { run, tag, done } = self.state else { return Ok(()) };
        let (state, reply) = match target.step(false) {
            Ok(Some(step)) => {
                self.state = State::Running { run, tag, done: add(done, step) };
                return Ok(());
            }
            Ok(None) => {
                target.note(Event::Ended { run, done });
                (State::Finished { run, done }, Reply::Answer(Answer::Finished(done)))
            }
            Err(problem) => {
                target.note(Event::Refused(problem));
                (State::Failed { run, problem }, Reply::Problem(problem))
            }
        };
        self.state = state;
        send(&mut self.sender, port, tag, reply)
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

fn add(done: Finished, step: Stepped) -> Finished {
    Finished { steps: done.steps.saturating_add(1), ticks: done.ticks.saturating_add(step.ticks) }
}

fn send<P: Write>(sender: &mut Sender, port: &mut P, tag: u32, reply: Reply<'_>) -> Result<(), P::Error> {
    // A message that does not fit is one with an overlong name of the board.
    let Some(frame) = sender.frame(&ToHost { tag, reply }) else { return Ok(()) };
    transmit(port, frame)
}

fn transmit<P: Write>(port: &mut P, frame: &[u8]) -> Result<(), P::Error> {
    let mut rest = frame;
    while !rest.is_empty() {
        let written = port.write(rest)?;
        rest = rest.get(written..).unwrap_or(&[]);
    }
    port.flush()
}

/// The reply to a request, unless it comes later.
fn answer<'a, T: Target>(
    state: &mut State,
    values: &'a mut [u8; CHUNK],
    tag: u32,
    request: Request<'_>,
    target: &'a mut T,
) -> Option<Reply<'a>> {
    let answer = match request {
        Request::Identify => Ok(Answer::Identity(target.identity())),
        Request::Memory => Ok(Answer::Memory(target.memory())),
        Request::Begin { run, len, crc } => begin(state, run, len, crc, target),
        Request::Write { run, offset, data } => match *state {
            State::Filling { run: filling, .. } if filling == run => {
                target.write(offset, data).map(|()| Answer::Accepted)
            }
            _ => Err(Problem::UnknownRun),
        },
        Request::Run { run } => return start(state, run, tag, target).map(into_reply),
        Request::Advance { run, step } => advance(state, run, step, target),
        Request::Read { run, output, first } => match *state {
            State::Finished { run: finished, .. } if finished == run => {
                match target.read(output, first, values) {
                    Ok((len, total)) => Ok(Answer::Values { total, data: values.get(..len).unwrap_or(&[]) }),
                    Err(problem) => Err(problem),
                }
            }
            State::Failed { run: failed, problem } if failed == run => Err(problem),
            other if other.is_run(run) => Err(Problem::NotFinished),
            _ => Err(Problem::UnknownRun),
        },
    };
    Some(into_reply(answer))
}

fn into_reply(answer: Result<Answer<'_>, Problem>) -> Reply<'_> {
    match answer {
        Ok(answer) => Reply::Answer(answer),
        Err(problem) => Reply::Problem(problem),
    }
}

fn begin<T: Target>(
    state: &mut State,
    run: u32,
    len: u32,
    crc: u32,
    target: &mut T,
) -> Result<Answer<'static>, Problem> {
    *state = State::Idle;
    let ModelState::Ready { input, .. } = target.identity().model else { return Err(Problem::NoModel) };
    if len != input {
        return Err(Problem::InputLength { expected: input });
    }
    target.restart();
    target.note(Event::Begun { run });
    *state = State::Filling { run, crc };
    Ok(Answer::Accepted)
}

/// Starts a run, or says where it stands.
fn start<T: Target>(
    state: &mut State,
    number: u32,
    tag: u32,
    target: &mut T,
) -> Option<Result<Answer<'static>, Problem>> {
    match *state {
        State::Filling { run, crc } if run == number => {
            if target.checksum() != crc {
                return Some(Err(Problem::Checksum));
            }
            *state = State::Running { run, tag, done: Finished { steps: 0, ticks: 0 } };
            None
        }
        State::Running { run, done, .. } if run == number => {
            *state = State::Running { run, tag, done };
            Some(Ok(Answer::Busy { steps: done.steps }))
        }
        State::Finished { run, done } if run == number => Some(Ok(Answer::Finished(done))),
        State::Failed { run, problem } if run == number => Some(Err(problem)),
        State::Tracing { run, .. } if run == number => Some(Err(Problem::Order)),
        _ => Some(Err(Problem::UnknownRun)),
    }
}

/// Runs step number `step`, or repeats what the last one gave.
fn advance<T: Target>(
    state: &mut State,
    number: u32,
    step: u32,
    target: &mut T,
) -> Result<Answer<'static>, Problem> {
    let (run, done, last) = match *state {
        State::Filling { run, crc } if run == number => {
            if target.checksum() != crc {
                return Err(Problem::Checksum);
            }
            (run, Finished { steps: 0, ticks: 0 }, None)
        }
        State::Tracing { run, done, last } if run == number => (run, done, last),
        State::Finished { run, done } if run == number && step == done.steps => {
            return Ok(Answer::Finished(done));
        }
        State::Failed { run, problem } if run == number => return Err(problem),
        other if other.is_run(number) => return Err(Problem::Order),
        _ => return Err(Problem::UnknownRun),
    };
    if let Some(last) = last.filter(|_| step.checked_add(1) == Some(done.steps)) {
        return Ok(Answer::Stepped(last));
    }
    if step != done.steps {
        return Err(Problem::Order);
    }
    match target.step(true) {
        Ok(Some(stepped)) => {
            *state = State::Tracing { run, done: add(done, stepped), last: Some(stepped) };
            Ok(Answer::Stepped(stepped))
        }
        Ok(None) => {
            target.note(Event::Ended { run, done });
            *state = State::Finished { run, done };
            Ok(Answer::Finished(done))
        }
        Err(problem) => {
            *state = State::Failed { run, problem };
            Err(problem)
        }
    }
}
