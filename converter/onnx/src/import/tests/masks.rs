//! Masks of scores, against softmax written out.

use float::{Node, math};

use super::{Sketch, close};
use crate::model::{Array, Attribute};

#[test]
fn masks_hold_negative_infinities() {
    for (shape, axis) in [([1, 4], -1), ([3, 1], -2)] {
        let mut sketch = Sketch::new([1, 3, 2, 2]);
        let rows = sketch.reshape("x", &[3, 4]);
        let mut values = vec![0.0; shape[0] * shape[1]];
        values[1] = f32::NEG_INFINITY;
        let mask = sketch.constant(Array { shape: shape.to_vec(), data: values.into() });
        let masked = sketch.node("Add", &[&rows, &mask], &[]);
        let soft = sketch.node("Softmax", &[&masked], &[("axis", Attribute::Int(axis))]);
        let w = sketch.floats(&[4, 2]);
        let last = sketch.node("MatMul", &[&soft, &w], &[]);
        let graph = sketch.build(&last).unwrap();
        let added = graph.nodes.iter().find_map(|node| match node {
            Node::AddConstant { values, .. } => Some(values),
            _ => None,
        });
        let excluded = added.expect("a mask").iter().filter(|&&value| value == f32::NEG_INFINITY).count();
        assert_eq!(excluded, 12 / (shape[0] * shape[1]));
    }
}

/// Softmax of rows of four, of the scores that are kept; uniform where none is.
fn softmax(scores: &[f32], kept: impl Fn(usize) -> bool) -> Vec<f32> {
    let mut out = Vec::new();
    for (row, scores) in scores.chunks(4).enumerate() {
        let weights: Vec<f32> = scores
            .iter()
            .enumerate()
            .map(|(at, score)| if kept(row * 4 + at) { math::expf(*score) } else { 0.0 })
            .collect();
        let sum: f32 = weights.iter().sum();
        out.extend(weights.iter().map(|weight| if sum == 0.0 { 0.25 } else { weight / sum }));
    }
    out
}

/// The third row keeps nothing.
fn keeps(at: usize) -> bool {
    at < 8 && !at.is_multiple_of(3)
}

#[test]
fn where_is_a_mask_of_scores() {
    let mask =
        |flip: bool| Array::new(vec![3, 4], (0..12).map(|at| keeps(at) != flip).collect::<Vec<_>>()).unwrap();
    for (low, flip) in [(f32::MIN, false), (-1e9, true), (-1e4, false), (f32::MIN, true)] {
        let mut sketch = Sketch::new([1, 3, 2, 2]);
        let rows = sketch.reshape("x", &[3, 4]);
        let (condition, low) = (sketch.constant(mask(flip)), sketch.constant(Array::scalar(low)));
        let sides = if flip { [&condition, &low, &rows] } else { [&condition, &rows, &low] };
        let masked = sketch.node("Where", &sides.map(String::as_str), &[]);
        let turned = sketch.reshape(&masked, &[1, 3, 4]);
        let soft = sketch.node("Softmax", &[&turned], &[]);
        close(&sketch.run(&soft), &softmax(&sketch.image().to_f32s(), keeps));
    }
}

#[test]
fn a_row_without_a_score_is_uniform_whatever_its_scores() {
    for low in [-1e4, -1e9, f32::MIN] {
        let mut sketch = Sketch::new([1, 3, 2, 2]);
        let factor = sketch.constant(Array::scalar(1e4_f32));
        let scores = sketch.node("Mul", &["x", &factor], &[]);
        let scores = sketch.reshape(&scores, &[3, 4]);
        let kept = Array::new(vec![3, 4], (0..12).map(keeps).collect::<Vec<_>>()).unwrap();
        let (kept, low) = (sketch.constant(kept), sketch.constant(Array::scalar(low)));
        let masked = sketch.node("Where", &[&kept, &scores, &low], &[]);
        let soft = sketch.node("Softmax", &[&masked], &[]);
        assert_eq!(sketch.run(&soft)[8..], [0.25; 4]);
    }
}

#[test]
fn where_elsewhere_is_refused() {
    let condition = || Array::new(vec![4], vec![true, false, true, true]).unwrap();
    let said = |low: Array, then: &str| {
        let mut sketch = Sketch::new([1, 3, 2, 2]);
        let rows = sketch.reshape("x", &[3, 4]);
        let (condition, low) = (sketch.constant(condition()), sketch.constant(low));
        let masked = sketch.node("Where", &[&condition, &rows, &low], &[]);
        let out = sketch.node(then, &[&masked], &[]);
        sketch.build(&out).unwrap_err().to_string()
    };
    for (low, then) in [(-1e9, "Relu"), (-100.0, "Softmax"), (0.0, "Softmax"), (f32::NAN, "Softmax")] {
        assert!(said(Array::scalar(low), then).contains("supported as a mask"), "{low} {then}");
    }
    // A row without a score would be the softmax of these numbers.
    let apart = Array::vector(vec![-1e9_f32, -1e4, -1e9, -1e9]);
    assert!(said(apart, "Softmax").contains("one number of −10,000"));
    // Scores that something else reads too are not lost.
    let mut sketch = Sketch::new([1, 3, 2, 2]);
    let rows = sketch.reshape("x", &[3, 4]);
    let (condition, low) = (sketch.constant(condition()), sketch.constant(Array::scalar(-1e9)));
    let masked = sketch.node("Where", &[&condition, &rows, &low], &[]);
    let soft = sketch.node("Softmax", &[&masked], &[]);
    let out = sketch.node("Add", &[&soft, &masked], &[]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("supported as a mask"));
}

/// Attention of one query row for each key, heads of two channels, written out.
fn attend(
    x: &[f32],
    heads: [usize; 2],
    kept: impl Fn(usize, usize) -> bool,
    score: impl Fn(f32) -> f32,
) -> Vec<f32> {
    let (rows, width) = (4, 2 * heads[0]);
    let mut out = vec![0.0; rows * width];
    for head in 0..heads[0] {
        let shared = head / (heads[0] / heads[1]);
        let at = |row: usize, head: usize, c: usize| x[row * width + head * 2 + c];
        for q in 0..rows {
            let weight = |k: usize| {
                let product: f32 = (0..2).map(|c| at(q, head, c) * at(k, shared, c)).sum();
                if kept(q, k) { math::expf(score(product / 2.0_f32.sqrt())) } else { 0.0 }
            };
            let sum: f32 = (0..rows).map(weight).sum();
            for c in 0..2 {
                out[q * width + head * 2 + c] = (0..rows).map(|k| weight(k) / sum * at(k, shared, c)).sum();
            }
        }
    }
    out
}

#[test]
fn attention_is_masked_causal_capped_and_grouped() {
    let mask = |q: usize, k: usize| q != 2 || k == 1;
    for (kind, heads) in [("mask", [2, 2]), ("causal", [2, 2]), ("cap", [2, 2]), ("groups", [2, 1])] {
        let mut sketch = Sketch::new([1, 4, 2, 2]);
        let x = sketch.reshape("x", &[1, 4, 4]);
        let ends = sketch.ints(&[2 * heads[1] as i64]);
        let (start, axis) = (sketch.ints(&[0]), sketch.ints(&[2]));
        let keys = sketch.node("Slice", &[&x, &start, &ends, &axis], &[]);
        let mut attributes = vec![
            ("q_num_heads", Attribute::Int(heads[0] as i64)),
            ("kv_num_heads", Attribute::Int(heads[1] as i64)),
        ];
        let mut inputs = vec![x.clone(), keys.clone(), keys];
        match kind {
            "mask" => {
                let values: Vec<bool> = (0..16).map(|at| mask(at / 4, at % 4)).collect();
                inputs.push(sketch.constant(Array::new(vec![4, 4], values).unwrap()));
            }
            "causal" => attributes.push(("is_causal", Attribute::Int(1))),
            "cap" => attributes.push(("softcap", Attribute::Float(0.5))),
            _ => {}
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let out = sketch.node("Attention", &inputs, &attributes);
        let image = sketch.image().to_f32s();
        let expected = match kind {
            "mask" => attend(&image, heads, mask, |s| s),
            "causal" => attend(&image, heads, |q, k| k <= q, |s| s),
            "cap" => attend(&image, heads, |_, _| true, |s| 0.5 * math::tanhf(s / 0.5)),
            _ => attend(&image, heads, |_, _| true, |s| s),
        };
        close(&sketch.run(&out), &expected);
    }
}
