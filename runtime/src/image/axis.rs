//! One axis of a frame that is resized and cropped.

use core::num::{NonZeroU16, NonZeroU64};

/// Pixels along an axis: of the source, resized, and kept.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    /// Pixels of the source, `S`.
    pub(super) source: NonZeroU16,
    /// Pixels of the resized frame, `R`.
    pub(super) resized: NonZeroU64,
    /// The first of those that is kept, `o`.
    pub(super) first: u64,
    /// How many are kept.
    pub(super) kept: u16,
}

impl Axis {
    /// `source` pixels resized to `resized ≥ kept`, of which the `kept` in the middle are wanted.
    pub(super) fn new(source: NonZeroU16, resized: u64, kept: u16) -> Self {
        let margin = resized.saturating_sub(u64::from(kept));
        let first = (margin + ((margin / 2) & 1)) / 2;
        let resized = NonZeroU64::MIN.saturating_add(resized.saturating_sub(1));
        Self { source, resized, first, kept }
    }

    /// Whether the resized frame has another size than the source.
    pub(super) fn is_resized(self) -> bool {
        self.resized.get() != u64::from(self.source.get())
    }
}
