//! RISC-V with Zbb, which counts ones in one instruction: sums of signs by counting.

/// Whether the core has it: signs are then counted, not looked up.
pub(crate) const COUNTED: bool = cfg!(target_feature = "zbb");

/// 32 signs of each of four rows.
pub(crate) struct Rows {
    pub(crate) signs: [u32; 4],
    /// Which are not 0, where some are.
    pub(crate) nonzero: Option<[u32; 4]>,
}

impl Rows {
    /// In how many places each row differs from `w`, in the bytes of a word, the first row lowest.
    #[inline(always)]
    pub(crate) fn differ(&self, w: u32) -> u32 {
        let kept = self.nonzero.unwrap_or([u32::MAX; 4]);
        let [a, b, c, d] = core::array::from_fn(|lane| ((self.signs[lane] ^ w) & kept[lane]).count_ones());
        a | b << 8 | c << 16 | d << 24
    }

    /// Adds to each sum what [`differ`](Self::differ) says of its word of weights.
    #[inline(always)]
    pub(crate) fn add(&self, weights: &[u32], sums: &mut [u32]) {
        for (sum, &w) in sums.iter_mut().zip(weights) {
            *sum = sum.wrapping_add(self.differ(w));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::binary::subsets::{Inputs, Tables};

    proptest! {
        #[test]
        fn counts_what_the_tables_say(signs: [u32; 4], nonzero: Option<[u32; 4]>, weights: [u32; 4], before: u32) {
            // Signs of what is 0 are 0.
            let kept = nonzero.unwrap_or([u32::MAX; 4]);
            let signs = core::array::from_fn(|lane| signs[lane] & kept[lane]);
            let (mut inputs, mut tables) = (Inputs::new(), Tables::new());
            inputs.count(signs, kept);
            tables.fill(&inputs);
            let (mut looked_up, mut counted) = ([before; 4], [before; 4]);
            tables.add(&weights, &mut looked_up);
            Rows { signs, nonzero }.add(&weights, &mut counted);
            prop_assert_eq!(counted, looked_up);
        }
    }
}
