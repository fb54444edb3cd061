//! What convolutions and pooling have in common: images, windows, and the convolution itself.

use float::{Dense, Geometry, Node};

use super::importer::{Importer, Result};
use super::store::Order;
use super::view::{Dim, View, coalesce, length, split};
use crate::error::OnnxError;

/// Kernel and window of a convolution.
pub struct Kernel {
    pub dense: Dense,
    pub size: [usize; 2],
    pub stride: [usize; 2],
    /// Zero rows above, columns left, rows below, columns right.
    pub pads: [usize; 4],
    pub groups: usize,
}

/// Where the windows of a pooling lie along one axis.
pub struct Span {
    /// Pixels.
    pub input: usize,
    /// Padding in front of them and behind them.
    pub pads: [usize; 2],
    /// Taps of a window, and how far apart they are.
    pub kernel: usize,
    pub dilation: usize,
    /// From one window to the next.
    pub stride: usize,
}

impl Span {
    /// The pixel that `tap` of window `at` reads; none in the padding.
    pub fn read(&self, at: usize, tap: usize) -> Option<usize> {
        let read = (at * self.stride + tap * self.dilation).checked_sub(self.pads[0])?;
        Some(read).filter(|&read| read < self.input)
    }

    /// Places from the first tap of a window to its last.
    pub fn size(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }
}

impl Importer<'_> {
    /// Input `at` as batch × channels × height × width, and whether it has no height.
    pub fn image(&self, at: usize) -> Result<(View, bool)> {
        let mut view = self.view(at)?;
        let flat = view.rank() == 3;
        if flat {
            view.axes.insert(2, Vec::new());
        }
        if view.rank() != 4 {
            let reason =
                format!("an input of shape {:?}; images, N × C × H × W, are supported", view.shape());
            return Err(self.node.unsupported(reason));
        }
        Ok((view, flat))
    }

    /// [`image`](Self::image) for what is done to each channel alone: several images are the
    /// channels of one. How many there are comes second.
    pub fn channels(&self, at: usize) -> Result<(View, usize, bool)> {
        let (mut view, flat) = self.image(at)?;
        let images = std::mem::take(&mut view.axes[0]);
        let count = length(&images);
        view.axes[1].splice(0..0, images);
        Ok((view, count, flat))
    }

    /// What was computed of [`channels`](Self::channels), as images.
    pub fn as_images(&self, mut view: View, images: usize, flat: bool) -> Result<View> {
        let Some(axes) = split(&view.axes[1], &[images, view.len(1) / images]) else {
            return Err(self.unknown());
        };
        view.axes.splice(0..2, axes);
        Ok(unimage(view, flat))
    }

    /// How many windows there are along an axis.
    pub fn windows(&self, span: &Span) -> Result<usize> {
        let [before, after] = span.pads;
        let Some(room) = (span.input + before + after).checked_sub(span.size()) else {
            let reason =
                format!("a window of {} on {} with padding of {:?}", span.size(), span.input, span.pads);
            return Err(self.node.invalid(reason));
        };
        let count = room / span.stride + 1;
        // A window that is cut off counts if it begins before the padding behind the image.
        let more = self.node.int("ceil_mode", 0) != 0
            && !room.is_multiple_of(span.stride)
            && count * span.stride < span.input + before;
        Ok(count + usize::from(more))
    }

    /// What a kernel with gaps between its taps covers.
    pub fn dilated(&self, kernel: [usize; 2], dilation: [usize; 2]) -> Result<[usize; 2]> {
        let mut size = [0; 2];
        for axis in 0..2 {
            let span = (kernel[axis] - 1).checked_mul(dilation[axis]).filter(|&span| span < 1 << 16);
            size[axis] = span.ok_or_else(|| self.too_large())? + 1;
        }
        Ok(size)
    }

    pub fn bias(&self, n: usize) -> Result<Vec<f32>> {
        if self.node.input(2).is_none() {
            return Ok(vec![0.0; n]);
        }
        let bias = self.weights(2, "bias")?;
        bias.check_finite(self.node.name)?;
        if bias.len() != n {
            return Err(self.node.invalid(format!("{} biases for {n} channels", bias.len())));
        }
        Ok(bias.to_f32s())
    }

    pub fn positive(&self, name: &str, default: i64) -> Result<usize> {
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

    /// Lengths along both axes, which may be 0; `height` where there is no height.
    pub fn lens(&self, list: &[i64], flat: bool, height: usize) -> Result<[usize; 2]> {
        let len = |value: i64| usize::try_from(value).ok().filter(|&value| value < 1 << 16);
        let pair = match *list {
            [w] if flat => len(w).map(|w| [height, w]),
            [h, w] if !flat => len(h).zip(len(w)).map(|(h, w)| [h, w]),
            _ => None,
        };
        pair.ok_or_else(|| self.node.invalid(format!("{list:?} are no lengths in two dimensions")))
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

    pub fn explicit_pads(&self, flat: bool) -> Result<[usize; 4]> {
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

    /// The error for `auto_pad` beside pads of its own.
    pub fn two_paddings(&self) -> OnnxError {
        self.node.unsupported("it has auto_pad and pads; export it with one of the two")
    }

    /// Checks that a stated `kernel_shape` is that of the weights.
    pub fn check_kernel(&self, kernel: &[usize]) -> Result<()> {
        let Some(list) = self.node.ints("kernel_shape") else { return Ok(()) };
        let same = list.len() == kernel.len()
            && list.iter().zip(kernel).all(|(&stated, &len)| usize::try_from(stated) == Ok(len));
        if same {
            return Ok(());
        }
        Err(self.node.invalid(format!("a kernel_shape of {list:?} for weights of {kernel:?}")))
    }

    pub fn pads(
        &self,
        input: [usize; 2],
        size: [usize; 2],
        stride: [usize; 2],
        flat: bool,
    ) -> Result<[usize; 4]> {
        let auto = self.node.string("auto_pad", "NOTSET");
        let stated = self.explicit_pads(flat)?;
        match auto {
            "NOTSET" => Ok(stated),
            _ if stated != [0; 4] => Err(self.two_paddings()),
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

    /// The convolution of each image with `kernel`.
    pub fn convolve(&mut self, view: &View, mut kernel: Kernel) -> Result<View> {
        let images = view.len(0);
        let view = &self.widen(view, &mut kernel)?;
        let output = [self.kernels(view.len(2), &kernel, 0)?, self.kernels(view.len(3), &kernel, 1)?];
        let (view, period) = self.stack(view, &kernel, output[0])?;
        let x = self.pack(&view, &[0, 2, 3], &[1], Order::Logical)?;
        let mut dense = kernel.dense;
        self.check_inner(dense.k)?;
        if view.factor != 1.0 {
            dense.weights.iter_mut().for_each(|weight| *weight *= view.factor);
        }
        let (Some(high), Some(rows)) = (
            images.checked_mul(x.len(2)),
            ((images - 1) * period).checked_add(output[0]).and_then(|rows| rows.checked_mul(output[1])),
        ) else {
            return Err(self.too_large());
        };
        let geometry = Geometry {
            input: [high as u32, x.len(3) as u32, x.len(1) as u32],
            kernel: kernel.size.map(|size| size as u32),
            stride: kernel.stride.map(|stride| stride as u32),
            padding: [kernel.pads[0] as u32, kernel.pads[1] as u32],
            output: [(rows / output[1]) as u32, output[1] as u32],
            groups: kernel.groups as u32,
        };
        let (n, tensor) = (dense.n, x.tensor);
        let out = self.emit("", rows, n, |out| Node::Conv { x: tensor, out, geometry, dense })?;
        let mut axes = super::view::dense(&[1, n, output[0], output[1]], &[0, 2, 3, 1]);
        axes[0] = coalesce(&[Dim { len: images, stride: period * output[1] * n }]);
        Ok(View::laid_out(out, axes))
    }

    /// How often `kernel` fits along `axis` of an image of `input` pixels.
    fn kernels(&self, input: usize, kernel: &Kernel, axis: usize) -> Result<usize> {
        let span = input + kernel.pads[axis] + kernel.pads[axis + 2];
        let Some(rest) = span.checked_sub(kernel.size[axis]) else {
            let reason = format!("a kernel of {} does not fit an image of {span}", kernel.size[axis]);
            return Err(self.node.invalid(reason));
        };
        Ok(rest / kernel.stride[axis] + 1)
    }

    /// The images with as much of the padding as no instruction adds: so that every window sees a
    /// pixel.
    fn widen(&mut self, view: &View, kernel: &mut Kernel) -> Result<View> {
        let mut view = view.clone();
        for axis in 0..2 {
            let (size, before) = (kernel.size[axis], kernel.pads[axis]);
            let count = self.kernels(view.len(axis + 2), kernel, axis)?;
            let front = (before + 1).saturating_sub(size);
            let last = (count - 1) * kernel.stride[axis] + 1;
            let back = last.saturating_sub(view.len(axis + 2) + before);
            for (len, front) in [(front, true), (back, false)].into_iter().filter(|&(len, _)| len > 0) {
                let mut shape = view.shape();
                shape[axis + 2] = len;
                let zeros = self.filled(shape, 0.0)?;
                let parts = if front { vec![zeros, view.into()] } else { vec![view.into(), zeros] };
                view = self.join(parts, axis + 2)?;
            }
            kernel.pads[axis] -= front;
            kernel.pads[axis + 2] -= back;
        }
        Ok(view)
    }

    /// Images one below the other, with as many zero rows between them as keep the windows of
    /// each on its own pixels, and the windows from one image to the next.
    fn stack(&mut self, view: &View, kernel: &Kernel, output: usize) -> Result<(View, usize)> {
        let (images, height, stride) = (view.len(0), view.len(2), kernel.stride[0]);
        if images == 1 {
            return Ok((view.clone(), output));
        }
        let below = ((output - 1) * stride + kernel.size[0]).saturating_sub(kernel.pads[0]);
        let period = (height + kernel.pads[0]).max(below).next_multiple_of(stride);
        if period == height {
            return Ok((view.clone(), period / stride));
        }
        let gaps = self.filled(vec![images, view.len(1), period - height, view.len(3)], 0.0)?;
        Ok((self.join(vec![view.clone().into(), gaps], 2)?, period / stride))
    }
}

/// An output without the height that [`Importer::image`] added.
pub fn unimage(mut view: View, flat: bool) -> View {
    if flat {
        view.axes.remove(2);
    }
    view
}
