//! Transposed convolutions and sums of blocks, against the sums that define them.

use super::{Sketch, close, ints, noise};
use crate::model::{Array, Attribute};

/// A transposed convolution along both axes.
#[derive(Clone, Copy, Debug)]
struct Transposed {
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Cut off in front, and what is left.
    cut: usize,
    left: [usize; 2],
    groups: usize,
}

impl Transposed {
    /// What every value adds where its taps lie, on top of `bias`.
    fn of(&self, x: &Array, weights: &Array, bias: &[f32]) -> Vec<f32> {
        let (c, height, width) = (x.shape[1], x.shape[2], x.shape[3]);
        let (n, area) = (weights.shape[1], weights.shape[2] * weights.shape[3]);
        let [high, wide] = self.left;
        let mut out: Vec<f32> = (0..bias.len() * high * wide).map(|at| bias[at / (high * wide)]).collect();
        let (values, taps) = (x.to_f32s(), weights.to_f32s());
        for (at, &value) in values.iter().enumerate() {
            let (channel, y, x) = (at / (height * width), at / width % height, at % width);
            for tap in 0..n * area {
                let (o, ky, kx) = (tap / area, tap % area / weights.shape[3], tap % weights.shape[3]);
                let place =
                    |at: usize, tap: usize| (at * self.stride + tap * self.dilation).checked_sub(self.cut);
                let (Some(oy), Some(ox)) = (place(y, ky), place(x, kx)) else { continue };
                if oy < high && ox < wide {
                    let to = channel / (c / self.groups) * n + o;
                    out[(to * high + oy) * wide + ox] += value * taps[channel * n * area + tap];
                }
            }
        }
        out
    }

    /// Checks a node with these `attributes` and the usual ones.
    fn check(&self, mut attributes: Vec<(&str, Attribute)>) {
        let mut sketch = Sketch::new([1, 4, 3, 4]);
        let weights = noise(&[4, 3, self.kernel, self.kernel], 3);
        let (w, b) = (sketch.constant(weights.clone()), sketch.floats(&[3 * self.groups]));
        let bias = sketch.model.constants[&b].to_f32s();
        attributes.extend([
            ("strides", ints(&[self.stride as i64; 2])),
            ("dilations", ints(&[self.dilation as i64; 2])),
            ("group", Attribute::Int(self.groups as i64)),
        ]);
        let out = sketch.node("ConvTranspose", &["x", &w, &b], &attributes);
        close(&sketch.run(&out), &self.of(&sketch.image(), &weights, &bias));
    }
}

#[test]
fn transposed_convolution_scatters() {
    for (kernel, stride, dilation, pad, more, groups) in [
        (2, 2, 1, 0, 0, 1),
        (4, 2, 1, 1, 0, 1),
        (3, 2, 1, 1, 1, 2),
        (3, 1, 1, 1, 0, 1),
        (2, 3, 1, 0, 0, 1),
        (5, 3, 1, 2, 1, 2),
        (3, 1, 2, 0, 0, 1),
        (3, 2, 3, 2, 1, 2),
        (2, 3, 2, 1, 2, 4),
    ] {
        let size = |len: usize| (len - 1) * stride + (kernel - 1) * dilation + 1 + more - 2 * pad;
        let (cut, left) = (pad, [size(3), size(4)]);
        Transposed { kernel, stride, dilation, cut, left, groups }
            .check(vec![("pads", ints(&[pad as i64; 4])), ("output_padding", ints(&[more as i64; 2]))]);
    }
}

/// The sizes that ONNX Runtime gives them, and what it cuts off in front.
#[test]
fn transposed_convolution_has_the_size_that_is_asked_for() {
    let plain = Transposed { kernel: 3, stride: 2, dilation: 1, cut: 0, left: [6, 8], groups: 1 };
    let auto = |mode: &str| ("auto_pad", Attribute::String(mode.into()));
    plain.check(vec![auto("SAME_UPPER")]);
    Transposed { cut: 1, ..plain }.check(vec![auto("SAME_LOWER")]);
    Transposed { left: [7, 9], ..plain }.check(vec![auto("VALID")]);
    Transposed { cut: 1, left: [6, 8], kernel: 4, ..plain }.check(vec![("output_shape", ints(&[6, 8]))]);
    Transposed { cut: 1, left: [4, 6], ..plain }
        .check(vec![auto("SAME_UPPER"), ("output_shape", ints(&[4, 6]))]);
    let mut sketch = Sketch::new([1, 4, 3, 4]);
    let w = sketch.floats(&[4, 3, 1, 1]);
    let out = sketch.node("ConvTranspose", &["x", &w], &[auto("SAME_UPPER"), ("strides", ints(&[3, 3]))]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("give pads"));
}

#[test]
fn transposed_convolution_of_one_dimension() {
    let mut sketch = Sketch::new([1, 2, 1, 5]);
    let rows = sketch.reshape("x", &[1, 2, 5]);
    let weights = noise(&[2, 3, 4], 6);
    let w = sketch.constant(weights.clone());
    let out = sketch.node("ConvTranspose", &[&rows, &w], &[("strides", ints(&[2])), ("pads", ints(&[1, 2]))]);
    let (image, taps) = (sketch.image().to_f32s(), weights.to_f32s());
    let mut expected = vec![0.0; 3 * 9];
    for at in 0..10_usize {
        for tap in 0..12_usize {
            let place = (at % 5 * 2 + tap % 4).checked_sub(1).filter(|&place| place < 9);
            if let Some(place) = place {
                expected[tap / 4 * 9 + place] += image[at] * taps[at / 5 * 12 + tap];
            }
        }
    }
    close(&sketch.run(&out), &expected);
}

#[test]
fn blocks_are_added_where_they_overlap() {
    for (kernel, stride, pad, dilation) in
        [(2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 1), (2, 3, 0, 1), (2, 1, 1, 2)]
    {
        // As many blocks as there are places for them: of an image of 6 × 7.
        let count = |len: usize| (len + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
        let (rows, columns, taps) = (count(6), count(7), kernel * kernel);
        let mut sketch = Sketch::new([1, 2, taps * rows, columns]);
        let blocks = sketch.reshape("x", &[1, 2 * taps as i64, (rows * columns) as i64]);
        let (image, block) = (sketch.ints(&[6, 7]), sketch.ints(&[kernel as i64; 2]));
        let out = sketch.node(
            "Col2Im",
            &[&blocks, &image, &block],
            &[
                ("strides", ints(&[stride as i64; 2])),
                ("pads", ints(&[pad as i64; 4])),
                ("dilations", ints(&[dilation as i64; 2])),
            ],
        );
        let mut expected = vec![0.0; 2 * 42];
        for (at, value) in sketch.image().to_f32s().into_iter().enumerate() {
            let (block, tap, channel) =
                (at % (rows * columns), at / (rows * columns) % taps, at / (rows * columns * taps));
            let place = |block: usize, tap: usize| (block * stride + tap * dilation).checked_sub(pad);
            let y = place(block / columns, tap / kernel).filter(|&y| y < 6);
            let x = place(block % columns, tap % kernel).filter(|&x| x < 7);
            if let (Some(y), Some(x)) = (y, x) {
                expected[channel * 42 + y * 7 + x] += value;
            }
        }
        close(&sketch.run(&out), &expected);
    }
    let mut sketch = Sketch::new([1, 1, 4, 9]);
    let rows = sketch.reshape("x", &[1, 4, 9]);
    let (image, block) = (sketch.ints(&[4, 5]), sketch.ints(&[2, 2]));
    let out = sketch.node("Col2Im", &[&rows, &image, &block], &[]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("is not [3, 4] blocks"));
}
