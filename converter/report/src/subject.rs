//! What a report is about.

use facts::Facts;

use crate::container::ProgramFacts;

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The model, as its user calls it.
    pub model: &'a str,
    /// What the conversion found out and decided.
    pub facts: &'a Facts,
    /// What the container holds.
    pub program: &'a ProgramFacts,
}
