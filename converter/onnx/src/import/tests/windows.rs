//! Windows: means with padding, gaps and cut off ends, and several images at once.

use proptest::prelude::*;

use super::{Sketch, close, ints, noise};
use crate::model::{Array, Attribute};

/// A pooling along both axes.
#[derive(Clone, Copy, Debug)]
struct Pool {
    size: i64,
    stride: i64,
    /// In front, behind.
    pads: [i64; 2],
    dilation: i64,
    ceil: bool,
    padding_counts: bool,
}

impl Pool {
    /// Windows along an axis of `len`: those that begin in the padding behind the image are left out.
    fn count(&self, len: i64) -> i64 {
        let room = len + self.pads[0] + self.pads[1] - (self.size - 1) * self.dilation - 1;
        let count = room / self.stride + 1;
        let more = self.ceil && room % self.stride != 0 && count * self.stride < len + self.pads[0];
        count + i64::from(more)
    }

    /// Whether a mean has a place at all.
    fn is_possible(&self, len: i64) -> bool {
        let room = len + self.pads[0] + self.pads[1] - (self.size - 1) * self.dilation;
        room > 0 && (0..self.count(len)).all(|at| (0..len).any(|pixel| self.reads(at).contains(&pixel)))
    }

    fn reads(&self, at: i64) -> Vec<i64> {
        (0..self.size).map(|tap| at * self.stride + tap * self.dilation - self.pads[0]).collect()
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let [before, after] = self.pads;
        vec![
            ("kernel_shape", ints(&[self.size; 2])),
            ("strides", ints(&[self.stride; 2])),
            ("pads", ints(&[before, before, after, after])),
            ("dilations", ints(&[self.dilation; 2])),
            ("ceil_mode", Attribute::Int(self.ceil.into())),
            ("count_include_pad", Attribute::Int(self.padding_counts.into())),
        ]
    }

    /// The means as ONNX defines them: of what lies on the image, or on it and its padding.
    fn means(&self, x: &Array) -> Vec<f32> {
        let values = x.to_f32s();
        let (h, w) = (x.shape[2] as i64, x.shape[3] as i64);
        let mut out = Vec::new();
        for image in values.chunks((h * w) as usize) {
            for at in 0..self.count(h) * self.count(w) {
                let (ys, xs) = (self.reads(at / self.count(w)), self.reads(at % self.count(w)));
                let (mut sum, mut count) = (0.0, 0);
                for (&y, &x) in ys.iter().flat_map(|y| xs.iter().map(move |x| (y, x))) {
                    if (0..h).contains(&y) && (0..w).contains(&x) {
                        sum += f64::from(image[(y * w + x) as usize]);
                        count += 1;
                    } else if self.padding_counts && y < h + self.pads[1] && x < w + self.pads[1] {
                        count += 1;
                    }
                }
                out.push((sum / f64::from(count)) as f32);
            }
        }
        out
    }
}

fn pools() -> impl Strategy<Value = Pool> {
    (1_i64..4, 1_i64..4, [0_i64..2, 0..2], 1_i64..3, any::<bool>(), any::<bool>()).prop_map(
        |(size, stride, pads, dilation, ceil, padding_counts)| {
            let pads = pads.map(|pad| pad.min(size - 1));
            Pool { size, stride, pads, dilation, ceil, padding_counts }
        },
    )
}

proptest! {
    #[test]
    fn means_are_of_the_values_that_count(pool in pools(), size in (3_usize..8, 3_usize..8)) {
        prop_assume!(pool.is_possible(size.0 as i64) && pool.is_possible(size.1 as i64));
        let mut sketch = Sketch::new([1, 2, size.0, size.1]);
        let out = sketch.node("AveragePool", &["x"], &pool.attributes());
        close(&sketch.run(&out), &pool.means(&sketch.image()));
    }

    #[test]
    fn every_image_of_a_batch_has_its_own_windows(
        kernel in (1_i64..4, 1_i64..4), stride in 1_i64..4, pads in (0_i64..3, 0_i64..3), groups in 1_i64..3,
    ) {
        let pads = [pads.0.min(kernel.0 - 1), pads.1.min(kernel.1 - 1)];
        let pads = [pads[0], pads[1], 0, pads[1]];
        let attributes =
            [("strides", ints(&[stride, 2])), ("pads", ints(&pads)), ("group", Attribute::Int(groups))];
        one_by_one([3, 2, 5, 4], |sketch, x| {
            let weights = noise(&[4, 2 / groups as usize, kernel.0 as usize, kernel.1 as usize], 7);
            let weights = sketch.constant(weights);
            let bias = sketch.constant(noise(&[4], 5));
            sketch.node("Conv", &[x, &weights, &bias], &attributes)
        });
    }
}

/// Checks that `make` of several images at once, which are what rows of an image are cut into, is
/// what it makes of each alone.
fn one_by_one(shape: [usize; 4], make: impl Fn(&mut Sketch, &str) -> String) {
    let [count, channels, height, width] = shape;
    let image = [1, channels, count * height, width];
    let cut = |sketch: &mut Sketch| {
        let parts = [channels, count, height, width].map(|len| len as i64);
        let parts = sketch.reshape("x", &parts);
        let doubled = sketch.node("Add", &[&parts, &parts], &[]);
        sketch.transpose(&doubled, &[1, 0, 2, 3])
    };
    let mut all = Sketch::new(image);
    let images = cut(&mut all);
    let out = make(&mut all, &images);
    let mut alone = Vec::new();
    for at in 0..count as i64 {
        let mut sketch = Sketch::new(image);
        let images = cut(&mut sketch);
        let [start, end] = [at, at + 1].map(|at| sketch.ints(&[at]));
        let one = sketch.node("Slice", &[&images, &start, &end], &[]);
        let out = make(&mut sketch, &one);
        alone.extend(sketch.run(&out));
    }
    close(&all.run(&out), &alone);
}

#[test]
fn pooling_and_transposed_convolution_of_a_batch() {
    for (op, pads, dilation) in
        [("MaxPool", 0, 1), ("MaxPool", 1, 2), ("AveragePool", 0, 1), ("AveragePool", 1, 1)]
    {
        let attributes = [
            ("kernel_shape", ints(&[2, 2])),
            ("strides", ints(&[2, 1])),
            ("pads", ints(&[pads; 4])),
            ("dilations", ints(&[dilation; 2])),
        ];
        one_by_one([3, 2, 4, 5], |sketch, x| sketch.node(op, &[x], &attributes));
    }
    for (kernel, stride, pad) in [(2, 2, 0), (3, 2, 1), (3, 1, 1)] {
        let attributes = [("strides", ints(&[stride; 2])), ("pads", ints(&[pad; 4]))];
        one_by_one([3, 2, 3, 4], |sketch, x| {
            let weights = sketch.constant(noise(&[2, 3, kernel, kernel], 4));
            sketch.node("ConvTranspose", &[x, &weights], &attributes)
        });
    }
}

#[test]
fn windows_without_a_value_have_no_mean() {
    let mut sketch = Sketch::new([1, 1, 4, 4]);
    let attributes = [("kernel_shape", ints(&[2, 2])), ("pads", ints(&[2, 0, 0, 0]))];
    let out = sketch.node("AveragePool", &["x"], &attributes);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("a window lies in the padding only"));
}
