//! Convolutions, transposed convolutions and average pooling.

use super::store::Order;
use super::view::{Dim, View, coalesce};
use super::{Importer, Result};
use crate::float::{Dense, Geometry, Node};
use crate::onnx::model::Array;

/// Kernel and window of a convolution.
struct Kernel {
    dense: Dense,
    size: [usize; 2],
    stride: [usize; 2],
    /// Zero rows above, columns left, rows below, columns right.
    pads: [usize; 4],
    groups: usize,
}

impl Importer<'_> {
    /// `Conv` in one or two dimensions, with any groups, strides, padding and dilation.
    pub fn conv(&mut self) -> Result<View> {
        self.name_after(1);
        let (x, flat) = self.image(0)?;
        let weights = self.weights(1, "weights")?;
        weights.check_finite(&self.node.name)?;
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
        let Some(len) = len.filter(|&len| len <= super::MAX_ELEMENTS) else { return Err(self.too_large()) };
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
        let padded = pads != [0; 4] && node.int("count_include_pad", 0) == 0;
        if padded || self.pair("dilations", flat)? != [1, 1] {
            return Err(node.unsupported(
                "pooling with padding that does not count, or with dilation; use count_include_pad=1 or no padding",
            ));
        }
        let rounded = (0..2).any(|axis| {
            let span = x.len(axis + 2) + pads[axis] + pads[axis + 2];
            span >= size[axis] && !(span - size[axis]).is_multiple_of(stride[axis])
        });
        if rounded && node.int("ceil_mode", 0) != 0 {
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

    /// `ConvTranspose`, as a convolution whose channels are the pixels between those of the
    /// input: output `o = s·q + r` sees input `q + (r + pad) div s − t` through tap
    /// `(r + pad) mod s + s·t`.
    pub fn conv_transpose(&mut self) -> Result<View> {
        self.name_after(1);
        let node = self.node;
        let (x, flat) = self.image(0)?;
        let weights = self.weights(1, "weights")?;
        weights.check_finite(&node.name)?;
        let groups = self.positive("group", 1)?;
        let [c, ng, kh, kw] = *weights.shape.as_slice() else {
            return Err(node.unsupported("only two-dimensional transposed convolutions are supported"));
        };
        let kernel = [kh, kw];
        if flat || weights.is_empty() || c != x.len(1) || !c.is_multiple_of(groups) {
            return Err(node.invalid(format!(
                "weights of shape {:?} for {} channels",
                weights.shape,
                x.len(1)
            )));
        }
        let auto = node.string("auto_pad", "NOTSET");
        if node.ints("output_shape").is_some()
            || !matches!(auto, "NOTSET" | "VALID")
            || self.pair("dilations", flat)? != [1, 1]
        {
            return Err(node.unsupported("output_shape, auto_pad and dilations are not supported; give pads"));
        }
        let stride = self.pair("strides", flat)?;
        let pads = self.explicit_pads(flat)?;
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
        let (Some(area), Some(len)) = (area, len.filter(|&len| len <= super::MAX_ELEMENTS)) else {
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
            Vec::new(),
            axis(&[(groups, area * ng), (ng, 1)]),
            axis(&[(steps[0], wide * width), (stride[0], stride[1] * ng)]),
            axis(&[(steps[1], width), (stride[1], ng)]),
        ]);
        let cut = self.slice_axis(&shuffled, 2, 0, out[0], 1)?;
        self.slice_axis(&cut, 3, 0, out[1], 1)
    }

    fn convolve(&mut self, view: &View, kernel: Kernel) -> Result<View> {
        let x = self.pack(view, &[2, 3], &[1], Order::Logical)?;
        let (input, channels) = ([x.len(2), x.len(3)], x.len(1));
        let mut output = [0; 2];
        for axis in 0..2 {
            let (size, stride) = (kernel.size[axis], kernel.stride[axis]);
            let (before, after) = (kernel.pads[axis], kernel.pads[axis + 2]);
            let span = input[axis] + before + after;
            if before >= size && size > 0 {
                return Err(self.node.unsupported(format!("padding of {before} around a kernel of {size}")));
            }
            let Some(rest) = span.checked_sub(size) else {
                return Err(self.node.invalid(format!("a kernel of {size} does not fit an image of {span}")));
            };
            output[axis] = rest / stride + 1;
            if (output[axis] - 1) * stride >= input[axis] + before {
                return Err(self.node.unsupported("padding so wide that a window sees nothing else"));
            }
        }
        let mut dense = kernel.dense;
        if view.factor != 1.0 {
            dense.weights.iter_mut().for_each(|weight| *weight *= view.factor);
        }
        let geometry = Geometry {
            input: [input[0] as u32, input[1] as u32, channels as u32],
            kernel: kernel.size.map(|size| size as u32),
            stride: kernel.stride.map(|stride| stride as u32),
            padding: [kernel.pads[0] as u32, kernel.pads[1] as u32],
            output: output.map(|size| size as u32),
            groups: kernel.groups as u32,
        };
        let (n, tensor) = (dense.n, x.tensor);
        let Some(rows) = output[0].checked_mul(output[1]) else { return Err(self.too_large()) };
        let out = self.emit("", rows, n, |out| Node::Conv { x: tensor, out, geometry, dense })?;
        Ok(View::laid_out(out, super::view::dense(&[1, n, output[0], output[1]], &[0, 2, 3, 1])))
    }

    /// Input `at` as batch × channels × height × width, and whether it has no height.
    pub fn image(&self, at: usize) -> Result<(View, bool)> {
        let mut view = self.view(at)?;
        let flat = view.rank() == 3;
        if flat {
            view.axes.insert(2, Vec::new());
        }
        if view.rank() != 4 || view.len(0) != 1 {
            let reason =
                format!("an input of shape {:?}; one image, 1 × C × H × W, is supported", view.shape());
            return Err(self.node.unsupported(reason));
        }
        Ok((view, flat))
    }

    fn bias(&self, n: usize) -> Result<Vec<f32>> {
        if self.node.input(2).is_none() {
            return Ok(vec![0.0; n]);
        }
        let bias = self.weights(2, "bias")?;
        bias.check_finite(&self.node.name)?;
        if bias.len() != n {
            return Err(self.node.invalid(format!("{} biases for {n} channels", bias.len())));
        }
        Ok(bias.to_f32s())
    }

    fn positive(&self, name: &str, default: i64) -> Result<usize> {
        let value = self.node.int(name, default);
        let positive = usize::try_from(value).ok().filter(|&value| (1..1 << 16).contains(&value));
        positive.ok_or_else(|| self.node.invalid(format!("{name} of {value}")))
    }

    pub fn pair(&self, name: &str, flat: bool) -> Result<[usize; 2]> {
        match self.node.ints(name) {
            Some(list) => self.two(list, flat),
            None => Ok([1, 1]),
        }
    }

    pub fn two(&self, list: &[i64], flat: bool) -> Result<[usize; 2]> {
        let size = |value: i64| usize::try_from(value).ok().filter(|&value| (1..1 << 16).contains(&value));
        let pair = match *list {
            [w] if flat => size(w).map(|w| [1, w]),
            [h, w] if !flat => size(h).zip(size(w)).map(|(h, w)| [h, w]),
            _ => None,
        };
        pair.ok_or_else(|| self.node.invalid(format!("{list:?} is not a size in two dimensions")))
    }

    fn explicit_pads(&self, flat: bool) -> Result<[usize; 4]> {
        let pad = |value: i64| usize::try_from(value).ok().filter(|&value| value < 1 << 16);
        let pads = match self.node.ints("pads") {
            None => Some([0; 4]),
            Some(&[left, right]) if flat => {
                pad(left).zip(pad(right)).map(|(left, right)| [0, left, 0, right])
            }
            Some(&[a, b, c, d]) if !flat => [a, b, c, d]
                .map(pad)
                .iter()
                .copied()
                .collect::<Option<Vec<_>>>()
                .map(|p| [p[0], p[1], p[2], p[3]]),
            Some(_) => None,
        };
        pads.ok_or_else(|| self.node.invalid("its pads are not those of two dimensions"))
    }

    pub fn pads(
        &self,
        input: [usize; 2],
        size: [usize; 2],
        stride: [usize; 2],
        flat: bool,
    ) -> Result<[usize; 4]> {
        let auto = self.node.string("auto_pad", "NOTSET");
        match auto {
            "NOTSET" => self.explicit_pads(flat),
            "VALID" => Ok([0; 4]),
            "SAME_UPPER" | "SAME_LOWER" => {
                let mut pads = [0; 4];
                for axis in 0..2 {
                    let span = (input[axis].div_ceil(stride[axis]) - 1) * stride[axis] + size[axis];
                    let total = span.saturating_sub(input[axis]);
                    let small = total / 2;
                    (pads[axis], pads[axis + 2]) =
                        if auto == "SAME_UPPER" { (small, total - small) } else { (total - small, small) };
                }
                Ok(pads)
            }
            _ => Err(self.node.invalid(format!("auto_pad of {auto}"))),
        }
    }

    /// `Pad` with a constant: part of the convolution that reads it, else a concatenation.
    pub fn pad(&mut self) -> Result<View> {
        let node = self.node;
        let mut view = self.view(0)?;
        let mode = node.string("mode", "constant");
        let pads = self.integers("pads", 1)?.unwrap_or_default();
        let value = match node.input(2) {
            Some(_) => self.weights(2, "value")?.scalar_f32().unwrap_or(0.0),
            None => 0.0,
        };
        let axes: Vec<usize> = match node.input(3) {
            Some(_) => {
                let axes = self.weights(3, "axes")?.to_i64s();
                axes.into_iter().map(|axis| self.axis(axis, view.rank())).collect::<Result<_>>()?
            }
            None => (0..view.rank()).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(node.invalid(format!("{} pads for {} axes", pads.len(), axes.len())));
        }
        if pads.iter().all(|&pad| pad == 0) {
            return Ok(view);
        }
        if mode != "constant" || pads.iter().any(|pad| !(0..1 << 16).contains(pad)) {
            return Err(node.unsupported("only padding with a constant, and not cropping, is supported"));
        }
        let mut amounts = vec![(0, 0); view.rank()];
        for (at, &axis) in axes.iter().enumerate() {
            amounts[axis] = (pads[at] as usize, pads[at + axes.len()] as usize);
        }
        if value == 0.0 && view.rank() == 4 && amounts[..2] == [(0, 0); 2] && self.only_conv_reads() {
            let [(top, bottom), (left, right)] = [amounts[2], amounts[3]];
            self.paddings.insert(node.output().to_string(), [top, left, bottom, right]);
            return Ok(view);
        }
        for (axis, (before, after)) in amounts.into_iter().enumerate() {
            for (len, front) in [(before, true), (after, false)].into_iter().filter(|(len, _)| *len > 0) {
                let mut shape = view.shape();
                shape[axis] = len;
                let count = shape.iter().try_fold(1_usize, |n, &len| n.checked_mul(len));
                let Some(count) = count.filter(|&n| n <= super::MAX_ELEMENTS) else {
                    return Err(self.too_large());
                };
                self.spend(count)?;
                let fill = Array { shape, data: vec![value; count].into() };
                let parts = [fill.into(), view.into()];
                let parts = if front { parts.to_vec() } else { parts.iter().rev().cloned().collect() };
                view = self.join(parts, axis)?;
            }
        }
        Ok(view)
    }

    /// Whether the node's output is only the image of one convolution.
    fn only_conv_reads(&self) -> bool {
        let name = self.node.output();
        self.reads.get(name) == Some(&1)
            && self.readers.get(name).is_some_and(|node| node.is("Conv") && node.input(0) == Some(name))
    }

    /// `DepthToSpace` and `SpaceToDepth`; none if strides cannot express it.
    pub fn depth_space(&mut self) -> Result<Option<View>> {
        let node = self.node;
        let view = self.view(0)?;
        let b = self.positive("blocksize", 0)?;
        let &[n, c, h, w] = view.shape().as_slice() else {
            return Err(node.invalid("its input is not an image"));
        };
        let (cut, perm, shape) = if node.op == "DepthToSpace" {
            if !c.is_multiple_of(b * b) {
                return Err(node.invalid(format!("{c} channels do not divide by {b}²")));
            }
            let d = c / (b * b);
            match node.string("mode", "DCR") {
                "DCR" => (vec![n, b, b, d, h, w], [0, 3, 4, 1, 5, 2], [n, d, h * b, w * b]),
                _ => (vec![n, d, b, b, h, w], [0, 1, 4, 2, 5, 3], [n, d, h * b, w * b]),
            }
        } else {
            if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
                return Err(node.invalid(format!("{h} × {w} does not divide by {b}")));
            }
            (vec![n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4], [n, c * b * b, h / b, w / b])
        };
        let cut = self.reshaped(&view, &cut)?;
        self.reshaped(&cut.transpose(&perm), &shape).map(Some)
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

/// An output without the height that [`Importer::image`] added.
pub fn unimage(mut view: View, flat: bool) -> View {
    if flat {
        view.axes.remove(2);
    }
    view
}
