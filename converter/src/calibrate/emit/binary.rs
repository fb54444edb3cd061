//! Binary weights, signs and attention over signs.

use float::{Dense, Geometry, Node as Float, Signs, TensorId, math};
use quant::bits::row_words;
use quant::ops::MAX_BIAS;

use super::Emitter;
use crate::calibrate::range::Scale;
use crate::calibrate::weights::{self, Input};
use crate::error::ConvertError;
use crate::graph::{BinaryWeights, Node, Strided, Sums, Width};

/// Real value of one unit of what LayerNorm makes for a sign: only values near zero matter,
/// the others are cut off.
const NEAR_ZERO: f64 = 1.0 / 32768.0;
/// Largest magnitude of sums of signs that are shifted up for a finer bias: with 16 bits below
/// a unit for layers of up to 256 inputs.
const RAISED_SUM: u64 = 1 << 24;
/// Finest scale of a bias in units of its output.
const FINEST: f64 = 1.0 / (1 << 24) as f64;

impl Emitter<'_> {
    /// The signs `out` of `x`, together with what makes `x` where that can be folded.
    pub(super) fn sign(&mut self, x: TensorId, out: TensorId) -> Result<(), ConvertError> {
        let model = self.model;
        let maker = model.nodes.iter().position(|node| node.output() == x);
        match maker.filter(|&index| self.absorbed[index]).map(|index| (index, &model.nodes[index])) {
            Some((_, Float::LayerNorm { x: stream, gamma, beta, eps, centred, .. })) => {
                let stream = self.version(*stream, Width::I16);
                let normed = self.normed(x, stream, gamma, beta, *eps, *centred);
                self.binarize(normed, out);
            }
            Some((index, Float::Linear { dense, .. })) => {
                let (id, width) = self.plan.reads(model, index)[0];
                let input = self.version(id, width);
                if let Some(signs) = dense.signs() {
                    self.binary_signs(index, input, out, dense, signs);
                }
            }
            Some((index, _)) => {
                let out = self.make(out);
                self.binary_attention(index, out)?;
            }
            None => {
                let x = self.version(x, Width::I16);
                self.binarize(x, out);
            }
        }
        Ok(())
    }

    /// A LayerNorm whose output only its sign is taken of: γ is a sign, β/γ a distance from
    /// zero, so that neither costs precision, and what lies far from zero is cut off.
    fn normed(
        &mut self,
        x: TensorId,
        stream: TensorId,
        gamma: &[f32],
        beta: &[f32],
        eps: f32,
        centred: bool,
    ) -> TensorId {
        let float = &self.model.tensors[x];
        let name = format!("{}.near_zero", float.name);
        let out = self.graph.tensor(name, float.rows as u32, float.width as u32, Width::I16, NEAR_ZERO);
        // Normalised values are at most √width: farther thresholds decide alone.
        let limit = 2.0 * (gamma.len() as f64).sqrt();
        let sign = |g: f32| f64::from(i8::from(g > 0.0) - i8::from(g < 0.0));
        let shift = |(&g, &b): (&f32, &f32)| match g == 0.0 {
            true => limit.copysign(b.into()),
            false => (f64::from(b) / f64::from(g.abs())).clamp(-limit, limit),
        };
        let beta = gamma.iter().zip(beta).map(shift).collect();
        let gamma = gamma.iter().map(|&g| sign(g)).collect();
        self.push(Node::LayerNorm { x: stream, out, gamma, beta, eps: eps.into(), centred });
        out
    }

    fn binarize(&mut self, x: TensorId, out: TensorId) {
        let out = self.make_signs(out);
        let high = vec![0; self.graph.tensors[x].width as usize];
        self.push(Node::Binarize { x, out, high });
    }

    /// Float tensor `id` as signs, every head in a bit row of its own where an attention
    /// reads it.
    fn make_signs(&mut self, id: TensorId) -> TensorId {
        let out = self.make(id);
        let head = self.model.nodes.iter().find_map(|node| match node {
            Float::BinaryAttention { head_dim, .. } if node.inputs().contains(&id) => Some(*head_dim as u32),
            _ => None,
        });
        if let Some(head) = head {
            self.graph.tensors[out].group = head;
        }
        out
    }

    /// A layer of binary weights that makes integers.
    pub(super) fn binary_dense(&mut self, index: usize, x: TensorId, out: TensorId, dense: &Dense) {
        let Some(signs) = dense.signs() else { return };
        let wide = self.plan.primary[out] == Width::I32;
        let up = self.raised(x, dense.k);
        let target = if wide {
            Scale::fixed(self.finest(x, &signs) / f64::from(1u32 << up))
        } else {
            self.scales.of(self.plan, out, self.plan.primary[out])
        };
        let sums = self.sums(index, x, dense, &signs, (up, &target));
        let made = if wide { self.tensor(out, Width::I32, target) } else { self.make(out) };
        let (n, k) = (dense.n as u32, dense.k as u32);
        let weights = BinaryWeights { positive: signs.positive, n, k, sums };
        self.push(Node::BinaryLinear { x, out: made, weights });
    }

    /// A scale for logits: that of the finest sums.
    fn finest(&self, x: TensorId, signs: &Signs) -> f64 {
        let positive = signs.scales.iter().filter(|&&s| s > 0.0).map(|&s| f64::from(s));
        let largest = positive.clone().fold(0.0, f64::max);
        let finest = positive.fold(f64::INFINITY, f64::min).max(largest * math::power_of_two(-6));
        if finest.is_finite() && finest > 0.0 { finest * self.graph.tensors[x].scale } else { 1.0 }
    }

    /// Bits that the sums of a layer of `k` inputs `x` can be shifted up by: none where the inputs
    /// are integers, which are fine already.
    fn raised(&self, x: TensorId, k: usize) -> u8 {
        let tensor = &self.graph.tensors[x];
        match tensor.bits {
            Width::Sign | Width::Ternary => {
                let words = row_words(k as u32, tensor.group).unwrap_or(k as u32);
                let largest = u64::from(words.max(1)) * 64;
                RAISED_SUM.checked_div(largest).and_then(u64::checked_ilog2).unwrap_or(0) as u8
            }
            Width::I8 | Width::I16 | Width::I32 => 0,
        }
    }

    fn sums(
        &mut self,
        index: usize,
        x: TensorId,
        dense: &Dense,
        signs: &Signs,
        (up, target): (u8, &Scale),
    ) -> Sums {
        let unit = self.graph.tensors[x].scale / f64::from(1u32 << up);
        let zero = f64::from(self.graph.tensors[x].zero);
        let corrections = self.corrections_of(index, x, dense);
        let out_offset = f64::from(target.zero) * target.scale;
        // Beside shifted sums of the largest magnitude there is room for no more.
        let limit = f64::from(MAX_BIAS - 1);
        let (mut bias, mut accumulator_scales) = (Vec::new(), Vec::new());
        for (channel, (row, &scale)) in signs.positive.chunks(dense.k).zip(&signs.scales).enumerate() {
            let real = f64::from(dense.bias[channel]) + corrections[channel] + out_offset;
            // Units of the accumulator are large enough for the bias.
            let floor = (real.abs() / limit).max(target.scale * FINEST);
            let accumulator = (f64::from(scale) * unit).max(floor);
            let value = real / accumulator - zero * sum(row);
            bias.push(value.round().clamp(-limit, limit) as i32);
            accumulator_scales.push(accumulator);
        }
        let largest = corrections.iter().fold(0f64, |m, c| m.max(c.abs()));
        let out = self.model.nodes[index].output();
        self.corrected(out, largest);
        Sums::Dense { up, bias, accumulator_scales }
    }

    /// The mean error of each output channel that rounding of int8 inputs makes.
    fn corrections_of(&self, index: usize, x: TensorId, dense: &Dense) -> Vec<f64> {
        let Float::Linear { x: id, .. } = self.model.nodes[index] else { return vec![0.0; dense.n] };
        let activation = &self.statistics.activations[id];
        let narrow = self.graph.tensors[x].bits == Width::I8;
        if !(self.options.correct_bias && narrow && activation.width == dense.k) {
            return vec![0.0; dense.n];
        }
        let scale = self.scales.of(self.plan, id, Width::I8);
        let mean = activation.column_means(f64::from);
        let rounded = activation.column_means(|v| f64::from(scale.round8(v)));
        let errors: Vec<f64> = mean.iter().zip(rounded).map(|(mean, rounded)| mean - rounded).collect();
        let of = |row: &[f32]| row.iter().zip(&errors).map(|(&w, e)| f64::from(w) * e).sum();
        dense.weights.chunks(dense.k).map(of).collect()
    }

    /// A layer of binary weights and the sign behind it: one threshold for each channel.
    fn binary_signs(&mut self, index: usize, x: TensorId, out: TensorId, dense: &Dense, signs: Signs) {
        let (unit, zero) = (self.graph.tensors[x].scale, f64::from(self.graph.tensors[x].zero));
        let corrections = self.corrections_of(index, x, dense);
        let channels = signs.positive.chunks(dense.k).zip(&signs.scales).enumerate();
        let high = channels.map(|(channel, (row, &scale))| {
            let bias = f64::from(dense.bias[channel]) + corrections[channel];
            match scale == 0.0 {
                true => {
                    if bias >= 0.0 {
                        i32::MIN
                    } else {
                        i32::MAX
                    }
                }
                // A cast saturates.
                false => (zero * sum(row) - bias / (f64::from(scale) * unit)).ceil() as i32,
            }
        });
        let high = high.collect();
        let made = self.make_signs(out);
        let (n, k) = (dense.n as u32, dense.k as u32);
        let weights = BinaryWeights { positive: signs.positive, n, k, sums: Sums::Signs { high } };
        self.push(Node::BinaryLinear { x, out: made, weights });
    }

    /// The attention at node `index`, to the integer tensor `out`.
    pub(super) fn binary_attention(&mut self, index: usize, out: TensorId) -> Result<(), ConvertError> {
        let node = &self.model.nodes[index];
        let Float::BinaryAttention { q, k, v, keys, heads, head_dim, scales, ratio, .. } = node else {
            return Ok(());
        };
        let name = &self.model.tensors[node.output()].name;
        let distance = |&scale: &f32| match scale > 0.0 {
            true => Ok((-math::log(f64::from(*ratio)) / f64::from(scale)).floor() as u32),
            false => Err(ConvertError::Ratio { name: name.clone(), ratio: scale.into() }),
        };
        let distance = scales.iter().map(distance).collect::<Result<Vec<_>, _>>()?;
        let read = |part: &Strided| Strided { tensor: self.versions[&(part.tensor, 1)], ..*part };
        let (q, k, v) = (read(q), read(k), read(v));
        if self.graph.tensors[out].bits == Width::Ternary {
            self.graph.tensors[out].group = *head_dim as u32;
        }
        self.push(Node::BinaryAttention {
            q,
            k,
            v,
            keys: *keys as u32,
            out,
            heads: *heads as u32,
            head_dim: *head_dim as u32,
            distance,
        });
        Ok(())
    }

    /// A convolution of 16-bit weights: one of their upper, one of their lower eight bits.
    pub(super) fn wide_conv(
        &mut self,
        index: usize,
        x: TensorId,
        out: TensorId,
        geometry: Geometry,
        dense: &Dense,
    ) {
        let Float::Conv { x: id, .. } = self.model.nodes[index] else { return };
        let (scale, target) =
            (self.scales.of(self.plan, id, Width::I8), self.scales.of(self.plan, out, Width::I16));
        let input = Input { scale: &scale, squares: &[], means: &[] };
        let (upper, lower) = halves(dense);
        let high = weights::quantize(&upper, &input, Some(&target)).weights;
        let largest = scale.int8_range();
        let reach = |row: &[f32]| row.iter().map(|w| f64::from(w.abs())).sum::<f64>() * largest;
        let reach = lower.weights.chunks(dense.k).map(reach).fold(0.0, f64::max);
        let fine = Scale::fixed((reach / 32767.0).max(target.scale * FINEST));
        let low = weights::quantize(&lower, &input, Some(&fine)).weights;
        let float = &self.model.tensors[out];
        let (rows, width) = (float.rows as u32, float.width as u32);
        let part = |graph: &mut crate::graph::Graph, name: &str, scale: f64| {
            graph.tensor(format!("{}.{name}", float.name), rows, width, Width::I16, scale)
        };
        let upper = part(&mut self.graph, "upper", target.scale);
        let below = part(&mut self.graph, "lower", fine.scale);
        self.push(Node::Conv { x, out: upper, geometry, weights: high });
        self.push(Node::Conv { x, out: below, geometry, weights: low });
        let made = self.make(out);
        self.push(Node::Add { x: upper, y: below, out: made });
    }
}

/// Sum of a row of weights.
fn sum(row: &[bool]) -> f64 {
    row.iter().map(|&positive| if positive { 1.0 } else { -1.0 }).sum()
}

/// `dense` as the sum of what int8 weights hold exactly and a rest of at most half a step.
fn halves(dense: &Dense) -> (Dense, Dense) {
    let mut upper = dense.clone();
    for row in upper.weights.chunks_mut(dense.k) {
        let step = row.iter().fold(0f64, |m, w| m.max(f64::from(w.abs()))) / 127.0;
        for w in row.iter_mut().filter(|_| step > 0.0) {
            *w = ((f64::from(*w) / step).round() * step) as f32;
        }
    }
    let rest = dense.weights.iter().zip(&upper.weights).map(|(w, u)| w - u).collect();
    let lower = Dense { weights: rest, bias: vec![0.0; dense.n], ..*dense };
    (upper, lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_halves_of_weights_hold_sixteen_bits() {
        let weights: Vec<f32> = (0..40).map(|i| ((i * 37 % 41) as f32 - 20.3) / 17.0).collect();
        let dense = Dense { n: 4, k: 10, weights, bias: vec![0.25; 4] };
        let (upper, lower) = halves(&dense);
        let scale = Scale::fixed(1.0);
        let input = Input { scale: &scale, squares: &[], means: &[] };
        let [a, b] = [&upper, &lower].map(|half| weights::quantize(half, &input, None).weights);
        for (at, &w) in dense.weights.iter().enumerate() {
            let real = |half: &crate::graph::Weights| {
                f64::from(half.values[at]) * half.accumulator_scales[at / dense.k]
            };
            let largest = 127.0 * a.accumulator_scales[at / dense.k];
            assert!((real(&a) + real(&b) - f64::from(w)).abs() < largest / 30_000.0, "{at}");
        }
        assert_eq!((upper.bias, lower.bias), (vec![0.25; 4], vec![0.0; 4]));
    }
}
