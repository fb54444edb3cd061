//! The quantized graph: every float node with integers for the scales that were chosen.

mod binary;
mod divisor;
mod scales;
mod steep;

use std::collections::HashMap;

use facts::{Change, ChangeKind, TensorFact};
use float::{Dense, Node as Float, Part as FloatPart, TensorId, math};

use self::scales::Scales;
use super::attention::score_scale;
use super::bits::{self, SELECTED};
use super::options::{Exponential, QuantizeOptions};
use super::range::{Scale, coverage};
use super::statistics::Statistics;
use super::weights::{self, Input};
use super::widths::WidthPlan;
use crate::error::ConvertError;
use crate::graph::{ExpBits, Graph, Node, Output, Part, Width};

/// Largest sum of exponentials: leaves the reciprocal of the sum at least eight bits.
const SUM_LIMIT: u32 = 1 << 23;
/// Fraction bits of an exponential at most.
const EXP_BITS: u8 = 17;

/// What emission made.
pub(super) struct Emitted {
    pub graph: Graph,
    pub tensors: Vec<TensorFact>,
    pub corrections: Vec<Change>,
}

/// Makes the integers of all nodes.
pub(super) fn emit(
    model: &float::Graph,
    statistics: &Statistics,
    plan: &WidthPlan,
    options: &QuantizeOptions,
) -> Result<Emitted, ConvertError> {
    let scales = Scales::choose(model, statistics, plan);
    let absorbed = bits::absorbed(model, &plan.layers);
    let graph = Graph::new(model.image);
    let (versions, corrections) = (HashMap::from([((0, 8), 0)]), Vec::new());
    let mut emitter = Emitter {
        model,
        statistics,
        plan,
        options,
        scales,
        graph,
        versions,
        absorbed,
        facts: Vec::new(),
        corrections,
    };
    for index in 0..model.nodes.len() {
        if !emitter.absorbed[index] {
            emitter.node(index)?;
        }
    }
    for output in &model.outputs {
        emitter.output(output)?;
    }
    emitter.graph.labels.clone_from(&model.labels);
    Ok(Emitted { graph: emitter.graph, tensors: emitter.facts, corrections: emitter.corrections })
}

struct Emitter<'a> {
    model: &'a float::Graph,
    statistics: &'a Statistics,
    plan: &'a WidthPlan,
    options: &'a QuantizeOptions,
    scales: Scales,
    graph: Graph,
    /// The integer tensor of each float tensor and number of bits.
    versions: HashMap<(TensorId, u8), TensorId>,
    /// Nodes that are made together with the sign behind them.
    absorbed: Vec<bool>,
    facts: Vec<TensorFact>,
    corrections: Vec<Change>,
}

impl Emitter<'_> {
    fn node(&mut self, index: usize) -> Result<(), ConvertError> {
        let model = self.model;
        let node = &model.nodes[index];
        if let Float::Activate { x, out, function: float::Function::Sign } = node {
            return self.sign(*x, *out);
        }
        let reads = self.plan.reads(model, index);
        let mut inputs = Vec::with_capacity(reads.len());
        // The frame has no version but itself.
        for (id, width) in reads {
            inputs.push(self.version(id, width));
        }
        match node {
            Float::Pixels { out, mean, std, .. } => self.pixels(*out, mean, std),
            Float::Conv { out, geometry, dense, .. }
                if self.plan.layers.reads.get(&index) == Some(&Width::I16) =>
            {
                self.wide_conv(index, inputs[0], *out, *geometry, dense);
            }
            Float::Conv { x, out, geometry, dense } => {
                let (weights, out) = self.dense(*x, Width::I8, *out, dense);
                self.push(Node::Conv { x: inputs[0], out, geometry: *geometry, weights })
            }
            Float::Linear { out, dense, .. } if self.plan.layers.binary.contains(&index) => {
                self.binary_dense(index, inputs[0], *out, dense);
            }
            Float::Linear { x, out, dense } => {
                let width = self.graph.tensors[inputs[0]].bits;
                let (weights, out) = self.dense(*x, width, *out, dense);
                self.push(Node::Linear { x: inputs[0], out, weights })
            }
            Float::Affine { out, scale, offset, .. } => self.affine(inputs[0], *out, scale, offset)?,
            Float::LayerNorm { .. } => self.norm(node, inputs[0]),
            Float::GroupNorm { .. } => self.group_norm(node, inputs[0]),
            Float::Activate { x, out, function } => {
                self.check_steep(*x, *out, *function)?;
                self.activate(inputs[0], *out, *function);
            }
            Float::Add { out, .. } => {
                let out = self.make(*out);
                self.push(Node::Add { x: inputs[0], y: inputs[1], out })
            }
            Float::Mul { out, .. } => {
                let out = self.make(*out);
                self.push(Node::Mul { x: inputs[0], y: inputs[1], out })
            }
            Float::Div { y, out, .. } => {
                self.check_divisor(*y, *out)?;
                let out = self.make(*out);
                self.push(Node::Div { x: inputs[0], y: inputs[1], out })
            }
            Float::ResponseNorm { out, eps, .. } => {
                let out = self.make(*out);
                self.push(Node::ResponseNorm { x: inputs[0], out, eps: (*eps).into() })
            }
            Float::AddConstant { out, values, .. } => self.add_constant(inputs[0], *out, values),
            Float::Softmax { x, out, width } => {
                let terms = *width as u32;
                let exponential = self.exponential(self.scales.of(self.plan, *x, Width::I8).scale, terms);
                let out = self.make(*out);
                self.push(Node::Softmax { x: inputs[0], out, width: terms, exponential })
            }
            Float::MatMul { .. } => self.matmul(node, &inputs),
            Float::Attention { .. } => self.attention(index, &inputs),
            Float::BinaryAttention { out, .. } => {
                let out = self.make(*out);
                self.binary_attention(index, out)?;
            }
            Float::Select { out, .. } => {
                let layer = self.model.tensors[*out].name.clone();
                return Err(ConvertError::Layer { layer, reason: SELECTED.into() });
            }
            Float::Mean { out, .. } => {
                let out = self.make(*out);
                self.push(Node::Mean { x: inputs[0], out })
            }
            Float::Rows { out, start, .. } => {
                let out = self.make(*out);
                self.push(Node::Rows { x: inputs[0], out, start: *start as u32 })
            }
            Float::Permute { out, offset, shape, strides, .. } => {
                let (out, offset) = (self.make(*out), *offset as u32);
                let (shape, strides) = (shape.map(|d| d as u32), strides.map(|d| d as u32));
                self.push(Node::Permute { x: inputs[0], out, offset, shape, strides })
            }
            Float::Gather { out, rows, .. } => {
                let out = self.make(*out);
                self.push(Node::Gather { x: inputs[0], out, rows: rows.clone() })
            }
            Float::Rotary { out, offset, head_dim, pairs, angles, .. } => {
                let (out, angles) = (self.make(*out), angles.clone());
                let (offset, head_dim) = (*offset as u32, *head_dim as u32);
                self.push(Node::Rotary { x: inputs[0], out, offset, head_dim, pairs: *pairs, angles })
            }
            Float::Concat { parts, out } => self.concat(parts, &inputs, *out),
        }
        Ok(())
    }

    fn push(&mut self, node: Node) {
        self.graph.nodes.push(node);
    }

    /// The integer tensor that float tensor `id` is made in.
    fn make(&mut self, id: TensorId) -> TensorId {
        let width = self.plan.primary[id];
        let scale = self.scales.of(self.plan, id, width);
        self.tensor(id, width, scale)
    }

    fn tensor(&mut self, id: TensorId, width: Width, scale: Scale) -> TensorId {
        let float = &self.model.tensors[id];
        let suffix = match width {
            _ if width == self.plan.primary[id] => "",
            Width::I8 => ".i8",
            Width::I16 => ".i16",
            Width::I32 => ".i32",
            Width::Sign | Width::Ternary => ".sign",
        };
        let name = format!("{}{suffix}", float.name);
        let new = self.graph.tensor(&name, float.rows as u32, float.width as u32, width, scale.scale);
        self.graph.tensors[new].zero = scale.zero;
        self.versions.insert((id, width.bits()), new);
        self.fact(id, name, width, scale);
        new
    }

    fn fact(&mut self, id: TensorId, name: String, width: Width, scale: Scale) {
        let activation = &self.statistics.activations[id];
        let (range, clipped) = coverage(activation, &scale, width.limits());
        let mut magnitudes: Vec<f32> = activation.samples.iter().map(|v| v.abs()).collect();
        magnitudes.sort_by(f32::total_cmp);
        let common = magnitudes.get(magnitudes.len() * 999 / 1000).copied().unwrap_or(0.0);
        let largest = activation.max().max(-activation.min());
        self.facts.push(TensorFact {
            name,
            bits: width.bits(),
            scale: scale.scale,
            zero: scale.zero,
            min: activation.min().into(),
            max: activation.max().into(),
            range,
            method: scale.method,
            clipped,
            outlier_ratio: f64::from(largest) / f64::from(common).max(f64::from(largest) * 1e-9).max(1e-30),
        });
    }

    /// Float tensor `id` in `width`, requantized if it was made in another.
    fn version(&mut self, id: TensorId, width: Width) -> TensorId {
        if let Some(&version) = self.versions.get(&(id, width.bits())) {
            return version;
        }
        let x = self.versions[&(id, self.plan.primary[id].bits())];
        let (from, zero) = (self.graph.tensors[x].scale, self.graph.tensors[x].zero);
        let scale = match width {
            Width::I32 => Scale { scale: from, zero: 0, method: "fixed".into() },
            Width::I8 | Width::I16 | Width::Sign | Width::Ternary => self.scales.of(self.plan, id, width),
        };
        let elements = self.model.tensors[id].width;
        let bias = (f64::from(scale.zero) * scale.scale / from).round() as i32 - zero;
        let ratio = from / scale.scale;
        let out = self.tensor(id, width, scale);
        self.push(Node::Requantize { x, out, ratios: vec![ratio; elements], bias: vec![bias; elements] });
        out
    }

    fn output(&mut self, output: &float::Output) -> Result<(), ConvertError> {
        let width = match output.kind {
            runtime::OutputKind::Logits | runtime::OutputKind::Values => Width::I32,
            runtime::OutputKind::Embedding | runtime::OutputKind::Dense => self.plan.primary[output.tensor],
        };
        let tensor = self.version(output.tensor, width);
        let shape = output.shape.map(|d| d as u32);
        let float::Output { name, kind, ending, .. } = output.clone();
        self.graph.outputs.push(Output { name, tensor, kind, shape, ending });
        Ok(())
    }

    fn pixels(&mut self, out: TensorId, mean: &[f32], std: &[f32]) {
        let scale = self.scales.of(self.plan, out, Width::I8);
        let table = |(mean, std): (&f32, &f32)| {
            let (mean, std) = (f64::from(*mean), f64::from(*std));
            let scale = scale.clone();
            (0..=255u8).map(move |p| scale.int8((f64::from(p) / 255.0 - mean) / std) as i8)
        };
        let tables = mean.iter().zip(std).flat_map(table).collect();
        let out = self.make(out);
        self.push(Node::QuantizeImage { x: 0, out, tables });
    }

    /// The weights of a layer from `x`, read in `width`, to `out`, and the tensor it makes.
    fn dense(
        &mut self,
        x: TensorId,
        width: Width,
        out: TensorId,
        dense: &Dense,
    ) -> (crate::graph::Weights, TensorId) {
        let scale = self.scales.of(self.plan, x, width);
        let activation = &self.statistics.activations[x];
        let by_column = activation.width == dense.k;
        let squares =
            if by_column { activation.column_means(|v| math::square(f64::from(v))) } else { Vec::new() };
        let correct = self.options.correct_bias && by_column && width == Width::I8;
        let means = if correct {
            let mean = activation.column_means(f64::from);
            let rounded = activation.column_means(|v| f64::from(scale.round8(v)));
            mean.into_iter().zip(rounded).collect()
        } else {
            Vec::new()
        };
        let input = Input { scale: &scale, squares: &squares, means: &means };
        if self.plan.primary[out] == Width::I32 {
            let layer = weights::quantize(dense, &input, None);
            let scale = Scale::fixed(layer.weights.logit_scale(width));
            self.corrected(out, layer.correction);
            let out = self.tensor(out, Width::I32, scale);
            return (layer.weights, out);
        }
        let target = self.scales.of(self.plan, out, self.plan.primary[out]);
        let layer = weights::quantize(dense, &input, Some(&target));
        self.corrected(out, layer.correction);
        (layer.weights, self.make(out))
    }

    fn corrected(&mut self, out: TensorId, correction: f64) {
        if correction > 0.0 {
            self.corrections.push(Change {
                kind: ChangeKind::Corrected,
                layer: self.model.tensors[out].name.clone(),
                what: "the mean error of the quantized layer was taken into its bias".into(),
                why: format!("up to {correction:.2e} in an output channel"),
            });
        }
    }

    fn affine(
        &mut self,
        x: TensorId,
        out: TensorId,
        scale: &[f32],
        offset: &[f32],
    ) -> Result<(), ConvertError> {
        let name = self.model.tensors[out].name.clone();
        let (least, largest) = (self.scales.least_score(self.plan, out), self.largest(x));
        let out = self.make(out);
        let (unit, target) = (self.graph.tensors[x].scale, self.graph.tensors[out].scale);
        let shift = f64::from(self.graph.tensors[out].zero) * target;
        let zero = f64::from(self.graph.tensors[x].zero);
        let (mut ratios, mut bias) = (Vec::new(), Vec::new());
        for (&s, &o) in scale.iter().zip(offset) {
            // A lower offset excludes a score as this one does.
            let least = least.map_or(f64::NEG_INFINITY, |least| least - largest * f64::from(s.abs()));
            let value = (f64::from(o).max(least) + shift) / (unit * f64::from(s)) - zero;
            if !value.is_finite() || value.abs() > f64::from(quant::ops::MAX_BIAS) {
                let ratio = f64::from(s);
                return Err(ConvertError::Ratio { name, ratio });
            }
            ratios.push(unit * f64::from(s) / target);
            bias.push(value.round() as i32);
        }
        self.push(Node::Requantize { x, out, ratios, bias });
        Ok(())
    }

    fn norm(&mut self, node: &Float, x: TensorId) {
        let Float::LayerNorm { out, gamma, beta, eps, centred, .. } = node else { return };
        let out = self.make(*out);
        let (gamma, beta) = self.norm_parameters(out, gamma, beta);
        self.push(Node::LayerNorm { x, out, gamma, beta, eps: f64::from(*eps), centred: *centred });
    }

    fn group_norm(&mut self, node: &Float, x: TensorId) {
        let Float::GroupNorm { out, groups, gamma, beta, eps, .. } = node else { return };
        let out = self.make(*out);
        let (gamma, beta) = self.norm_parameters(out, gamma, beta);
        self.push(Node::GroupNorm { x, out, groups: *groups as u32, gamma, beta, eps: f64::from(*eps) });
    }

    /// γ and β of a norm that makes `out`, whose zero point is in β.
    fn norm_parameters(&self, out: TensorId, gamma: &[f32], beta: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let tensor = &self.graph.tensors[out];
        let shift = f64::from(tensor.zero) * tensor.scale;
        let gamma = gamma.iter().map(|&g| f64::from(g)).collect();
        (gamma, beta.iter().map(|&b| f64::from(b) + shift).collect())
    }

    fn activate(&mut self, x: TensorId, out: TensorId, function: float::Function) {
        let out = self.make(out);
        let (from, to) = (&self.graph.tensors[x], &self.graph.tensors[out]);
        if from.bits == Width::I16 && function == float::Function::Relu {
            return self.push(Node::Relu { x, out });
        }
        if from.bits == Width::I16 {
            let table = interpolated(function, from.scale, to.scale);
            return self.push(Node::Interpolate { x, out, table });
        }
        let target = Scale { scale: to.scale, zero: to.zero, method: String::new() };
        let table = (-128..128).map(|q: i32| {
            let value = f64::from(q - from.zero) * from.scale;
            target.int8(function.continued(value)) as i8
        });
        let table = table.collect();
        self.push(Node::Table { x, out, table });
    }

    fn add_constant(&mut self, x: TensorId, out: TensorId, values: &[f32]) {
        // Lower addends exclude a score as this one does, beside the largest that there can be.
        let least = self.scales.least_score(self.plan, out).map(|least| least - self.largest(x));
        let values: Vec<f64> =
            values.iter().map(|&v| f64::from(v).max(least.unwrap_or(f64::NEG_INFINITY))).collect();
        let largest = values.iter().fold(0f64, |m, v| m.max(v.abs()));
        let scale = (largest / 32767.0).max(1e-30);
        let values = values.iter().map(|v| (v / scale).round() as i16).collect();
        let out = self.make(out);
        self.push(Node::AddConstant { x, out, values, scale });
    }

    /// The largest magnitude of an integer of tensor `x` of the quantized graph, as a real number.
    fn largest(&self, x: TensorId) -> f64 {
        let tensor = &self.graph.tensors[x];
        let [low, high] = tensor.bits.limits().map(|end| f64::from(end) - f64::from(tensor.zero));
        tensor.scale * low.abs().max(high.abs())
    }

    fn exponential(&self, score: f64, terms: u32) -> ExpBits {
        // Exact exponentials start at 2ⁿ, those of shift-exp at about 2ⁿ/score.
        let exact = self.options.exponential == Exponential::Exact;
        let room = SUM_LIMIT / terms.max(1);
        let bits = if exact { EXP_BITS.min(room.max(2).ilog2() as u8) } else { EXP_BITS };
        debug_assert!(score > 0.0, "scores have a scale");
        ExpBits { bits, limit: SUM_LIMIT, exact }
    }

    fn matmul(&mut self, node: &Float, inputs: &[TensorId]) {
        let Float::MatMul { a, b, transpose_b, out, batch, m, n, k, scales } = node else { return };
        let unit = self.graph.tensors[inputs[0]].scale * self.graph.tensors[inputs[1]].scale;
        let made = self.make(out.tensor);
        let at = |part: &float::Strided, tensor: TensorId| float::Strided { tensor, ..*part };
        self.push(Node::MatMul {
            a: at(a, inputs[0]),
            b: at(b, inputs[1]),
            transpose_b: *transpose_b,
            out: at(out, made),
            batch: *batch as u32,
            m: *m as u32,
            n: *n as u32,
            k: *k as u32,
            product_scales: scales.iter().map(|&scale| unit * f64::from(scale)).collect(),
        });
    }

    fn attention(&mut self, index: usize, inputs: &[TensorId]) {
        let Float::Attention { q, k, v, keys, heads, head_dim, scales, out } = &self.model.nodes[index]
        else {
            return;
        };
        let unit = self.graph.tensors[inputs[0]].scale * self.graph.tensors[inputs[1]].scale;
        let score_scale = score_scale(&self.statistics.scores[index], *keys);
        let exponential = self.exponential(score_scale, *keys as u32);
        let made = self.make(*out);
        let at = |part: &float::Strided, tensor: TensorId| float::Strided { tensor, ..*part };
        self.push(Node::Attention {
            q: at(q, inputs[0]),
            k: at(k, inputs[1]),
            v: at(v, inputs[2]),
            keys: *keys as u32,
            out: made,
            heads: *heads as u32,
            head_dim: *head_dim as u32,
            product_scales: scales.iter().map(|&s| unit * f64::from(s)).collect(),
            score_scale,
            exponential,
        });
    }

    fn concat(&mut self, parts: &[FloatPart], inputs: &[TensorId], out: TensorId) {
        let out = self.make(out);
        let tensor = &self.graph.tensors[out];
        let (scale, zero) = (tensor.scale, tensor.zero);
        let (low, high) = if tensor.bits == Width::I8 { (-128.0, 127.0) } else { (-32768.0, 32767.0) };
        let integer = |v: &f32| ((f64::from(*v) / scale).round() + f64::from(zero)).clamp(low, high) as i32;
        let mut tensors = inputs.iter();
        let parts = parts.iter().filter_map(|part| match part {
            FloatPart::Tensor(_) => tensors.next().map(|&id| Part::Tensor(id)),
            FloatPart::Constant(values) => Some(Part::Constant(values.iter().map(integer).collect())),
        });
        let parts = parts.collect();
        self.push(Node::Concat { parts, out });
    }
}

/// The knots of `function` from values of scale `from` to values of scale `to`.
fn interpolated(function: float::Function, from: f64, to: f64) -> Vec<i16> {
    let knot = |i: usize| {
        let x = (128.0 * i as f64 - 32768.0) * from;
        (function.continued(x) / to).round().clamp(-32768.0, 32767.0) as i16
    };
    (0..quant::ops::KNOTS).map(knot).collect()
}
