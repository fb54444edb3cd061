//! Weights and biases to integers, one scale for each output channel.

use float::{Dense, math};
use quant::ops::MAX_BIAS;
use rayon::prelude::*;

use super::range::Scale;
use crate::graph::Weights;

/// Shares of the largest weight that are tried as the end of a channel's range.
const SHARES: [f64; 9] = [1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.82, 0.79, 0.76];

/// The input of a layer, as far as its weights are concerned.
pub(super) struct Input<'a> {
    /// Scale of the activations.
    pub scale: &'a Scale,
    /// Mean square of each of the `k` inputs; empty for equal ones.
    pub squares: &'a [f64],
    /// Mean of each input and of its quantized values; empty for no correction.
    pub means: &'a [(f64, f64)],
}

/// Quantized weights, and the largest correction of a bias in real units.
pub(super) struct Layer {
    pub weights: Weights,
    pub correction: f64,
}

/// Quantizes `dense` for its input and the scale of its output.
pub(super) fn quantize(dense: &Dense, input: &Input<'_>, out: Option<&Scale>) -> Layer {
    let channels: Vec<Channel> = dense
        .weights
        .par_chunks(dense.k)
        .zip(&dense.bias)
        .map(|(row, &bias)| channel(row, f64::from(bias), input, out))
        .collect();
    let correction = channels.iter().map(|c| c.correction.abs()).fold(0.0, f64::max);
    let weights = Weights {
        n: dense.n as u32,
        k: dense.k as u32,
        bias: channels.iter().map(|c| c.bias).collect(),
        accumulator_scales: channels.iter().map(|c| c.scale * input.scale.scale).collect(),
        values: channels.into_iter().flat_map(|c| c.values).collect(),
    };
    Layer { weights, correction }
}

struct Channel {
    values: Vec<i8>,
    scale: f64,
    bias: i32,
    correction: f64,
}

fn channel(row: &[f32], bias: f64, input: &Input<'_>, out: Option<&Scale>) -> Channel {
    let out_offset = out.map_or(0.0, |s| f64::from(s.zero) * s.scale);
    // The bias is a number of accumulator units: they must be large enough for it.
    let needed = (bias.abs() + out_offset.abs()) / (input.scale.scale * f64::from(MAX_BIAS / 2));
    let floor = needed.max(out.map_or(1e-12, |s| s.scale / input.scale.scale * math::power_of_two(-24)));
    let scale = scale(row, input.squares).max(floor);
    let values: Vec<i8> = row.iter().map(|&w| round(w, scale) as i8).collect();
    let unit = scale * input.scale.scale;
    let sum: i64 = values.iter().map(|&w| i64::from(w)).sum();
    let correction: f64 = row
        .iter()
        .zip(&values)
        .zip(input.means)
        .map(|((&w, &q), &(mean, quantized))| f64::from(w) * mean - f64::from(q) * scale * quantized)
        .sum();
    let total = (bias + correction + out_offset) / unit - f64::from(input.scale.zero) * sum as f64;
    let limit = f64::from(MAX_BIAS);
    Channel { values, scale, bias: total.round().clamp(-limit, limit) as i32, correction }
}

fn round(w: f32, scale: f64) -> f64 {
    (f64::from(w) / scale).round().clamp(-127.0, 127.0)
}

/// The scale with the least squared error of the products.
fn scale(row: &[f32], squares: &[f64]) -> f64 {
    let largest = row.iter().fold(0f64, |m, w| m.max(f64::from(w.abs())));
    let error = |scale: f64| -> f64 {
        let of = |w: f32| math::square(f64::from(w) - round(w, scale) * scale);
        match squares.len() == row.len() {
            true => row.iter().zip(squares).map(|(&w, s)| s * of(w)).sum(),
            false => row.iter().map(|&w| of(w)).sum(),
        }
    };
    let tried = SHARES.map(|share| largest * share / 127.0);
    tried.into_iter().map(|s| (error(s), s)).min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0.0, |(_, s)| s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The integer layer's real value is the float layer's, within half a step of each
        /// weight and of the bias, whatever the zero points.
        #[test]
        fn integers_stand_for_the_layer(
            row in prop::collection::vec(-2f32..2.0, 1..20),
            bias in -3f32..3.0,
            x in prop::collection::vec(-128i32..128, 20),
            (zero_in, zero_out) in (-300i32..300, -300i32..300),
        ) {
            let scale = Scale { scale: 0.03, zero: zero_in, method: String::new() };
            let out = Scale { scale: 0.05, zero: zero_out, method: String::new() };
            let dense = Dense { n: 1, k: row.len(), weights: row.clone(), bias: vec![bias] };
            let input = Input { scale: &scale, squares: &[], means: &[] };
            let w = quantize(&dense, &input, Some(&out)).weights;
            let acc: i64 = w.values.iter().zip(&x).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum();
            let got = (acc + i64::from(w.bias[0])) as f64 * w.accumulator_scales[0];
            let real = |q: i32| f64::from(q - zero_in) * 0.03;
            let products: f64 = row.iter().zip(&x).map(|(&w, &q)| f64::from(w) * real(q)).sum();
            let want = products + f64::from(bias) + f64::from(zero_out) * 0.05;
            let step = w.accumulator_scales[0] / 0.03;
            // A clipped weight may be off by a quarter of the largest.
            let slack: f64 = row.iter().zip(&x).map(|(&v, &q)| {
                (f64::from(v) - round(v, step) * step).abs().max(step / 2.0) * real(q).abs()
            }).sum();
            prop_assert!((got - want).abs() <= slack + w.accumulator_scales[0], "{got} {want} {slack}");
        }
    }
}
