//! Convolutions.

use float::Dense;

use super::importer::{Importer, MAX_ELEMENTS, Result};
use super::op::{Handler, OnnxOp};
use super::view::View;
use super::window::{Kernel, unimage};

pub(super) const OPS: &[OnnxOp] = &[OnnxOp::new(
    "Conv",
    Handler::View(|i| i.conv()),
    "constant weights; one or two dimensions, one image or several, any groups, strides, padding and dilation",
)];

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
        let size = self.dilated(kernel, dilation)?;
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
}
