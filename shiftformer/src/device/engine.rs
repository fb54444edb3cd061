//! An engine whose work a device does.

use std::collections::BTreeMap;
use std::io;

use link::{Host, HostError, Line, ModelState, Patience};
use quant::op::OpKind;
use runtime::Model;
use thiserror::Error;

use crate::engine::{DeviceFacts, Engine, TraceEvent};
use crate::error::EngineError;

/// Runs a model on a device that has it in its flash.
#[derive(Debug)]
pub struct DeviceEngine<'m, L> {
    model: Model<'m>,
    backend: String,
    host: Host<L>,
    identity: DeviceIdentity,
    /// Ticks of the last run.
    ticks: u64,
}

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

impl<'m, L: Line<Error = io::ErrorKind>> DeviceEngine<'m, L> {
    /// Asks the device at the other end of `line` whether it has `model`; `backend` is
    /// the name the engine goes by.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] where it does not answer, or cannot run this model.
    pub fn connect(
        model: &Model<'m>,
        backend: String,
        line: L,
        patience: Patience,
    ) -> Result<Self, ConnectError> {
        let nonce = std::process::id().rotate_left(16);
        let mut host = Host::new(line, patience, nonce);
        let (identity, state) = host
            .identify(|identity| {
                let available = identity.arena;
                let state = match identity.model {
                    ModelState::Ready { identity, .. } if identity == *model.identity() => Ok(()),
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
        Ok(Self { model: *model, backend, host, identity, ticks: 0 })
    }

    /// What the device says of itself.
    pub fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }

    fn begin(&mut self, frame: &[u8]) -> Result<(), EngineError> {
        let expected = self.model.inputs().map(|input| input.slot.bytes() as usize).sum();
        if frame.len() != expected {
            return Err(EngineError::Frame { expected, found: frame.len() });
        }
        self.host.begin(frame).map_err(EngineError::Device)
    }
}

impl<L: Line<Error = io::ErrorKind> + Send> Engine for DeviceEngine<'_, L> {
    fn name(&self) -> &str {
        &self.backend
    }

    fn kernels(&self) -> &str {
        &self.identity.kernels
    }

    fn run(&mut self, frame: &[u8], outputs: &mut Vec<Vec<i32>>) -> Result<(), EngineError> {
        self.begin(frame)?;
        self.ticks = self.host.run().map_err(EngineError::Device)?.ticks;
        outputs.resize_with(self.model.outputs().count(), Vec::new);
        for (index, values) in outputs.iter_mut().enumerate() {
            values.clear();
            self.host.output(index as u16, |value| values.push(value)).map_err(EngineError::Device)?;
        }
        Ok(())
    }

    fn trace(&mut self, frame: &[u8], observer: &mut dyn FnMut(&TraceEvent<'_>)) -> Result<(), EngineError> {
        self.begin(frame)?;
        let instructions: Vec<(&str, OpKind)> =
            self.model.instructions().map(|instruction| (instruction.name, instruction.op.kind())).collect();
        // Instructions of a tile group take turns, so several may be incomplete.
        let mut open: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        let (hz, mut unknown) = (u128::from(self.identity.hz.max(1)), None);
        let finished = self.host.trace(|step| {
            let (hash, ticks) = open.entry(step.instruction).or_default();
            *hash = hash.wrapping_add(step.hash);
            *ticks = ticks.saturating_add(step.ticks);
            let Some(&(name, kind)) = instructions.get(step.instruction as usize) else {
                unknown = Some(step.instruction);
                return;
            };
            let complete = step.complete.then(|| open.remove(&step.instruction)).flatten();
            if let Some((hash, ticks)) = complete {
                let nanoseconds = (u128::from(ticks) * 1_000_000_000 / hz) as u64;
                observer(&TraceEvent {
                    index: step.instruction,
                    name,
                    kind,
                    hash,
                    nanoseconds,
                    values: None,
                });
            }
        });
        self.ticks = finished.map_err(EngineError::Device)?.ticks;
        unknown.map_or(Ok(()), |index| Err(EngineError::Untraceable { index }))
    }

    fn device(&mut self) -> Result<Option<DeviceFacts>, EngineError> {
        let memory = self.host.memory().map_err(EngineError::Device)?;
        Ok(Some(DeviceFacts { ticks: self.ticks, hz: self.identity.hz, memory }))
    }
}
