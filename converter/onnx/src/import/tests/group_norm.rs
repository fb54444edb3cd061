//! Norms over pixels against their definition.

use super::{Sketch, close, ops};
use crate::model::{Array, Attribute};
use float::Node;

fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

/// The definition: each of `groups` of an image of `channels`, channels first, with mean 0 and
/// variance 1, then γ and β of each channel.
fn expected(x: &[f32], channels: usize, groups: usize, eps: f32, gamma: &[f32], beta: &[f32]) -> Vec<f32> {
    let (pixels, n) = (x.len() / channels, x.len() / groups);
    let norm = |(at, group): (usize, &[f32])| {
        let mean = group.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
        let variance =
            group.iter().map(|&v| (f64::from(v) - mean) * (f64::from(v) - mean)).sum::<f64>() / n as f64;
        let normed = group.iter().map(move |&v| (f64::from(v) - mean) / (variance + f64::from(eps)).sqrt());
        let of = move |i: usize| (at * n + i) / pixels;
        let (gamma, beta) = (gamma.to_vec(), beta.to_vec());
        let out = move |(i, v): (usize, f64)| (v * f64::from(gamma[of(i)]) + f64::from(beta[of(i)])) as f32;
        normed.enumerate().map(out).collect::<Vec<f32>>()
    };
    x.chunks(n).enumerate().flat_map(norm).collect()
}

/// The γ or β of 4 channels, each `each` times.
fn parameters(sketch: &Sketch, name: &str, each: usize) -> Vec<f32> {
    let values = sketch.model.constants[name].to_f32s();
    values.iter().flat_map(|&value| vec![value; each]).collect()
}

/// Inputs of 4 channels in different layouts, and what of the pixels they hold.
fn inputs() -> Vec<(Sketch, String, Vec<f32>)> {
    let mut all = Vec::new();
    for layout in 0..4 {
        let mut sketch = Sketch::new([1, 4, 3, 5]);
        let factor = sketch.constant(Array::scalar(-3.0));
        let x = match layout {
            0 => "x".to_string(),
            1 => sketch.node("Mul", &["x", &factor], &[]),
            2 => {
                // Stored channel by channel.
                let w = sketch.floats(&[15, 15]);
                let flat = sketch.reshape("x", &[1, 4, 15]);
                let mixed = sketch.node("MatMul", &[&flat, &w], &[]);
                sketch.reshape(&mixed, &[1, 4, 3, 5])
            }
            _ => {
                // The halves of the channels woven into each other.
                let halves = sketch.reshape("x", &[1, 2, 2, 3, 5]);
                let swapped = sketch.transpose(&halves, &[0, 2, 1, 3, 4]);
                sketch.reshape(&swapped, &[1, 4, 3, 5])
            }
        };
        let values = sketch.truth(&x);
        all.push((sketch, x, values));
    }
    all
}

#[test]
fn group_and_instance_norm_take_any_layout() {
    for (mut sketch, x, values) in inputs() {
        let (gamma, beta) = (sketch.floats(&[4]), sketch.floats(&[4]));
        let of = |sketch: &Sketch, name: &str| parameters(sketch, name, 1);
        for groups in [1, 2, 4] {
            sketch.model.opset = 21;
            let attributes = [("num_groups", int(groups as i64))];
            let out = sketch.node("GroupNormalization", &[&x, &gamma, &beta], &attributes);
            let want = expected(&values, 4, groups, 1e-5, &of(&sketch, &gamma), &of(&sketch, &beta));
            close(&sketch.run(&out), &want);
        }
        let out = sketch.node("InstanceNormalization", &[&x, &gamma, &beta], &[]);
        let want = expected(&values, 4, 4, 1e-5, &of(&sketch, &gamma), &of(&sketch, &beta));
        close(&sketch.run(&out), &want);
    }
}

#[test]
fn before_opset_21_parameters_are_those_of_groups() {
    let mut sketch = Sketch::new([1, 4, 3, 5]);
    sketch.model.opset = 18;
    let (gamma, beta) = (sketch.floats(&[2]), sketch.floats(&[2]));
    let out = sketch.node("GroupNormalization", &["x", &gamma, &beta], &[("num_groups", int(2))]);
    let parameters = |name| parameters(&sketch, name, 2);
    let want = expected(&sketch.image().to_f32s(), 4, 2, 1e-5, &parameters(&gamma), &parameters(&beta));
    close(&sketch.run(&out), &want);
    sketch.model.opset = 21;
    let message = sketch.build(&out).unwrap_err().to_string();
    assert!(message.contains("its scale has 2 values, expected 4"), "{message}");
}

#[test]
fn what_exporters_write_is_one_node() {
    for groups in [1, 2] {
        for (mut sketch, x, values) in inputs() {
            let (one, zero) = (vec![1.0_f32; groups], vec![0.0_f32; groups]);
            let [one, zero] = [one, zero].map(|values| sketch.constant(Array::vector(values)));
            let (gamma, beta) = (sketch.floats(&[4, 1, 1]), sketch.floats(&[4, 1, 1]));
            let apart = sketch.reshape(&x, &[0, groups as i64, -1]);
            let norm = sketch.node("InstanceNormalization", &[&apart, &one, &zero], &[]);
            let back = sketch.reshape(&norm, &[1, 4, 3, 5]);
            let scaled = sketch.node("Mul", &[&back, &gamma], &[]);
            let out = sketch.node("Add", &[&scaled, &beta], &[]);
            let parameters = |name| parameters(&sketch, name, 1);
            let want = expected(&values, 4, groups, 1e-5, &parameters(&gamma), &parameters(&beta));
            close(&sketch.run(&out), &want);
            if x == "x" {
                let graph = sketch.build(&out).unwrap();
                assert_eq!(ops(&graph)[..2], ["Pixels", "GroupNorm"]);
                let gammas = graph.nodes.iter().filter_map(|node| match node {
                    Node::GroupNorm { gamma, groups, .. } => Some((gamma.len(), *groups)),
                    _ => None,
                });
                assert_eq!(gammas.collect::<Vec<_>>(), [(4, groups)]);
            }
        }
    }
}

#[test]
fn groups_that_do_not_divide_the_channels_are_refused() {
    let mut sketch = Sketch::new([1, 4, 3, 5]);
    sketch.model.opset = 21;
    let (gamma, beta) = (sketch.floats(&[4]), sketch.floats(&[4]));
    for groups in [0, 3, -1] {
        let out = sketch.node("GroupNormalization", &["x", &gamma, &beta], &[("num_groups", int(groups))]);
        let message = sketch.build(&out).unwrap_err().to_string();
        assert!(message.contains("no divisor of its 4 channels"), "{message}");
    }
}
