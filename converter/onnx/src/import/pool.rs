//! Average pooling: a convolution of every channel with equal weights, and where windows hold
//! different numbers of values a product with a factor for each pixel.

use float::{Dense, Node, Part};

use super::importer::{Importer, Result};
use super::op::{Handler, OnnxOp};
use super::view::View;
use super::window::{Kernel, Span};

pub(super) const OPS: &[OnnxOp] = &[OnnxOp::new(
    "AveragePool",
    Handler::View(|i| i.average_pool()),
    "one or two dimensions, of one image or of several; any strides, padding, dilation and `ceil_mode`",
)];

impl Importer<'_> {
    /// `AveragePool`.
    pub fn average_pool(&mut self) -> Result<View> {
        let node = self.node;
        let (x, images, flat) = self.channels(0)?;
        let Some(list) = node.ints("kernel_shape") else {
            return Err(node.invalid("it has no kernel_shape"));
        };
        let kernel = self.two(list, flat)?;
        let (stride, dilation) = (self.pair("strides", flat)?, self.pair("dilations", flat)?);
        let Some(taps) = kernel[0].checked_mul(kernel[1]).filter(|&taps| taps <= 1 << 16) else {
            return Err(self.too_large());
        };
        let size = self.dilated(kernel, dilation)?;
        let mut pads = self.pads([x.len(2), x.len(3)], size, stride, flat)?;
        let padding_counts = node.int("count_include_pad", 0) != 0;
        let mut counts = [Vec::new(), Vec::new()];
        for axis in 0..2 {
            let span = Span {
                input: x.len(axis + 2),
                pads: [pads[axis], pads[axis + 2]],
                kernel: kernel[axis],
                dilation: dilation[axis],
                stride: stride[axis],
            };
            let windows = self.windows(&span)?;
            self.spend(windows.saturating_mul(kernel[axis]))?;
            counts[axis] = (0..windows).map(|at| taken(&span, at, padding_counts)).collect();
            // As much behind as the last window takes.
            let end = (windows - 1) * span.stride + span.size();
            pads[axis + 2] = end.saturating_sub(span.input + pads[axis]);
        }
        let [down, across] = counts;
        let alike = |counts: &[usize]| counts.iter().all(|&count| count == counts[0]);
        if down.contains(&0) || across.contains(&0) {
            return Err(node.invalid("a window lies in the padding only"));
        }
        let even = alike(&down) && alike(&across);
        let divisor = if even { down[0] * across[0] } else { taps };
        let dense = self.equal_weights(x.len(1), size, dilation, divisor)?;
        let groups = dense.n;
        let mut out = self.convolve(&x, Kernel { dense, size, stride, pads, groups })?;
        if !even {
            let share = |taken: usize| (divisor as f64 / taken as f64) as f32;
            let factors = down.iter().flat_map(|y| across.iter().map(move |x| share(y * x)));
            out = self.multiply_pixels(&out, factors.collect())?;
        }
        self.as_images(out, images, flat)
    }

    /// Weights of `1 / divisor` on every tap of a dilated kernel, for each channel alone.
    fn equal_weights(
        &self,
        channels: usize,
        size: [usize; 2],
        dilation: [usize; 2],
        divisor: usize,
    ) -> Result<Dense> {
        let Some(k) = size[0].checked_mul(size[1]).filter(|&k| k <= 1 << 16) else {
            return Err(self.too_large());
        };
        self.spend(channels.saturating_mul(k))?;
        let weight = (1.0 / divisor as f64) as f32;
        let taken = |at: usize| {
            (at / size[1]).is_multiple_of(dilation[0]) && (at % size[1]).is_multiple_of(dilation[1])
        };
        let kernel: Vec<f32> = (0..k).map(|at| if taken(at) { weight } else { 0.0 }).collect();
        Ok(Dense { n: channels, k, weights: kernel.repeat(channels), bias: vec![0.0; channels] })
    }

    /// The product of a convolution's output with a factor for each pixel.
    fn multiply_pixels(&mut self, view: &View, factors: Vec<f32>) -> Result<View> {
        let (x, rows, width) = self.size(view);
        let parts = vec![Part::Constant(factors)];
        let y = self.emit("factors", rows, 1, |out| Node::Concat { parts, out })?;
        let tensor = self.emit("weighted", rows, width, |out| Node::Mul { x, y, out })?;
        Ok(View { factor: view.factor, ..View::laid_out(tensor, view.axes.clone()) })
    }
}

/// How many values window `at` is a mean of: those on pixels, and with `padding` those on padding.
fn taken(span: &Span, at: usize, padding: bool) -> usize {
    let end = span.input + span.pads[0] + span.pads[1];
    let counts = |tap: &usize| {
        span.read(at, *tap).is_some() || (padding && at * span.stride + tap * span.dilation < end)
    };
    (0..span.kernel).filter(counts).count()
}
