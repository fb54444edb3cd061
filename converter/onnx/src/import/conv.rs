//! Convolutions and average pooling.

use float::Dense;

use super::importer::{Importer, MAX_ELEMENTS, Result};
use super::op::{Handler, OnnxOp};
use super::view::View;
use super::window::{Kernel, unimage};

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new(
        "Conv",
        Handler::View(|i| i.conv()),
        "constant weights; one or two dimensions, any groups, strides, padding and dilation",
    ),
    OnnxOp::new(
        "AveragePool",
        Handler::View(|i| i.average_pool()),
        "one or two dimensions; no dilation, `ceil_mode` or padding that does not count",
    ),
];

impl Importer<'_> {
    /// `Conv` in one or two dimensions, with any groups, strides, padding and dilation.
    pub fn conv(&mut self) -> Result<View> {
        self.name_after(1);
        let (x, flat) = self.image(0)?;
        let weights = self.weights(1, "weights")?;
        weights.check_finite(self.node.name)?;
        let groups = self.positive("group", 1)?;
        let (n, cg, kernel) = match *weights.shape.as_slice() {
            [n, cg, kw] if flat => (n, cg, [1, kw]),
            [n, cg, kh, kw] if !flat => (n, cg, [kh, kw]),
            _ => {
                return Err(self
                    .node
                    .unsupported(format!("weights of shape {:?}; use Conv2d", weights.shape)));
            }
        };
        self.check_kernel(&weights.shape[2..])?;
        let channels = x.len(1);
        if weights.is_empty() || cg.checked_mul(groups) != Some(channels) || !n.is_multiple_of(groups) {
            let reason = format!("weights of shape {:?} for {channels} channels", weights.shape);
            return Err(self.node.invalid(reason));
        }
        let stride = self.pair("strides", flat)?;
        let dilation = self.pair("dilations", flat)?;
        let mut size = [0; 2];
        for axis in 0..2 {
            let span = (kernel[axis] - 1).checked_mul(dilation[axis]).filter(|&span| span < 1 << 16);
            size[axis] = span.ok_or_else(|| self.too_large())? + 1;
        }
        let len = n.checked_mul(cg).and_then(|len| len.checked_mul(size[0] * size[1]));
        let Some(len) = len.filter(|&len| len <= MAX_ELEMENTS) else { return Err(self.too_large()) };
        self.spend(len)?;
        let source = weights.to_f32s();
        let mut values = vec![0.0; len];
        for (at, &value) in source.iter().enumerate() {
            let (kx, ky) = (at % kernel[1], at / kernel[1] % kernel[0]);
            let (c, out) = (at / (kernel[0] * kernel[1]) % cg, at / (kernel[0] * kernel[1] * cg));
            let tap = ky * dilation[0] * size[1] + kx * dilation[1];
            values[(out * size[0] * size[1] + tap) * cg + c] = value;
        }
        let bias = self.bias(n)?;
        let mut pads = self.pads([x.len(2), x.len(3)], size, stride, flat)?;
        let extra = self.node.input(0).and_then(|name| self.paddings.get(name)).copied().unwrap_or_default();
        pads.iter_mut().zip(extra).for_each(|(pad, extra)| *pad += extra);
        let dense = Dense { n, k: size[0] * size[1] * cg, weights: values, bias };
        let out = self.convolve(&x, Kernel { dense, size, stride, pads, groups })?;
        Ok(unimage(out, flat))
    }

    /// `AveragePool`: a convolution of every channel with equal weights.
    pub fn average_pool(&mut self) -> Result<View> {
        let node = self.node;
        let (x, flat) = self.image(0)?;
        let Some(list) = node.ints("kernel_shape") else {
            return Err(node.invalid("it has no kernel_shape"));
        };
        let size = self.two(list, flat)?;
        let stride = self.pair("strides", flat)?;
        let pads = self.pads([x.len(2), x.len(3)], size, stride, flat)?;
        let counts = node.int("count_include_pad", 0) != 0;
        let ceil = node.int("ceil_mode", 0) != 0;
        let padded = pads != [0; 4] && !counts;
        if self.pair("dilations", flat)? != [1, 1] || padded {
            return Err(node.unsupported(
                "pooling with padding that does not count, or with dilation; use count_include_pad=1 or no padding",
            ));
        }
        let rounded = (0..2).any(|axis| {
            let span = x.len(axis + 2) + pads[axis] + pads[axis + 2];
            span >= size[axis] && !(span - size[axis]).is_multiple_of(stride[axis])
        });
        if rounded && ceil {
            return Err(node.unsupported("ceil_mode on a size that does not divide; use ceil_mode=False"));
        }
        let channels = x.len(1);
        let Some(k) = size[0].checked_mul(size[1]).filter(|&k| k <= 1 << 16) else {
            return Err(self.too_large());
        };
        self.spend(channels * k)?;
        let weights = vec![(1.0 / k as f64) as f32; channels * k];
        let dense = Dense { n: channels, k, weights, bias: vec![0.0; channels] };
        let out = self.convolve(&x, Kernel { dense, size, stride, pads, groups: channels })?;
        Ok(unimage(out, flat))
    }
}
