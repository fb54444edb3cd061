//! Weights in the order in which kernels load them.

/// Rows of weights, cut into runs of `run` bytes that each begin a word: word `i` of all channels
/// lies before word `i + 1` of all channels.
pub(super) struct Panel {
    /// The words.
    pub words: Vec<u32>,
    /// Words of one channel.
    pub k_words: u32,
    /// Channels, the last ones of zeros, a multiple of 4.
    pub columns: u32,
}

/// Words of a channel are a multiple of this many; the last ones are zeros.
pub(super) const STEP_WORDS: usize = 32;

impl Panel {
    /// Of `n` rows of `k` weights, `run` a divisor of `k`.
    pub(super) fn of(weights: &[i8], n: u32, k: u32, run: u32) -> Self {
        let run_words = run.div_ceil(4) as usize;
        let k_words = (k / run) as usize * run_words;
        let columns = n.next_multiple_of(4) as usize;
        let mut words = vec![0; k_words.next_multiple_of(STEP_WORDS) * columns];
        for (channel, row) in weights.chunks(k as usize).enumerate() {
            for (at, part) in row.chunks(run as usize).enumerate() {
                for (word, value) in super::super::pack::bytes(part).enumerate() {
                    words[(at * run_words + word) * columns + channel] = value;
                }
            }
        }
        Self { words, k_words: k_words as u32, columns: columns as u32 }
    }
}

/// 128 times the sum of one channel's weights: what the low bytes of int16 inputs lack.
pub(super) fn low_byte_sum(weights: &[i8], k: u32, channel: usize) -> i32 {
    let k = k as usize;
    128 * weights[channel * k..][..k].iter().map(|&weight| i32::from(weight)).sum::<i32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_begin_words_and_channels_lie_side_by_side() {
        let panel = Panel::of(&[1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6], 2, 6, 3);
        assert_eq!((panel.k_words, panel.columns, panel.words.len()), (2, 4, 128));
        assert_eq!(panel.words[..8], [0x0003_0201, 0x00fd_feff, 0, 0, 0x0006_0504, 0x00fa_fbfc, 0, 0]);
        assert!(panel.words[8..].iter().all(|&word| word == 0));
    }

    #[test]
    fn the_low_byte_sum_fits_at_its_extremes() {
        assert_eq!(low_byte_sum(&vec![-127; 1 << 16], 1 << 16, 0), -127 << 23);
    }
}
