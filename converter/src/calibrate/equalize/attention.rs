//! Channels of queries, keys and values.

use facts::{Change, ChangeKind};
use float::{Dense, Graph, Node, Strided, TensorId};

use super::channels::{best, consumers, take_back};
use crate::calibrate::attention::only_attention;
use crate::calibrate::statistics::Statistics;

/// Equalizes every attention whose queries, keys and values come straight from layers.
pub(super) fn equalize(model: &mut Graph, statistics: &Statistics) -> Vec<Change> {
    let attentions: Vec<usize> =
        (0..model.nodes.len()).filter(|&i| matches!(model.nodes[i], Node::Attention { .. })).collect();
    attentions.into_iter().filter_map(|index| one(model, statistics, index)).collect()
}

/// Queries, keys or values: the layer that makes them and the columns they are.
struct Operand {
    tensor: TensorId,
    node: usize,
    columns: Vec<usize>,
}

fn operand(
    model: &Graph,
    readers: &[Vec<usize>],
    part: Strided,
    heads: usize,
    dim: usize,
) -> Option<Operand> {
    let tensor = part.tensor;
    let width = model.tensors[tensor].width;
    // One row of the tensor holds all heads, and only one attention reads it.
    let inside = part.row == width && part.offset + (heads - 1) * part.batch + dim <= width;
    let single = readers[tensor].iter().all(|&r| r == readers[tensor][0]);
    if !inside || !single || !only_attention(model, &readers[tensor], tensor) {
        return None;
    }
    let node = model.nodes.iter().position(|node| node.output() == tensor)?;
    let Node::Linear { .. } = model.nodes[node] else { return None };
    let columns = (0..heads).flat_map(|h| (0..dim).map(move |c| part.offset + h * part.batch + c)).collect();
    Some(Operand { tensor, node, columns })
}

fn one(model: &mut Graph, statistics: &Statistics, index: usize) -> Option<Change> {
    let Node::Attention { q, k, v, heads, head_dim, out, .. } = model.nodes[index] else { return None };
    let readers = model.readers();
    let [q, k, v] = [q, k, v].map(|part| operand(model, &readers, part, heads, head_dim));
    let (q, k, v) = (q?, k?, v?);
    // A column that is two of them cannot change for one.
    let shared =
        |a: &Operand, b: &Operand| a.tensor == b.tensor && a.columns.iter().any(|c| b.columns.contains(c));
    if shared(&q, &k) || shared(&k, &v) || shared(&q, &v) {
        return None;
    }
    let span = |o: &Operand, c: usize| {
        let seen = &statistics.activations[o.tensor];
        (f64::from(seen.low[o.columns[c]]), f64::from(seen.high[o.columns[c]]))
    };
    let ranges = score_ranges(heads * head_dim, &|c| span(&q, c), &|c| span(&k, c));
    // The range that all three parts get: that of the strongest head.
    let target = ranges.iter().map(|r| r.shared).fold(0.0, f64::max);
    if target <= 0.0 {
        return None;
    }
    let mut factors = Vec::with_capacity(heads);
    for head in ranges.chunks(head_dim) {
        let largest = head.iter().map(|r| r.shared).fold(0.0, f64::max).max(target * 1e-3);
        factors.push(target / largest);
    }
    for (c, range) in ranges.iter().enumerate() {
        let lift = factors[c / head_dim];
        rescale(model, q.node, q.columns[c], 0.0, lift * range.balance);
        rescale(model, k.node, k.columns[c], range.key_shift, lift / range.balance);
    }
    let Node::Attention { scales, .. } = &mut model.nodes[index] else { return None };
    for (scale, lift) in scales.iter_mut().zip(&factors) {
        *scale = (f64::from(*scale) / (lift * lift)) as f32;
    }
    let values = values(model, statistics, out, &v, &|c| span(&v, c), target);
    Some(Change {
        kind: ChangeKind::Equalized,
        layer: model.tensors[out].name.clone(),
        what: format!(
            "queries, keys{} rescaled to one range, keys centred",
            if values { " and values" } else { "" }
        ),
        why: "they share one int8 scale".into(),
    })
}

/// How one channel of queries and keys is changed.
struct Pair {
    key_shift: f64,
    /// The query is multiplied by it, the key divided.
    balance: f64,
    /// The range of both then.
    shared: f64,
}

fn score_ranges(count: usize, q: &dyn Fn(usize) -> (f64, f64), k: &dyn Fn(usize) -> (f64, f64)) -> Vec<Pair> {
    let pair = |c: usize| {
        let ((q_low, q_high), (k_low, k_high)) = (q(c), k(c));
        let key_shift = (k_low + k_high) / 2.0;
        let (query, key) = (q_high.abs().max(q_low.abs()), (k_high - k_low) / 2.0);
        let (query, key) = (query.max(1e-9), key.max(1e-9));
        Pair { key_shift, balance: (key / query).sqrt(), shared: (query * key).sqrt() }
    };
    (0..count).map(pair).collect()
}

/// Output channel `column` of a layer becomes `(y − shift) · factor`.
fn rescale(model: &mut Graph, node: usize, column: usize, shift: f64, factor: f64) {
    let Node::Linear { dense: Dense { k, weights, bias, .. }, .. } = &mut model.nodes[node] else { return };
    for w in &mut weights[column * *k..][..*k] {
        *w = (f64::from(*w) * factor) as f32;
    }
    bias[column] = ((f64::from(bias[column]) - shift) * factor) as f32;
}

/// Changes the values and the layers that read the attention's output, if only layers do.
fn values(
    model: &mut Graph,
    statistics: &Statistics,
    out: TensorId,
    v: &Operand,
    span: &dyn Fn(usize) -> (f64, f64),
    target: f64,
) -> bool {
    let readers = consumers(model, out);
    if readers.is_empty() {
        return false;
    }
    let width = v.columns.len();
    let factor =
        best(model, &statistics.activations[out], &readers).map_or_else(|| vec![1.0; width], |b| b.factor);
    let shift: Vec<f64> = (0..width).map(|c| (span(c).0 + span(c).1) / 2.0).collect();
    let reach = |c: usize| (span(c).1 - span(c).0) / 2.0 / factor[c];
    let largest = (0..width).map(reach).fold(0.0, f64::max);
    if largest <= 0.0 {
        return false;
    }
    let factor: Vec<f64> = factor.iter().map(|f| f * largest / target).collect();
    for c in 0..width {
        rescale(model, v.node, v.columns[c], shift[c], 1.0 / factor[c]);
    }
    take_back(model, &readers, &shift, &factor);
    true
}
