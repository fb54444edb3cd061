//! Runs whose work a device does.

use std::io;

use link::{Host, HostError, Line, ModelState, Patience};

use super::error::ConnectError;
use super::facts::DeviceFacts;
use super::line::AnyLine;
use crate::error::{PrepareError, RunError};
use crate::event::{Event, Observe};
use crate::model::Model;
use crate::pool::{PoolRun, Worker};
use crate::session::Session;
use crate::ticket::Frame;

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Its board, as on the command line.
    pub board: String,
    /// Its kernels.
    pub kernels: String,
    /// Ticks of its clock in a second.
    pub hz: u32,
    /// Bytes of its arena.
    pub arena: u32,
}

/// Has a device run a model that is in its flash.
pub(super) struct DeviceWorker {
    outputs: u16,
    host: Host<AnyLine>,
    identity: DeviceIdentity,
    /// Instructions that have begun and are not complete: those of a tile group take turns.
    open: Vec<Event>,
    /// Counted from 1 among several.
    number: Option<usize>,
}

impl DeviceWorker {
    /// Asks the device at the other end of `line` whether it has `model`.
    pub(super) fn connect(model: &Model, line: AnyLine, patience: Patience) -> Result<Self, ConnectError> {
        let nonce = std::process::id().rotate_left(16);
        let mut host = Host::new(line, patience, nonce);
        let wanted = model.identity();
        let (identity, state) = host
            .identify(|identity| {
                let available = identity.arena;
                let state = match identity.model {
                    ModelState::Ready { identity, .. } if identity == wanted => Ok(()),
                    ModelState::Ready { .. } => Err(ConnectError::OtherModel),
                    ModelState::Absent => Err(ConnectError::Absent),
                    ModelState::Refused { reason, instruction } => {
                        Err(ConnectError::Refused { reason: reason.to_owned(), instruction })
                    }
                    ModelState::DoesNotFit { needed } => Err(ConnectError::DoesNotFit { needed, available }),
                };
                let (board, kernels) = (identity.board.to_owned(), identity.kernels.to_owned());
                (DeviceIdentity { board, kernels, hz: identity.hz, arena: available }, state)
            })
            .map_err(ConnectError::Host)?;
        state?;
        let outputs = model.container().header().outputs;
        Ok(Self { outputs, host, identity, open: Vec::new(), number: None })
    }

    /// Runs what was begun, step by step, and returns the ticks of the device's clock.
    fn trace(&mut self, events: &mut Vec<Event>) -> Result<u64, HostError<io::ErrorKind>> {
        let Self { host, identity, open, .. } = self;
        let hz = u128::from(identity.hz.max(1));
        events.clear();
        open.clear();
        let finished = host.trace(|step| {
            let nanoseconds = (u128::from(step.ticks) * 1_000_000_000 / hz) as u64;
            let event = Event { instruction: step.instruction, hash: step.hash, nanoseconds };
            event.note(open, events, step.complete);
        });
        Ok(finished?.ticks)
    }

    fn run(&mut self, frame: &mut Frame, observe: Observe) -> Result<(), HostError<io::ErrorKind>> {
        self.host.begin(&frame.input)?;
        frame.device = None;
        if observe == Observe::Nothing {
            frame.events.clear();
            self.host.run()?;
        } else {
            let ticks = self.trace(&mut frame.events)?;
            let memory = self.host.memory()?;
            frame.device = Some(DeviceFacts { ticks, hz: self.identity.hz, memory });
        }
        frame.outputs.resize_with(self.outputs.into(), Vec::new);
        for (index, values) in frame.outputs.iter_mut().enumerate() {
            values.clear();
            self.host.output(index as u16, |value| values.push(value))?;
        }
        Ok(())
    }
}

impl Worker for DeviceWorker {
    fn run(&mut self, frame: &mut Frame, observe: Observe, _: &dyn Fn() -> bool) -> Result<(), RunError> {
        DeviceWorker::run(self, frame, observe).map_err(|reason| match self.number {
            None => RunError::Device(reason),
            Some(number) => RunError::OneDevice { number, reason },
        })
    }
}

/// A run of `model` on devices that have it.
pub(super) fn run_on(model: &Model, mut devices: Vec<DeviceWorker>) -> Result<PoolRun, PrepareError> {
    let kernels = distinct(devices.iter().map(|device| device.identity.kernels.as_str()));
    let board = distinct(devices.iter().map(|device| device.identity.board.as_str()));
    if devices.len() > 1 {
        devices.iter_mut().zip(1..).for_each(|(device, number)| device.number = Some(number));
    }
    let boxed = |device| Box::new(device) as Box<dyn Worker>;
    let workers = devices.into_iter().map(boxed).collect();
    PoolRun::new((kernels, Some(board)), model.frame_len(), None, workers)
}

/// Each of `names` once, comma-separated.
fn distinct<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found.join(", ")
}

/// A session of `model` on the device at the other end of `line`, and what it says of itself;
/// `backend` is the name that it goes by.
///
/// # Errors
///
/// [`ConnectError`] where it does not answer, or cannot run this model.
pub fn connect<L: Line<Error = io::ErrorKind> + Send + 'static>(
    model: &Model,
    backend: impl Into<String>,
    line: L,
    patience: Patience,
) -> Result<(Session, DeviceIdentity), PrepareError> {
    let device = DeviceWorker::connect(model, AnyLine::new(line), patience)?;
    let identity = device.identity.clone();
    let run = run_on(model, vec![device])?;
    Ok((Session::new(model.clone(), backend.into(), Box::new(run)), identity))
}
