//! What a board brings beside its port and its lights.

/// Time on a board.
pub trait Clock {
    /// Ticks in a second.
    const HZ: u32;

    /// Ticks since some moment; never runs backwards.
    fn ticks(&mut self) -> u64;
}

/// What is known of the stack.
pub trait Stack {
    /// Bytes in use at most since the start.
    fn used(&self) -> u32;

    /// Bytes in all.
    fn size(&self) -> u32;

    /// Whether its last words are still as they were painted.
    fn is_intact(&self) -> bool;
}

/// Resets a board that hangs.
pub trait Watchdog {
    /// Puts the reset off; called between any two steps of a program.
    fn feed(&mut self);
}

/// For boards without a watchdog.
#[derive(Clone, Copy, Debug)]
pub struct NoWatchdog;

impl Watchdog for NoWatchdog {
    fn feed(&mut self) {}
}
