//! One face for everything that runs a model.

use std::collections::BTreeMap;
use std::time::Instant;

use quant::Kernels;
use quant::hash::hash;
use quant::op::OpKind;
use quant::ops::Tensor;
use runtime::{Fault, Model, Progress, Session};

use crate::aligned::AlignedBytes;
use crate::error::EngineError;

/// Runs one model, one frame at a time.
pub trait Engine: Send {
    /// The backend, as on the command line.
    fn name(&self) -> &str;

    /// The kernels in use.
    fn kernels(&self) -> &str;

    /// Runs `frame`, the bytes of all inputs one after another, and replaces `outputs`
    /// with the values of every output.
    ///
    /// # Errors
    ///
    /// [`EngineError::Frame`] for a frame of another size; others mean a defect.
    fn run(&mut self, frame: &[u8], outputs: &mut Vec<Vec<i32>>) -> Result<(), EngineError>;

    /// Runs `frame` and reports every instruction when its output is complete.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    fn trace(&mut self, frame: &[u8], observer: &mut dyn FnMut(&TraceEvent<'_>)) -> Result<(), EngineError>;

    /// What a device says of its last run and its memory; `None` on this machine.
    ///
    /// # Errors
    ///
    /// Where the device does not answer.
    #[cfg(feature = "device")]
    fn device(&mut self) -> Result<Option<DeviceFacts>, EngineError> {
        Ok(None)
    }
}

/// What a device says of its last run and its memory.
#[cfg(feature = "device")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// Ticks of its clock in the steps of its last run.
    pub ticks: u64,
    /// Ticks in a second.
    pub hz: u32,
    /// Memory in use at most.
    pub memory: link::MemoryUse,
}

/// An instruction whose output is complete.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceEvent<'e> {
    /// Its index in the program.
    pub index: u32,
    /// Its name; empty when the container is stripped of names.
    pub name: &'e str,
    /// Its op.
    pub kind: OpKind,
    /// Hash of its output, as [`quant::hash`] defines it: the same on every engine.
    pub hash: u64,
    /// Time spent in it, in nanoseconds.
    pub nanoseconds: u64,
    /// Its whole output in logical order, where the engine can give it.
    pub values: Option<&'e [i32]>,
}

/// Runs a model in this process with a set of [`Kernels`].
#[derive(Debug)]
pub struct KernelEngine<'m, K> {
    model: Model<'m>,
    backend: &'static str,
    kernels: K,
    arena: AlignedBytes,
}

impl<'m, K: Kernels> KernelEngine<'m, K> {
    /// An engine with an arena of exactly [`Model::arena_len`] bytes; `backend` is the
    /// name it goes by.
    pub fn new(model: &Model<'m>, backend: &'static str, kernels: K) -> Self {
        Self { model: *model, backend, kernels, arena: AlignedBytes::zeroed(model.arena_len()) }
    }

    /// A session with its inputs filled, and the kernels to run it.
    fn start(&mut self, frame: &[u8]) -> Result<(Session<'_, '_>, &mut K), EngineError> {
        let expected = self.model.inputs().map(|input| input.slot.bytes() as usize).sum();
        if frame.len() != expected {
            return Err(EngineError::Frame { expected, found: frame.len() });
        }
        let session = Session::new(&self.model, self.arena.bytes_mut());
        let mut session = session.map_err(EngineError::Arena)?;
        let mut rest = frame;
        for index in 0..self.model.inputs().count() {
            let input = session.input(index).ok_or(EngineError::Fault(Fault::Bounds))?;
            let (bytes, tail) = rest.split_at(input.len());
            input.copy_from_slice(bytes);
            rest = tail;
        }
        Ok((session, &mut self.kernels))
    }
}

impl<K: Kernels + Send> Engine for KernelEngine<'_, K> {
    fn name(&self) -> &str {
        self.backend
    }

    fn kernels(&self) -> &str {
        self.kernels.name()
    }

    fn run(&mut self, frame: &[u8], outputs: &mut Vec<Vec<i32>>) -> Result<(), EngineError> {
        let (mut session, kernels) = self.start(frame)?;
        session.run(kernels).map_err(EngineError::Fault)?;
        outputs.resize_with(session.model().outputs().count(), Vec::new);
        for (index, values) in outputs.iter_mut().enumerate() {
            let output = session.output(index).ok_or(EngineError::Fault(Fault::Bounds))?;
            values.clear();
            store(values, 0, output);
        }
        Ok(())
    }

    fn trace(&mut self, frame: &[u8], observer: &mut dyn FnMut(&TraceEvent<'_>)) -> Result<(), EngineError> {
        let model = self.model;
        let names: Vec<&str> = model.instructions().map(|instruction| instruction.name).collect();
        let (mut session, kernels) = self.start(frame)?;
        // Instructions of a tile group take turns, so several may be incomplete.
        let mut open: BTreeMap<u32, Partial> = BTreeMap::new();
        loop {
            let start = Instant::now();
            let progress = session.step(kernels).map_err(EngineError::Fault)?;
            let nanoseconds = start.elapsed().as_nanos() as u64;
            let Progress::Ran(step) = progress else { return Ok(()) };
            let index = step.instruction;
            let partial = open.entry(index).or_default();
            partial.nanoseconds += nanoseconds;
            let mut traceable = false;
            for (first, written) in session.written(&step) {
                store(&mut partial.values, first as usize, written);
                traceable = true;
            }
            if !traceable {
                return Err(EngineError::Untraceable { index });
            }
            if !step.is_complete() {
                continue;
            }
            let Partial { nanoseconds, values } = open.remove(&index).unwrap_or_default();
            observer(&TraceEvent {
                index,
                name: names.get(index as usize).copied().unwrap_or(""),
                kind: step.op.kind(),
                hash: hash(0, &values),
                nanoseconds,
                values: Some(&values),
            });
        }
    }
}

/// What is known of an instruction whose output is incomplete.
#[derive(Default)]
struct Partial {
    nanoseconds: u64,
    values: Vec<i32>,
}

/// Writes `tensor` into `values` from element `first` on, growing it where needed.
fn store(values: &mut Vec<i32>, first: usize, tensor: Tensor<'_>) {
    let end = first + tensor.len();
    if values.len() < end {
        values.resize(end, 0);
    }
    let places = &mut values[first..end];
    match tensor {
        Tensor::I8(x) => widen(places, x),
        Tensor::I16(x) => widen(places, x),
        Tensor::I32(x) => places.copy_from_slice(x),
    }
}

fn widen<T: Copy + Into<i32>>(places: &mut [i32], values: &[T]) {
    for (place, &value) in places.iter_mut().zip(values) {
        *place = value.into();
    }
}
