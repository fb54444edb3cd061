//! The model as the protocol sees it.

use embedded_hal::digital::OutputPin;
use link::{Event, Identity, MemoryUse, ModelState, PROTOCOL, Problem, Stepped, Target};
use quant::Kernels;
use quant::arith::argmax;
use quant::hash::hash_tensor;
use quant::ops::Tensor;
use runtime::{OutputKind, Progress, Session};

use crate::board::{Clock, Stack};
use crate::frames::Runner;
use crate::log::{self, error, info, warn};
use crate::show::show;

/// A checked model in its arena, or none.
pub(crate) struct Program<'p, 'm, 'a, C, S, L, K> {
    pub(crate) name: &'static str,
    pub(crate) state: ModelState<'static>,
    pub(crate) session: Option<Session<'m, 'a>>,
    pub(crate) kernels: &'p mut K,
    pub(crate) clock: &'p mut C,
    pub(crate) stack: &'p S,
    pub(crate) lights: &'p mut [L],
    /// Done in this run.
    pub(crate) steps: u32,
    /// Bytes of the stack in use when the log spoke of it last.
    pub(crate) deepest: u32,
    pub(crate) arena_size: u32,
    pub(crate) model_size: u32,
}

impl<C: Clock, S: Stack, L: OutputPin, K: Kernels> Target for Program<'_, '_, '_, C, S, L, K> {
    fn identity(&self) -> Identity<'_> {
        Identity {
            protocol: PROTOCOL,
            board: self.name,
            kernels: self.kernels.name(),
            hz: C::HZ,
            arena: self.arena_size,
            model: self.state,
        }
    }

    fn memory(&self) -> MemoryUse {
        let arena = match self.state {
            ModelState::Ready { arena, .. } => arena,
            ModelState::Absent | ModelState::Refused { .. } | ModelState::DoesNotFit { .. } => 0,
        };
        MemoryUse {
            stack: self.stack.used(),
            stack_size: self.stack.size(),
            arena,
            arena_size: self.arena_size,
            model: self.model_size,
        }
    }

    fn restart(&mut self) {
        self.steps = 0;
        if let Some(session) = &mut self.session {
            session.restart();
        }
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Problem> {
        let session = self.session.as_mut().ok_or(Problem::NoModel)?;
        let (mut skip, mut rest, mut index) = (offset as usize, data, 0);
        while let Some(input) = session.input(index) {
            index += 1;
            let Some(places) = input.get_mut(skip..) else {
                skip = skip.saturating_sub(input.len());
                continue;
            };
            let (now, later) = rest.split_at_checked(places.len()).unwrap_or((rest, &[]));
            places.get_mut(..now.len()).ok_or(Problem::Offset)?.copy_from_slice(now);
            (skip, rest) = (0, later);
        }
        if rest.is_empty() { Ok(()) } else { Err(Problem::Offset) }
    }

    fn checksum(&mut self) -> u32 {
        let Some(session) = &mut self.session else { return 0 };
        let mut digest = link::Checksum::new();
        let mut index = 0;
        while let Some(input) = session.input(index) {
            digest.update(input);
            index += 1;
        }
        digest.finish()
    }

    fn step(&mut self, hashed: bool) -> Result<Option<Stepped>, Problem> {
        let fault = Problem::Fault { step: self.steps };
        let session = self.session.as_mut().ok_or(Problem::NoModel)?;
        let start = self.clock.ticks();
        let progress = session.step(self.kernels).map_err(|_| fault)?;
        let ticks = self.clock.ticks().saturating_sub(start);
        if !self.stack.is_intact() {
            return Err(Problem::StackOverflow);
        }
        let Progress::Ran(step) = progress else {
            show(self.lights, class(session).unwrap_or(0));
            return Ok(None);
        };
        self.steps = self.steps.saturating_add(1);
        let hash = if hashed {
            let parts = session.written(&step).map(|(first, values)| hash_tensor(first, values));
            parts.fold(0, u64::wrapping_add)
        } else {
            0
        };
        Ok(Some(Stepped { instruction: step.instruction, ticks, hash, complete: step.is_complete() }))
    }

    fn read(&mut self, output: u16, first: u32, out: &mut [u8]) -> Result<(usize, u32), Problem> {
        let session = self.session.as_ref().ok_or(Problem::NoModel)?;
        let values = session.output(output.into()).ok_or(Problem::Output)?;
        let first = first as usize;
        let len = match values {
            Tensor::I8(x) => store(x.get(first..), out),
            Tensor::I16(x) => store(x.get(first..), out),
            Tensor::I32(x) => store(x.get(first..), out),
        };
        Ok((len.ok_or(Problem::Output)?, values.len() as u32))
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Damaged => warn!("a damaged frame on the line"),
            Event::Begun { run } => info!("run {=u32} begun", run),
            Event::Ended { run, done } => {
                info!("run {=u32} ended: {=u32} steps, {=u64} ticks", run, done.steps, done.ticks);
                self.note_stack();
            }
            Event::Refused(Problem::StackOverflow) => {
                error!("the guard at the end of the stack is broken: {=u32} bytes", self.stack.size());
            }
            Event::Refused(problem) => warn!("refused: {}", problem),
        }
    }
}

impl<C, S: Stack, L, K> Program<'_, '_, '_, C, S, L, K> {
    /// Logs how far the stack was used, where that is further than before.
    pub(crate) fn note_stack(&mut self) {
        if !log::ENABLED {
            return;
        }
        let used = self.stack.used();
        if used > self.deepest {
            self.deepest = used;
            info!("stack: {=u32} of {=u32} bytes were used", used, self.stack.size());
        }
    }
}

impl<C: Clock, S: Stack, L: OutputPin, K: Kernels> Runner for Program<'_, '_, '_, C, S, L, K> {
    fn now(&mut self) -> u64 {
        self.clock.ticks()
    }

    fn class(&self) -> Option<usize> {
        self.session.as_ref().and_then(class)
    }
}

/// Fills the front of `out`; the bytes filled.
fn store<T: Copy + Into<i32>>(values: Option<&[T]>, out: &mut [u8]) -> Option<usize> {
    let (places, _) = out.as_chunks_mut::<4>();
    let mut len = 0usize;
    for (place, &value) in places.iter_mut().zip(values?) {
        *place = value.into().to_le_bytes();
        len = len.saturating_add(4);
    }
    Some(len)
}

/// The class of a finished run, where the model is a classifier.
fn class(session: &Session<'_, '_>) -> Option<usize> {
    let is_logits = |output: runtime::Output<'_>| output.kind == OutputKind::Logits;
    let index = session.model().outputs().position(is_logits)?;
    match session.output(index)? {
        Tensor::I32(logits) => argmax(logits),
        Tensor::I8(_) | Tensor::I16(_) => None,
    }
}
