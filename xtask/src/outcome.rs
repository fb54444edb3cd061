//! How a task ends.

/// Nothing to say, or what failed, in a line.
pub type Outcome = Result<(), String>;
