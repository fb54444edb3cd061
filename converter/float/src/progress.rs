//! How a long conversion tells how far it is.

/// Told about the stages of a conversion. `()` is told and says nothing.
pub trait Progress: Sync {
    /// A stage of `steps` steps begins.
    fn begin(&self, stage: &str, steps: usize);
    /// A step of the stage is done.
    fn step(&self);
}

impl Progress for () {
    fn begin(&self, _stage: &str, _steps: usize) {}
    fn step(&self) {}
}
