//! Runs of containers, recorded so that they can be compared whole.

use std::collections::HashMap;

use quant::hash::hash_tensor;
use quant::ops::Tensor;
use quant::{Fault, KernelSet, Op};
use runtime::{Model, Progress, Session};

use crate::memory::Aligned;
use crate::source::Source;

/// All that an instruction wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The instruction's name.
    pub name: String,
    /// Its output in logical order.
    pub values: Vec<i32>,
    /// The sum of the hashes of its steps.
    pub hash: u64,
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// By instruction, control records left out.
    pub written: Vec<Written>,
    /// The outputs, after the last step.
    pub outputs: Vec<Vec<i32>>,
}

impl Trace {
    /// What the instruction called `name` wrote.
    pub fn of(&self, name: &str) -> &[i32] {
        let found = self.written.iter().find(|w| w.name == name);
        &found.unwrap_or_else(|| panic!("no instruction is called {name}")).values
    }

    /// Where `self` and `other` first differ, in words.
    pub fn difference(&self, other: &Trace) -> Option<String> {
        if self == other {
            return None;
        }
        for (a, b) in self.written.iter().zip(&other.written) {
            let at = a.values.iter().zip(&b.values).position(|(x, y)| x != y);
            if let Some(at) = at {
                return Some(format!("{}[{at}]: {} and {}", a.name, a.values[at], b.values[at]));
            }
            if a != b {
                return Some(format!("{}: other length, hash or name ({})", a.name, b.name));
            }
        }
        Some("other outputs or number of instructions".into())
    }
}

/// Runs `file` in an arena of exactly the length it asks for, filled with `fill`, and
/// records every instruction.
pub fn trace(file: &[u8], inputs: &[Vec<u8>], kernels: &KernelSet, fill: u8) -> Trace {
    let file = Aligned::copy(file);
    let model = Model::new(&file).expect("a container that was written");
    let names: Vec<&str> = model.instructions().map(|i| i.name).collect();
    let mut arena = Aligned::filled(model.arena_len(), fill);
    let mut session = Session::new(&model, &mut arena).expect("an aligned arena of the right length");
    for (index, input) in inputs.iter().enumerate() {
        session.input(index).expect("an input for each").copy_from_slice(input);
    }
    let mut written: Vec<Written> = Vec::new();
    let mut places = HashMap::new();
    while let Progress::Ran(step) = session.step_on(kernels).expect("a checked program does not fault") {
        let place = *places.entry(step.instruction).or_insert_with(|| {
            let name = names[step.instruction as usize].to_owned();
            written.push(Written { name, values: Vec::new(), hash: 0 });
            written.len() - 1
        });
        let mut parts = session.written(&step).peekable();
        assert!(parts.peek().is_some(), "every step writes");
        parts.for_each(|(first, tensor)| written[place].store(first, tensor));
    }
    let outputs =
        (0..model.outputs().count()).map(|i| values(session.output(i).expect("described"))).collect();
    Trace { written, outputs }
}

/// What no step has written. Its hash is the reference's only if every step writes its own rows.
const GAP: i32 = 0x5a5a_5a5a;

impl Written {
    fn store(&mut self, first: u32, tensor: Tensor<'_>) {
        let places = first as usize..first as usize + tensor.len();
        self.values.resize(self.values.len().max(places.end), GAP);
        for (place, value) in self.values[places].iter_mut().zip(values(tensor)) {
            *place = value;
        }
        self.hash = self.hash.wrapping_add(hash_tensor(first, tensor));
    }
}

/// The elements of `tensor`, widened.
pub fn values(tensor: Tensor<'_>) -> Vec<i32> {
    (0..tensor.len()).map(|i| tensor.get(i)).collect()
}

/// The first output of `model` for each of `frames`, over `threads` threads.
pub fn outputs(model: &Model<'_>, frames: &[Vec<u8>], kernels: &KernelSet, threads: usize) -> Vec<Vec<i32>> {
    let share = frames.len().div_ceil(threads).max(1);
    if share >= frames.len() {
        return one_thread(model, frames, kernels);
    }
    std::thread::scope(|scope| {
        let work = |frames| move || one_thread(model, frames, kernels);
        let running: Vec<_> = frames.chunks(share).map(|part| scope.spawn(work(part))).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn one_thread(model: &Model<'_>, frames: &[Vec<u8>], kernels: &KernelSet) -> Vec<Vec<i32>> {
    let mut arena = Aligned::filled(model.arena_len(), 0x5a);
    let mut session = Session::new(model, &mut arena).expect("an aligned arena of the right length");
    let mut run = |frame: &Vec<u8>| {
        session.input(0).expect("an image").copy_from_slice(frame);
        while session.step_on(kernels).expect("no fault") != Progress::Done {}
        values(session.output(0).expect("logits"))
    };
    frames.iter().map(&mut run).collect()
}

/// What a hostile program may cost before it is left alone.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Arena bytes.
    pub arena: usize,
    /// Multiply-accumulates of all instructions.
    pub macs: u64,
    /// Steps.
    pub steps: u32,
}

/// Runs `model` in an arena of many extremes within `budget`; whether it ran to its end.
pub fn bounded(model: &Model<'_>, budget: Budget) -> Result<bool, Fault> {
    let macs = model.instructions().fold(0u64, |sum, i| sum.saturating_add(i.op.macs()));
    if model.arena_len() > budget.arena || macs > budget.macs {
        return Ok(false);
    }
    let mut arena = Aligned::copy(&Source::new(3).extremes(model.arena_len()));
    let mut session = Session::new(model, &mut arena).expect("an aligned arena of the right length");
    for _ in 0..budget.steps {
        match session.step(&mut quant::Reference)? {
            Progress::Done => return Ok(true),
            Progress::Ran(step) => {
                assert!(session.written(&step).next().is_some() || matches!(step.op, Op::Tile(_)))
            }
        }
    }
    Ok(false)
}
