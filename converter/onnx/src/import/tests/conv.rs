//! Convolutions, pooling and maxima.

use super::{Sketch, close, ints, noise, ops};
use crate::model::{Array, Attribute};

/// A convolution as ONNX defines it, channels first.
fn convolution(x: &Array, w: &Array, stride: i64, pad: i64, dilation: i64, groups: usize) -> Vec<f32> {
    let (xs, ws) = (x.to_f32s(), w.to_f32s());
    let (c, h, wide) = (x.shape[1], x.shape[2] as i64, x.shape[3] as i64);
    let [n, cg, kh, kw] = [w.shape[0], w.shape[1], w.shape[2], w.shape[3]];
    assert_eq!(c, cg * groups);
    let size = |len: i64, k: usize| (len + 2 * pad - dilation * (k as i64 - 1) - 1) / stride + 1;
    let mut out = Vec::new();
    for o in 0..n {
        for y in 0..size(h, kh) {
            for x_at in 0..size(wide, kw) {
                let mut sum = 0.0;
                for i in 0..cg {
                    for ky in 0..kh {
                        for kx in 0..kw {
                            let iy = y * stride - pad + ky as i64 * dilation;
                            let ix = x_at * stride - pad + kx as i64 * dilation;
                            if (0..h).contains(&iy) && (0..wide).contains(&ix) {
                                let channel = o / (n / groups) * cg + i;
                                sum += xs[(channel * h as usize + iy as usize) * wide as usize + ix as usize]
                                    * ws[((o * cg + i) * kh + ky) * kw + kx];
                            }
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

#[test]
fn conv_has_strides_padding_dilation_and_groups() {
    for (stride, pad, dilation, groups) in [(1, 1, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1), (3, 0, 1, 4)] {
        let mut sketch = Sketch::new([1, 4, 7, 6]);
        let weights = noise(&[8, 4 / groups, 3, 3], 5);
        let w = sketch.constant(weights.clone());
        let out = sketch.node(
            "Conv",
            &["x", &w],
            &[
                ("strides", ints(&[stride, stride])),
                ("pads", ints(&[pad; 4])),
                ("dilations", ints(&[dilation; 2])),
                ("group", Attribute::Int(groups as i64)),
            ],
        );
        close(&sketch.run(&out), &convolution(&sketch.image(), &weights, stride, pad, dilation, groups));
    }
}

#[test]
fn padding_may_be_wider_than_the_kernel() {
    for (kernel, stride, pad) in [(1, 1, 1), (2, 1, 3), (2, 3, 4), (3, 2, 5)] {
        let mut sketch = Sketch::new([1, 2, 5, 4]);
        let weights = noise(&[3, 2, kernel, kernel], 5);
        let w = sketch.constant(weights.clone());
        let attributes = [("strides", ints(&[stride; 2])), ("pads", ints(&[pad; 4]))];
        let out = sketch.node("Conv", &["x", &w], &attributes);
        close(&sketch.run(&out), &convolution(&sketch.image(), &weights, stride, pad, 1, 1));
    }
}

#[test]
fn zero_padding_before_a_convolution_is_its_padding() {
    let mut sketch = Sketch::new([1, 2, 5, 5]);
    let weights = noise(&[3, 2, 3, 3], 1);
    let (w, pads) = (sketch.constant(weights.clone()), sketch.ints(&[0, 0, 1, 1, 0, 0, 1, 1]));
    let padded = sketch.node("Pad", &["x", &pads], &[]);
    let out = sketch.node("Conv", &[&padded, &w], &[]);
    assert_eq!(ops(&sketch.build(&out).unwrap()).iter().filter(|op| *op == "Concat").count(), 0);
    close(&sketch.run(&out), &convolution(&sketch.image(), &weights, 1, 1, 1, 1));
    let mut sketch = Sketch::new([1, 2, 5, 5]);
    let pads = sketch.ints(&[0, 1, 0, 2, 0, 0, 1, 0]);
    let value = sketch.constant(Array::scalar(0.5));
    let padded = sketch.node("Pad", &["x", &pads, &value], &[]);
    sketch.check(&padded);
}

#[test]
fn pooling_averages() {
    let mut sketch = Sketch::new([1, 3, 4, 6]);
    let pool = [("kernel_shape", ints(&[2, 3])), ("strides", ints(&[2, 3]))];
    let out = sketch.node("AveragePool", &["x"], &pool);
    let mut plain = Sketch::new([1, 3, 4, 6]);
    let cut = plain.reshape("x", &[1, 3, 2, 2, 2, 3]);
    let mean = plain.node("ReduceMean", &[&cut], &[("axes", ints(&[3, 5]))]);
    close(&sketch.run(&out), &plain.truth(&mean));
    let out = sketch.node("GlobalAveragePool", &["x"], &[]);
    let mean = plain.node("ReduceMean", &["x"], &[("axes", ints(&[2, 3]))]);
    close(&sketch.run(&out), &plain.truth(&mean));
}

#[test]
fn batch_norm_goes_into_the_convolution() {
    let mut sketch = Sketch::new([1, 3, 5, 5]);
    let weights = noise(&[4, 3, 3, 3], 2);
    let w = sketch.constant(weights.clone());
    let conv = sketch.node("Conv", &["x", &w], &[]);
    let params = [sketch.floats(&[4]), sketch.floats(&[4]), sketch.floats(&[4])];
    let variance = sketch.constant(Array::vector(vec![0.5_f32, 1.0, 2.0, 3.0]));
    let out = sketch.node("BatchNormalization", &[&conv, &params[0], &params[1], &params[2], &variance], &[]);
    let [gamma, beta, mean] = params.map(|name| sketch.model.constants[&name].to_f32s());
    let plain = convolution(&sketch.image(), &weights, 1, 0, 1, 1);
    let normed = |(at, &value): (usize, &f32)| {
        let c = at / 9;
        (value - mean[c]) / ([0.5_f32, 1.0, 2.0, 3.0][c] + 1e-5).sqrt() * gamma[c] + beta[c]
    };
    close(&sketch.run(&out), &plain.iter().enumerate().map(normed).collect::<Vec<_>>());
    assert!(!ops(&sketch.build(&out).unwrap()).contains(&"Affine".to_string()));
}

/// The largest value of each window, channels first; padding never wins.
fn pooled(x: &Array, size: [i64; 2], stride: i64, pad: i64, dilation: i64, output: [i64; 2]) -> Vec<f32> {
    let values = x.to_f32s();
    let [c, h, wide] = [x.shape[1], x.shape[2], x.shape[3]];
    let mut out = Vec::new();
    for at in 0..c as i64 * output[0] * output[1] {
        let (channel, y, x_at) = (at / (output[0] * output[1]), at / output[1] % output[0], at % output[1]);
        let mut largest = f32::NEG_INFINITY;
        for tap in 0..size[0] * size[1] {
            let iy = y * stride - pad + tap / size[1] * dilation;
            let ix = x_at * stride - pad + tap % size[1] * dilation;
            if (0..h as i64).contains(&iy) && (0..wide as i64).contains(&ix) {
                largest = largest.max(values[(channel as usize * h + iy as usize) * wide + ix as usize]);
            }
        }
        out.push(largest);
    }
    out
}

#[test]
fn maxima_of_windows() {
    for (size, stride, pad, dilation, ceil, output) in [
        ([2, 2], 2, 0, 1, 0, [3, 3]),
        ([2, 2], 2, 0, 1, 1, [4, 3]),
        ([3, 3], 2, 1, 1, 0, [4, 3]),
        ([3, 2], 1, 1, 2, 0, [5, 6]),
        ([3, 1], 3, 0, 1, 0, [2, 2]),
    ] {
        let mut sketch = Sketch::new([1, 3, 7, 6]);
        let turned = sketch.node("Neg", &["x"], &[]);
        let attributes = [
            ("kernel_shape", ints(&size)),
            ("strides", ints(&[stride; 2])),
            ("pads", ints(&[pad; 4])),
            ("dilations", ints(&[dilation; 2])),
            ("ceil_mode", Attribute::Int(ceil)),
        ];
        let image = sketch.image();
        let negative = Array {
            shape: image.shape.clone(),
            data: image.to_f32s().iter().map(|v| -v).collect::<Vec<f32>>().into(),
        };
        for (x, values) in [("x", &image), (&turned, &negative)] {
            let out = sketch.node("MaxPool", &[x], &attributes);
            close(&sketch.run(&out), &pooled(values, size, stride, pad, dilation, output));
        }
    }
    let mut sketch = Sketch::new([1, 3, 7, 6]);
    let out = sketch.node("MaxPool", &["x"], &[("kernel_shape", ints(&[3, 40]))]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("window of [3, 40]"));
}

#[test]
fn maxima_over_axes_and_of_tensors() {
    for (op, axes, keep) in [
        ("ReduceMax", &[2_i64][..], 0),
        ("ReduceMax", &[-1, 1], 1),
        ("ReduceMin", &[1], 1),
        ("ReduceMin", &[2, 3], 0),
    ] {
        let mut sketch = Sketch::new([1, 3, 5, 7]);
        let shift = sketch.floats(&[7]);
        let x = sketch.node("Sub", &["x", &shift], &[]);
        let out = sketch.node(op, &[&x], &[("axes", ints(axes)), ("keepdims", Attribute::Int(keep))]);
        sketch.check(&out);
        sketch.check(&x);
    }
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let (third, half) = (sketch.constant(Array::scalar(0.3)), sketch.constant(Array::scalar(0.6)));
    let other = sketch.node("Neg", &["x"], &[]);
    let other = sketch.node("Add", &[&other, &half], &[]);
    let of = |sketch: &Sketch, x: &str| sketch.run(x);
    let (a, b) = (of(&sketch, "x"), of(&sketch, &other));
    let join = |f: fn(f32, f32) -> f32| a.iter().zip(&b).map(|(&a, &b)| f(a, b)).collect::<Vec<f32>>();
    let out = sketch.node("Max", &["x", &other], &[]);
    close(&of(&sketch, &out), &join(f32::max));
    let out = sketch.node("Min", &["x", &other], &[]);
    close(&of(&sketch, &out), &join(f32::min));
    let low = sketch.node("Max", &["x", &third], &[]);
    let out = sketch.node("Min", &[&half, &low], &[]);
    close(&of(&sketch, &out), &a.iter().map(|a| a.clamp(0.3, 0.6)).collect::<Vec<f32>>());
}
