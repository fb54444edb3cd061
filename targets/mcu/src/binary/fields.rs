//! Sums of several rows in one word.

/// Sums of `R` rows in one word.
pub(crate) trait Fields<const R: usize> {
    /// What sums are multiplied with.
    const FACTOR: i32;
    /// Whether a field may be negative.
    #[cfg_attr(
        not(all(target_arch = "arm", feature = "mve")),
        expect(dead_code, reason = "asked by vectors alone")
    )]
    const SIGNED: bool;

    /// The sums in an entry.
    fn fields(entry: u32) -> [i32; R];
}

/// Rows that are computed together.
pub(crate) struct Block<const R: usize> {
    /// What is added to the sums of each, behind their factor.
    pub(crate) offsets: [i32; R],
    /// How many of them there are.
    pub(crate) rows: usize,
    /// Bits by which both are shifted up.
    pub(crate) up: u32,
}
