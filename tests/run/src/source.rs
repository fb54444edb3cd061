//! Seeded values with many extremes.

use quant::mem::Element;

/// An element type with its extremes.
pub trait Value: Element {
    /// Smallest, largest, and those around zero.
    const EXTREMES: &[Self];
    /// The low bits.
    fn truncate(bits: u64) -> Self;
}

macro_rules! values {
    ($($type:ty),*) => {
        $(impl Value for $type {
            const EXTREMES: &[Self] = &[<$type>::MIN, <$type>::MAX, 0, 1, (0 as $type).wrapping_sub(1)];
            fn truncate(bits: u64) -> Self {
                bits as $type
            }
        })*
    };
}
values!(u8, i8, i16, i32, u32);

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Source(u64);

impl Source {
    /// The values of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of `0..n`.
    pub fn below(&mut self, n: u32) -> u32 {
        (self.bits() >> 32) as u32 % n
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    /// `len` values in one of several styles: uniform, extremes, one extreme throughout, small.
    pub fn values<T: Value>(&mut self, len: u32) -> Vec<T> {
        let constant = self.pick(T::EXTREMES);
        match self.below(5) {
            0 | 1 => (0..len).map(|_| T::truncate(self.bits())).collect(),
            2 => (0..len).map(|_| self.pick(T::EXTREMES)).collect(),
            3 => (0..len).map(|_| T::truncate((self.bits() % 7).wrapping_sub(3))).collect(),
            _ => vec![constant; len as usize],
        }
    }

    /// Bytes of which every other one is the most significant of an extreme.
    pub fn extremes(&mut self, len: usize) -> Vec<u8> {
        let byte = |s: &mut Self| match s.below(4) {
            0 => 0x80,
            1 => 0x7f,
            _ => s.bits() as u8,
        };
        (0..len).map(|_| byte(self)).collect()
    }

    /// Weights: never −128.
    pub fn weights(&mut self, len: u32) -> Vec<i8> {
        self.values::<i8>(len).into_iter().map(|w| w.max(-127)).collect()
    }

    /// Biases of at most 2³⁰ in magnitude, often small.
    pub fn biases(&mut self, len: u32) -> Vec<i32> {
        let keep = self.pick(&[0, 1, 12, 20]);
        self.values::<i32>(len).into_iter().map(|b| (b >> keep).clamp(-(1 << 30), 1 << 30)).collect()
    }

    /// Any mantissas with any shifts from `smallest` on, or those that a scale ratio gives.
    pub fn multipliers(&mut self, len: u32, smallest: u8) -> (Vec<i32>, Vec<u8>) {
        let all = 63 - u32::from(smallest);
        if self.below(2) == 0 {
            let shift = |s: &mut Self| match s.below(4) {
                0 => smallest,
                1 => 62,
                _ => smallest + s.below(all) as u8,
            };
            return (self.values(len), (0..len).map(|_| shift(self)).collect());
        }
        self.scale_ratios(len)
    }

    /// Multipliers that scale ratios give: 31 bits of mantissa, shifts past 32.
    pub fn scale_ratios(&mut self, len: u32) -> (Vec<i32>, Vec<u8>) {
        let mantissa = |s: &mut Self| (1 << 30 | s.below(1 << 30)) as i32;
        let base = 34 + self.below(12) as u8;
        ((0..len).map(|_| mantissa(self)).collect(), (0..len).map(|_| base + self.below(3) as u8).collect())
    }

    /// A table of exponentials of which `terms` sum to less than 2³¹, such that uniform
    /// attention over them does not vanish at `fraction` bits.
    pub fn exponentials(&mut self, terms: u32, fraction: u32) -> Vec<u32> {
        let limit = i32::MAX as u32 / terms;
        let first = loop {
            let first = match self.below(4) {
                0 => limit,
                1 => 1,
                _ => 1 + self.below(limit),
            };
            if does_not_vanish(first, terms, fraction) {
                break first;
            }
        };
        let style = self.below(3);
        let other = |s: &mut Self, distance: u32| match style {
            0 => (first >> (distance / 8).min(31)).max(1),
            1 => 1 + s.below(first),
            _ => first,
        };
        (0..256).map(|d| if d == 0 { first } else { other(self, d) }).collect()
    }
}

/// Whether `terms` equal exponentials `first` sum to less than 2³¹ and give probabilities
/// of at least one unit at `fraction` bits.
pub fn does_not_vanish(first: u32, terms: u32, fraction: u32) -> bool {
    match first.checked_mul(terms) {
        Some(sum) if sum <= i32::MAX as u32 => first * (i32::MAX as u32 / sum) >= 1 << fraction,
        _ => false,
    }
}
