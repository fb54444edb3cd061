//! A session against the reference, instruction by instruction.

use quant::op::OpKind;

use crate::cpu::Cpu;
use crate::error::{PrepareError, RunError};
use crate::event::Event;
use crate::model::Model;
use crate::session::Session;

/// Runs a model on the reference, for others to be compared with.
#[derive(Debug)]
pub struct Verifier {
    model: Model,
    reference: Session,
}

/// The first instruction in which a session differs from the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its index.
    pub instruction: u32,
    /// Its name; empty when the container is stripped of names.
    pub name: String,
    /// Its op.
    pub kind: OpKind,
    /// Hash of its output by the reference.
    pub expected: u64,
    /// Hash of its output by the session; `None` where it ran another instruction, or none.
    pub found: Option<u64>,
}

impl Verifier {
    /// For sessions of `model`, in whatever layout.
    ///
    /// # Errors
    ///
    /// [`PrepareError`] where the reference cannot run it.
    pub fn new(model: &Model) -> Result<Self, PrepareError> {
        let one = std::num::NonZeroUsize::MIN;
        let reference = model.session_on(&Cpu::reference().with_threads(one))?;
        Ok(Self { model: model.clone(), reference })
    }

    /// Every instruction of `frame` on the reference.
    ///
    /// # Errors
    ///
    /// As [`Session::run`].
    pub fn expected(&mut self, frame: &[u8]) -> Result<&[Event], RunError> {
        self.reference.trace(frame)
    }

    /// Runs `frame` on `session` and on the reference: where they differ first, if they do.
    ///
    /// # Errors
    ///
    /// As [`Session::run`].
    pub fn compare(&mut self, session: &mut Session, frame: &[u8]) -> Result<Option<Difference>, RunError> {
        let found = session.trace(frame)?;
        let expected = self.reference.trace(frame)?;
        Ok(Difference::first(&self.model, expected, found))
    }
}

impl Difference {
    /// Where `found` first differs from `expected`, which are of the same frame of `model`.
    pub fn first(model: &Model, expected: &[Event], found: &[Event]) -> Option<Self> {
        let of = |at: usize, want: &Event| {
            let event = found.get(at).filter(|event| event.instruction == want.instruction);
            event.map(|event| event.hash)
        };
        let mut all = expected.iter().enumerate().map(|(at, want)| (want, of(at, want)));
        let (want, found) = all.find(|(want, found)| *found != Some(want.hash))?;
        let Event { instruction, hash: expected, .. } = *want;
        let named = model.container().instructions().nth(instruction as usize);
        let (name, kind) = named.map_or((String::new(), OpKind::Tile), |i| (i.name.to_owned(), i.op.kind()));
        Some(Self { instruction, name, kind, expected, found })
    }
}
