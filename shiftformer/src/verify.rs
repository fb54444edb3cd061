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
        Ok(Self { reference: model.session_on(&Cpu::reference().with_threads(one))? })
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
        let same = |at: usize, want: &Event| {
            let found = found.get(at).filter(|event| event.instruction == want.instruction);
            (found.map(|event| event.hash), found.is_some_and(|event| event.hash == want.hash))
        };
        let differs = expected.iter().enumerate().find_map(|(at, want)| {
            let (hash, same) = same(at, want);
            (!same).then_some((want.instruction, want.hash, hash))
        });
        let Some((instruction, expected, found)) = differs else { return Ok(None) };
        let named = self.reference.model().container().instructions().nth(instruction as usize);
        let (name, kind) = named.map_or((String::new(), OpKind::Tile), |i| (i.name.to_owned(), i.op.kind()));
        Ok(Some(Difference { instruction, name, kind, expected, found }))
    }
}
