//! Norms and softmax.

use float::math;

use super::{Sketch, close};
use crate::model::{Array, Attribute};

#[test]
fn layer_norm_and_softmax_take_any_layout() {
    for perm in [[0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]] {
        let mut sketch = Sketch::new([1, 3, 4, 5]);
        let turned = sketch.transpose("x", &perm);
        let two = sketch.constant(Array::scalar(-2.0));
        let scaled = sketch.node("Mul", &[&turned, &two], &[]);
        let len = [1, 3, 4, 5][perm[3] as usize];
        let (gamma, beta) = (sketch.floats(&[len]), sketch.floats(&[len]));
        let values = sketch.truth(&scaled);
        let norm = sketch.node("LayerNormalization", &[&scaled, &gamma, &beta], &[]);
        let [gamma, beta] = [gamma, beta].map(|name| sketch.model.constants[&name].to_f32s());
        let mut expected = Vec::new();
        for row in values.chunks(len) {
            let mean = row.iter().sum::<f32>() / len as f32;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / len as f32;
            let std = (variance + 1e-5).sqrt();
            expected.extend(row.iter().enumerate().map(|(at, x)| (x - mean) / std * gamma[at] + beta[at]));
        }
        close(&sketch.run(&norm), &expected);
        let soft = sketch.node("Softmax", &[&scaled], &[]);
        let mut expected = Vec::new();
        for row in values.chunks(len) {
            let sum: f32 = row.iter().map(|x| math::expf(*x)).sum();
            expected.extend(row.iter().map(|x| math::expf(*x) / sum));
        }
        close(&sketch.run(&soft), &expected);
    }
}

/// The root of the mean of squares.
fn rms(row: &[f32], eps: f64) -> f32 {
    let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    (squares / row.len() as f64 + eps).sqrt() as f32
}

#[test]
fn rms_norm_takes_any_layout() {
    let stated = [("epsilon", Attribute::Float(0.01))];
    for (op, attributes, eps) in
        [("RMSNormalization", &stated[..], 0.01), ("SimplifiedLayerNormalization", &[], 1e-5)]
    {
        for perm in [[0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]] {
            let mut sketch = Sketch::new([1, 3, 4, 5]);
            let turned = sketch.transpose("x", &perm);
            let len = [1, 3, 4, 5][perm[3] as usize];
            let gamma = sketch.floats(&[len]);
            let values = sketch.truth(&turned);
            let norm = sketch.node(op, &[&turned, &gamma], attributes);
            let gamma = sketch.model.constants[&gamma].to_f32s();
            let normed = |row: &[f32]| -> Vec<f32> {
                let root = rms(row, eps);
                row.iter().zip(&gamma).map(|(x, g)| x / root * g).collect()
            };
            let expected: Vec<f32> = values.chunks(len).flat_map(normed).collect();
            close(&sketch.run(&norm), &expected);
        }
    }
}

#[test]
fn vectors_of_any_axis_get_unit_length() {
    for (axis, perm) in [(1, [0, 3, 2, 1]), (2, [0, 1, 3, 2]), (3, [0, 1, 2, 3])] {
        let mut sketch = Sketch::new([1, 3, 4, 5]);
        let lanes = sketch.transpose("x", &perm);
        let values = sketch.truth(&lanes);
        let unit = sketch.node("LpNormalization", &["x"], &[("axis", Attribute::Int(axis))]);
        let out = sketch.transpose(&unit, &perm);
        // Something behind it, or it were left out.
        let out = sketch.node("Relu", &[&out], &[]);
        let len = [1, 3, 4, 5][axis as usize];
        let root = (len as f32).sqrt();
        let unit = |row: &[f32]| -> Vec<f32> { row.iter().map(|x| x / rms(row, 0.0) / root).collect() };
        let expected: Vec<f32> = values.chunks(len).flat_map(unit).collect();
        close(&sketch.run(&out), &expected);
    }
    let mut sums = Sketch::new([1, 3, 4, 5]);
    let out = sums.node("LpNormalization", &["x"], &[("p", Attribute::Int(1))]);
    let out = sums.node("Relu", &[&out], &[]);
    assert!(sums.build(&out).unwrap_err().to_string().contains("p = 2"));
}
