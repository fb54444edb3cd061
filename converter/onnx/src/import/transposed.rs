//! Transposed convolutions.

use float::Dense;

use super::importer::{Importer, MAX_ELEMENTS, Result};
use super::op::{Handler, OnnxOp};
use super::view::{Dim, View, coalesce};
use super::window::Kernel;

pub(super) const OPS: &[OnnxOp] = &[OnnxOp::new(
    "ConvTranspose",
    Handler::View(|i| i.conv_transpose()),
    "constant weights; two dimensions, any groups, strides and `pads`; no dilation",
)];

impl Importer<'_> {
    /// `ConvTranspose`, as a convolution whose channels are the pixels between those of the
    /// input: output `o = s·q + r` sees input `q + (r + pad) div s − t` through tap
    /// `(r + pad) mod s + s·t`.
    pub fn conv_transpose(&mut self) -> Result<View> {
        self.name_after(1);
        let node = self.node;
        let (x, flat) = self.image(0)?;
        let weights = self.weights(1, "weights")?;
        weights.check_finite(node.name)?;
        let groups = self.positive("group", 1)?;
        let [c, ng, kh, kw] = *weights.shape.as_slice() else {
            return Err(node.unsupported("only two-dimensional transposed convolutions are supported"));
        };
        let kernel = [kh, kw];
        self.check_kernel(&kernel)?;
        if flat || weights.is_empty() || c != x.len(1) || !c.is_multiple_of(groups) {
            return Err(node.invalid(format!(
                "weights of shape {:?} for {} channels",
                weights.shape,
                x.len(1)
            )));
        }
        let auto = node.string("auto_pad", "NOTSET");
        let stated = node.ints("output_shape").is_some();
        if self.pair("dilations", flat)? != [1, 1] || stated || !matches!(auto, "NOTSET" | "VALID") {
            return Err(node.unsupported("output_shape, auto_pad and dilations are not supported; give pads"));
        }
        let stride = self.pair("strides", flat)?;
        let pads = self.explicit_pads(flat)?;
        if auto == "VALID" && pads != [0; 4] {
            return Err(self.two_paddings());
        }
        let more = match node.ints("output_padding") {
            Some(list) => {
                [0, 1].map(|axis| list.get(axis).and_then(|&pad| usize::try_from(pad).ok()).unwrap_or(0))
            }
            None => [0; 2],
        };
        let (mut phases, mut out) = (Vec::new(), [0; 2]);
        for axis in 0..2 {
            let full =
                (x.len(axis + 2) - 1).checked_mul(stride[axis]).map(|len| len + kernel[axis] + more[axis]);
            let len =
                full.and_then(|len| len.checked_sub(pads[axis] + pads[axis + 2])).filter(|&len| len > 0);
            out[axis] = len.ok_or_else(|| node.invalid("its output has no size"))?;
            phases.push(Phases::new(kernel[axis], stride[axis], pads[axis]));
        }
        let (n, cg) = (ng * groups, c / groups);
        let size = [phases[0].size(), phases[1].size()];
        let area = stride[0].checked_mul(stride[1]).filter(|&area| area <= 1 << 16);
        let len = area
            .and_then(|area| (n * area).checked_mul(size[0] * size[1]))
            .and_then(|len| len.checked_mul(cg));
        let (Some(area), Some(len)) = (area, len.filter(|&len| len <= MAX_ELEMENTS)) else {
            return Err(self.too_large());
        };
        self.spend(len)?;
        let source = weights.to_f32s();
        let mut values = vec![0.0; len];
        for (at, &value) in source.iter().enumerate() {
            let (kx, ky) = (at % kw, at / kw % kh);
            let (o, i) = (at / (kw * kh) % ng, at / (kw * kh * ng));
            let ((py, dy), (px, dx)) = (phases[0].of(ky), phases[1].of(kx));
            let channel = (i / cg * area + py * stride[1] + px) * ng + o;
            values[((channel * size[0] + dy) * size[1] + dx) * cg + i % cg] = value;
        }
        let bias = self.bias(n)?;
        let spread = (0..n * area).map(|channel| bias[channel / (area * ng) * ng + channel % ng]).collect();
        let dense = Dense { n: n * area, k: size[0] * size[1] * cg, weights: values, bias: spread };
        let steps = [out[0].div_ceil(stride[0]), out[1].div_ceil(stride[1])];
        let mut around = [phases[0].before, phases[1].before, 0, 0];
        for axis in 0..2 {
            // As much below as makes the wanted number of windows.
            let need = (steps[axis] + size[axis] - 1).saturating_sub(x.len(axis + 2) + around[axis]);
            around[axis + 2] = need;
        }
        let made = self.convolve(&x, Kernel { dense, size, stride: [1, 1], pads: around, groups })?;
        let width = n * area;
        let wide = made.len(3);
        let axis = |dims: &[(usize, usize)]| {
            coalesce(&dims.iter().map(|&(len, stride)| Dim { len, stride }).collect::<Vec<_>>())
        };
        let shuffled = made.with_axes(vec![
            made.axes[0].clone(),
            axis(&[(groups, area * ng), (ng, 1)]),
            axis(&[(steps[0], wide * width), (stride[0], stride[1] * ng)]),
            axis(&[(steps[1], width), (stride[1], ng)]),
        ]);
        let cut = self.slice_axis(&shuffled, 2, 0, out[0], 1)?;
        self.slice_axis(&cut, 3, 0, out[1], 1)
    }
}

/// Which input a tap of a transposed convolution meets, along one axis.
struct Phases {
    stride: usize,
    pad: usize,
    /// Inputs before the one of the same index that the first window reaches.
    before: usize,
    after: usize,
}

impl Phases {
    fn new(kernel: usize, stride: usize, pad: usize) -> Self {
        let mut phases = Self { stride, pad, before: 0, after: 0 };
        for tap in 0..kernel {
            let (_, shift) = phases.shift(tap);
            phases.before = phases.before.max(usize::try_from(-shift).unwrap_or(0));
            phases.after = phases.after.max(usize::try_from(shift).unwrap_or(0));
        }
        phases
    }

    fn size(&self) -> usize {
        self.before + self.after + 1
    }

    /// The phase of the output that `tap` adds to, and the input relative to its index.
    fn shift(&self, tap: usize) -> (usize, isize) {
        let (stride, pad, tap) = (self.stride as isize, self.pad as isize, tap as isize);
        let phase = (tap - pad).rem_euclid(stride);
        (phase as usize, (phase + pad - tap) / stride)
    }

    /// The phase and the place in the window.
    fn of(&self, tap: usize) -> (usize, usize) {
        let (phase, shift) = self.shift(tap);
        (phase, self.before.wrapping_add_signed(shift))
    }
}
