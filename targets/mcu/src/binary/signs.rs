//! Comparisons by the sign of a difference.

/// Which of up to 32 integers are negative, the first one lowest.
#[derive(Clone, Copy, Default)]
pub(crate) struct Negatives(u32);

impl Negatives {
    /// Appends a bit that says whether `difference` is negative.
    #[inline(always)]
    pub(crate) fn push(&mut self, difference: i32) {
        self.0 = (self.0 >> 1) | (difference as u32 & 1 << 31);
    }

    /// The bits of the last `count`, which are 1 to 32.
    #[inline(always)]
    pub(crate) fn mask(self, count: usize) -> u32 {
        self.0 >> (32_usize.wrapping_sub(count) & 31)
    }
}

/// A limit that compares like `limit` with all integers below 2³⁰ in magnitude, and is near
/// enough to them for differences to fit.
#[inline(always)]
pub(crate) fn near(limit: i32) -> i32 {
    limit.clamp(-(1 << 30), 1 << 30)
}

/// Bit `i` says whether `x[i]`, below 2³⁰ in magnitude, is at least its limit and `more`, of up to 32
/// integers of 8, 16 or 32 bits; the bits behind are anything.
#[inline(never)]
pub(crate) fn at_least<T: Copy + Into<i32>>(x: &[T], limits: &[i32], more: i32) -> u32 {
    let mut signs = Negatives::default();
    for (&x, &limit) in x.iter().zip(limits) {
        signs.push(near(limit) + more - 1 - x.into());
    }
    signs.mask(x.len())
}
