//! What is noted of a run, instruction by instruction.

/// What is noted of a run beside its outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Observe {
    /// Nothing: the fastest.
    #[default]
    Nothing,
    /// The time of every instruction.
    Times,
    /// The time of every instruction, and the hash of its output.
    Hashes,
}

/// An instruction whose output is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its index in the program.
    pub instruction: u32,
    /// Hash of its output, as [`quant::hash`] defines it: the same on every engine. 0 where only
    /// times were asked for.
    pub hash: u64,
    /// Time spent in it, in nanoseconds.
    pub nanoseconds: u64,
}

impl Event {
    /// Adds this step to what is known of its instruction in `open`, and moves the instruction to
    /// `events` where `is_complete`.
    pub(crate) fn note(self, open: &mut Vec<Event>, events: &mut Vec<Event>, is_complete: bool) {
        let found = open.iter().position(|other| other.instruction == self.instruction);
        let before = found.map(|at| open.swap_remove(at));
        let sum = Event {
            hash: self.hash.wrapping_add(before.map_or(0, |event| event.hash)),
            nanoseconds: self.nanoseconds.saturating_add(before.map_or(0, |event| event.nanoseconds)),
            ..self
        };
        if is_complete { events.push(sum) } else { open.push(sum) }
    }
}
