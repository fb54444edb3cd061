//! What convolutions and pooling have in common: images, windows, and the convolution itself.

use float::{Dense, Geometry, Node};

use super::importer::{Importer, Result};
use super::store::Order;
use super::view::View;
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

impl Importer<'_> {
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

    pub fn convolve(&mut self, view: &View, kernel: Kernel) -> Result<View> {
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
        self.check_inner(dense.k)?;
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
}

/// An output without the height that [`Importer::image`] added.
pub fn unimage(mut view: View, flat: bool) -> View {
    if flat {
        view.axes.remove(2);
    }
    view
}
