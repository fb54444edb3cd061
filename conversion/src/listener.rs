//! Who hears of a conversion while it goes on.

use float::Progress;

/// Told about the stages of a conversion, and of what a user should know. A stage of no steps takes
/// a time that is not known before. `()` is told and says nothing.
pub trait Listener: Progress {
    /// A sentence about what was found or decided, without a full stop.
    fn note(&self, words: &str);
}

impl Listener for () {
    fn note(&self, _words: &str) {}
}
