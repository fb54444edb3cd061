//! Integers of layers with weights.

use super::Width;

/// Quantized weights of a dense or convolutional layer.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `n × k` integers, −127..=127.
    pub values: Vec<i8>,
    /// Output channels.
    pub n: u32,
    /// Inputs of each channel.
    pub k: u32,
    /// In units of the accumulator's scale, |bias| ≤ 2³⁰.
    pub bias: Vec<i32>,
    /// Real value of one unit of each channel's accumulator (weight scale × input scale).
    pub accumulator_scales: Vec<f64>,
}

impl Weights {
    /// A scale for logits made by these weights of integers of type `input`: up to 256 times finer
    /// than the finest accumulator, as far as the largest possible logit stays below 2³⁰.
    pub fn logit_scale(&self, input: Width) -> f64 {
        let [low, high] = input.limits().map(f64::from);
        let reach = high.max(-low);
        let finest = self.accumulator_scales.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = self
            .values
            .chunks(self.k as usize)
            .zip(self.bias.iter().zip(&self.accumulator_scales))
            .map(|(row, (&bias, scale))| {
                let sum: f64 = row.iter().map(|&w| reach * f64::from(w).abs()).sum();
                (sum + f64::from(bias).abs()) * scale
            })
            .fold(0.0, f64::max);
        (finest / 256.0).max(largest / f64::from(1 << 30))
    }
}

/// Weights of ±1.
#[derive(Clone, Debug)]
pub struct BinaryWeights {
    /// `n × k`: whether a weight is +1.
    pub positive: Vec<bool>,
    /// Output channels.
    pub n: u32,
    /// Inputs of each channel.
    pub k: u32,
    /// What becomes of the sums.
    pub sums: Sums,
}

/// What becomes of the sums of a layer with binary weights.
#[derive(Clone, Debug)]
pub enum Sums {
    /// Integers of any width.
    Dense {
        /// Bits that sums are shifted up by, for a finer bias.
        up: u8,
        /// In units of the accumulator's scale, |bias| ≤ 2³⁰.
        bias: Vec<i32>,
        /// Real value of one unit of each channel's accumulator.
        accumulator_scales: Vec<f64>,
    },
    /// Signs: +1 from the channel's threshold on.
    Signs {
        /// The thresholds.
        high: Vec<i32>,
    },
}
