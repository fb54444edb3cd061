//! Transposed convolutions, and sums of overlapping blocks.

use float::Dense;

use super::importer::{Importer, MAX_ELEMENTS, Result};
use super::op::{Handler, OnnxOp};
use super::view::{Dim, View, coalesce};
use super::window::{Kernel, unimage};

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new(
        "ConvTranspose",
        Handler::View(|i| i.conv_transpose()),
        "constant weights; one or two dimensions, one image or several, any groups, strides, padding and dilation",
    ),
    OnnxOp::new(
        "Col2Im",
        Handler::View(|i| i.fold_blocks()),
        "two dimensions, constant shapes, any strides, padding and dilation",
    ),
];

/// Where the taps of a transposed convolution lie, by axis.
struct Scatter {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// What is cut off above and left.
    cut: [usize; 2],
    output: [usize; 2],
    groups: usize,
}

impl Importer<'_> {
    /// `ConvTranspose`.
    fn conv_transpose(&mut self) -> Result<View> {
        self.name_after(1);
        let node = self.node;
        let (x, flat) = self.image(0)?;
        let weights = self.weights(1, "weights")?;
        weights.check_finite(node.name)?;
        let groups = self.positive("group", 1)?;
        let (c, ng, kernel) = match *weights.shape.as_slice() {
            [c, ng, kw] if flat => (c, ng, [1, kw]),
            [c, ng, kh, kw] if !flat => (c, ng, [kh, kw]),
            _ => return Err(node.unsupported(format!("weights of shape {:?}", weights.shape))),
        };
        self.check_kernel(&weights.shape[2..])?;
        if weights.is_empty() || c != x.len(1) || !c.is_multiple_of(groups) {
            let reason = format!("weights of shape {:?} for {} channels", weights.shape, x.len(1));
            return Err(node.invalid(reason));
        }
        let (stride, dilation) = (self.pair("strides", flat)?, self.pair("dilations", flat)?);
        let size = self.dilated(kernel, dilation)?;
        let more = match node.ints("output_padding") {
            Some(list) => self.lens(list, flat, 0)?,
            None => [0; 2],
        };
        let mut full = [0; 2];
        for (axis, full) in full.iter_mut().enumerate() {
            let apart = (x.len(axis + 2) - 1).checked_mul(stride[axis]).filter(|&len| len <= MAX_ELEMENTS);
            *full = apart.ok_or_else(|| self.too_large())? + size[axis] + more[axis];
        }
        let (cut, output) = self.cut_off(&x, full, stride, flat)?;
        let bias = self.bias(ng * groups)?;
        let scatter = Scatter { kernel, stride, dilation, cut, output, groups };
        let out = self.scatter(&x, &weights.to_f32s(), &bias, &scatter)?;
        Ok(unimage(out, flat))
    }

    /// What `ConvTranspose` cuts off of `full` pixels above and left, and how many it leaves.
    fn cut_off(
        &self,
        x: &View,
        full: [usize; 2],
        stride: [usize; 2],
        flat: bool,
    ) -> Result<([usize; 2], [usize; 2])> {
        let node = self.node;
        let auto = node.string("auto_pad", "NOTSET");
        let pads = self.explicit_pads(flat)?;
        if auto != "NOTSET" && pads != [0; 4] {
            return Err(self.two_paddings());
        }
        let same = match auto {
            "NOTSET" | "VALID" => false,
            "SAME_UPPER" | "SAME_LOWER" => true,
            _ => return Err(node.invalid(format!("auto_pad of {auto}"))),
        };
        let stated = match node.ints("output_shape") {
            // Some exporters write all dimensions, others the spatial ones.
            Some(list) => {
                let spatial = list.len().saturating_sub(if flat { 1 } else { 2 });
                Some(self.lens(&list[spatial..], flat, 1)?)
            }
            None if same => Some([0, 1].map(|axis| x.len(axis + 2).saturating_mul(stride[axis]))),
            None => None,
        };
        let (mut cut, mut output) = ([0; 2], [0; 2]);
        for axis in 0..2 {
            let both = match stated {
                Some(stated) => full[axis].checked_sub(stated[axis]),
                None => Some(pads[axis] + pads[axis + 2]),
            };
            let left = both.and_then(|both| full[axis].checked_sub(both)).filter(|&len| len > 0);
            let (Some(both), Some(left)) = (both, left) else {
                let stated = stated.unwrap_or_default();
                return Err(node.unsupported(format!(
                    "nothing is left of {full:?} pixels, or its output of {stated:?} is larger; give pads"
                )));
            };
            cut[axis] = match stated {
                Some(_) if auto == "SAME_UPPER" => both / 2,
                Some(_) => both - both / 2,
                None => pads[axis],
            };
            output[axis] = left;
        }
        Ok((cut, output))
    }

    /// `Col2Im`: the sum of overlapping blocks, as a transposed convolution of each channel that
    /// lays the values of a block where they belong.
    fn fold_blocks(&mut self) -> Result<View> {
        let node = self.node;
        let x = self.view(0)?;
        let output = self.two(&self.weights(1, "image shape")?.to_i64s(), false)?;
        let kernel = self.two(&self.weights(2, "block shape")?.to_i64s(), false)?;
        let (stride, dilation) = (self.pair("strides", false)?, self.pair("dilations", false)?);
        let pads = self.explicit_pads(false)?;
        let size = self.dilated(kernel, dilation)?;
        let taps = kernel[0] * kernel[1];
        let blocks = [0, 1].map(|axis| {
            let room = (output[axis] + pads[axis] + pads[axis + 2]).checked_sub(size[axis]);
            room.map_or(0, |room| room / stride[axis] + 1)
        });
        let shape = x.shape();
        let &[images, channels, count] = shape.as_slice() else {
            return Err(
                node.invalid(format!("an input of shape {shape:?}; images × channels × blocks are expected"))
            );
        };
        if !channels.is_multiple_of(taps) || blocks[0].checked_mul(blocks[1]) != Some(count) {
            let reason =
                format!("{shape:?} is not {blocks:?} blocks of {kernel:?} in an image of {output:?}");
            return Err(node.invalid(reason));
        }
        let x = self.reshaped(&x, &[images, channels, blocks[0], blocks[1]])?;
        let groups = channels / taps;
        self.spend(channels.saturating_mul(taps))?;
        let one = |at: usize| if at / taps % taps == at % taps { 1.0 } else { 0.0 };
        let weights: Vec<f32> = (0..channels * taps).map(one).collect();
        let scatter = Scatter { kernel, stride, dilation, cut: [pads[0], pads[1]], output, groups };
        self.scatter(&x, &weights, &vec![0.0; groups], &scatter)
    }

    /// A transposed convolution with weights of input channel × output channel of its group ×
    /// kernel: a convolution whose channels are the pixels between those of the input. Output
    /// `o = s·q + r` sees input `q + (r + cut) div s − t` through tap `(r + cut) mod s + s·t`.
    fn scatter(&mut self, x: &View, weights: &[f32], bias: &[f32], to: &Scatter) -> Result<View> {
        let (c, n, stride, groups) = (x.len(1), bias.len(), to.stride, to.groups);
        let [kh, kw] = to.kernel;
        let phases =
            [0, 1].map(|axis| Phases::new(to.kernel[axis], to.dilation[axis], stride[axis], to.cut[axis]));
        let (ng, cg) = (n / groups, c / groups);
        let size = [phases[0].size(), phases[1].size()];
        let area = stride[0].checked_mul(stride[1]).filter(|&area| area <= 1 << 16);
        let len = area
            .and_then(|area| (n * area).checked_mul(size[0] * size[1]))
            .and_then(|len| len.checked_mul(cg));
        let (Some(area), Some(len)) = (area, len.filter(|&len| len <= MAX_ELEMENTS)) else {
            return Err(self.too_large());
        };
        self.spend(len)?;
        let mut values = vec![0.0; len];
        for (at, &value) in weights.iter().enumerate() {
            let (kx, ky) = (at % kw, at / kw % kh);
            let (o, i) = (at / (kw * kh) % ng, at / (kw * kh * ng));
            let ((py, dy), (px, dx)) = (phases[0].of(ky), phases[1].of(kx));
            let channel = (i / cg * area + py * stride[1] + px) * ng + o;
            values[((channel * size[0] + dy) * size[1] + dx) * cg + i % cg] = value;
        }
        let spread = (0..n * area).map(|channel| bias[channel / (area * ng) * ng + channel % ng]).collect();
        let dense = Dense { n: n * area, k: size[0] * size[1] * cg, weights: values, bias: spread };
        let steps = [to.output[0].div_ceil(stride[0]), to.output[1].div_ceil(stride[1])];
        let mut around = [phases[0].before, phases[1].before, 0, 0];
        for axis in 0..2 {
            // As much below as makes the wanted number of windows.
            let need = (steps[axis] + size[axis] - 1).saturating_sub(x.len(axis + 2) + around[axis]);
            around[axis + 2] = need;
        }
        let made = self.convolve(x, Kernel { dense, size, stride: [1, 1], pads: around, groups })?;
        let axis = |dims: &[(usize, usize)]| {
            coalesce(&dims.iter().map(|&(len, stride)| Dim { len, stride }).collect::<Vec<_>>())
        };
        let (width, wide) = (n * area, made.len(3));
        let shuffled = made.with_axes(vec![
            made.axes[0].clone(),
            axis(&[(groups, area * ng), (ng, 1)]),
            axis(&[(steps[0], wide * width), (stride[0], stride[1] * ng)]),
            axis(&[(steps[1], width), (stride[1], ng)]),
        ]);
        let cut = self.slice_axis(&shuffled, 2, 0, to.output[0], 1)?;
        self.slice_axis(&cut, 3, 0, to.output[1], 1)
    }
}

/// Which input a tap of a transposed convolution meets, along one axis.
struct Phases {
    stride: usize,
    dilation: usize,
    pad: usize,
    /// Inputs before the one of the same index that the first window reaches.
    before: usize,
    after: usize,
}

impl Phases {
    fn new(kernel: usize, dilation: usize, stride: usize, pad: usize) -> Self {
        let mut phases = Self { stride, dilation, pad, before: 0, after: 0 };
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
        let (stride, pad, tap) = (self.stride as isize, self.pad as isize, (tap * self.dilation) as isize);
        let phase = (tap - pad).rem_euclid(stride);
        (phase as usize, (phase + pad - tap) / stride)
    }

    /// The phase and the place in the window.
    fn of(&self, tap: usize) -> (usize, usize) {
        let (phase, shift) = self.shift(tap);
        (phase, self.before.wrapping_add_signed(shift))
    }
}
