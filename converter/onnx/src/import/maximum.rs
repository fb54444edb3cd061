//! Maxima, as sums and ReLUs: `max(a, b) = a + relu(b − a)`.

use float::{Function, Node};

use super::importer::{Importer, Result, Value};
use super::op::{Handler, OnnxOp};
use super::store::Order;
use super::view::{Dim, View, coalesce};
use super::window::Span;
use crate::reader::Ignored;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new(
        "MaxPool",
        Handler::View(|i| i.max_pool()),
        "one or two dimensions, of one image or several, windows of up to 16 in each; the values, not the indices",
    )
    .ignoring(&[Ignored::new("storage_order", "it numbers the indices, which are not computed")]),
    OnnxOp::new("GlobalMaxPool", Handler::View(|i| i.global_max_pool()), "all of it"),
    OnnxOp::new("ReduceMax", Handler::View(|i| i.reduce_max()), "over constant axes"),
    OnnxOp::new("ReduceMin", Handler::View(|i| i.reduce_max()), "over constant axes"),
    OnnxOp::new("Max", Handler::View(|i| i.extreme()), "of computed tensors and constant numbers"),
    OnnxOp::new("Min", Handler::View(|i| i.extreme()), "of computed tensors and constant numbers"),
];

/// Most taps of a pooling window in one direction: each costs four instructions.
const MAX_TAPS: usize = 16;

/// The pixel that `tap` of window `at` reads; one that another tap reads where this one falls
/// into the padding, none if all of them do.
fn inside(span: &Span, at: usize, tap: usize) -> Option<usize> {
    span.read(at, tap).or_else(|| (0..span.kernel).find_map(|tap| span.read(at, tap)))
}

impl Importer<'_> {
    /// `MaxPool` in one or two dimensions: along one, then along the other.
    pub fn max_pool(&mut self) -> Result<View> {
        let node = self.node;
        let (x, images, flat) = self.channels(0)?;
        let Some(list) = node.ints("kernel_shape") else {
            return Err(node.invalid("it has no kernel_shape"));
        };
        let size = self.two(list, flat)?;
        if size.iter().any(|&taps| taps > MAX_TAPS) {
            let hint = format!("a window of {size:?}; up to {MAX_TAPS} in each direction are supported");
            return Err(node.unsupported(hint));
        }
        let (stride, dilation) = (self.pair("strides", flat)?, self.pair("dilations", flat)?);
        let mut pads = self.pads([x.len(2), x.len(3)], self.dilated(size, dilation)?, stride, flat)?;
        let extra = self.node.input(0).and_then(|name| self.paddings.get(name)).copied().unwrap_or_default();
        pads.iter_mut().zip(extra).for_each(|(pad, extra)| *pad += extra);
        let mut out = self.settle(&x)?;
        for axis in [1, 0] {
            let span = Span {
                input: x.len(axis + 2),
                pads: [pads[axis], pads[axis + 2]],
                kernel: size[axis],
                dilation: dilation[axis],
                stride: stride[axis],
            };
            let count = self.windows(&span)?;
            out = self.pooled(&out, axis, &span, count)?;
        }
        self.as_images(out, images, flat)
    }

    /// The maximum over each of `count` windows along the height (0) or the width (1).
    fn pooled(&mut self, view: &View, axis: usize, span: &Span, count: usize) -> Result<View> {
        let packed = self.pack(view, &[2, 3], &[1], Order::Logical)?;
        let (x, width) = (packed.tensor, self.graph.tensors[packed.tensor].width);
        let mut size = [view.len(2), view.len(3)];
        let line = size[1];
        size[axis] = count;
        let rows = size[0] * size[1];
        self.spend(rows.saturating_mul(span.kernel))?;
        let [down, right] = [size[1] * width, width];
        let dim = |len, stride| coalesce(&[Dim { len, stride }]);
        let axes = vec![Vec::new(), dim(width, 1), dim(size[0], down), dim(size[1], right)];
        let mut largest: Option<View> = None;
        for tap in 0..span.kernel {
            let pick = |at: usize| {
                let (row, column) = (at / size[1], at % size[1]);
                let [row, column] = match axis {
                    0 => [inside(span, row, tap)?, column],
                    _ => [row, inside(span, column, tap)?],
                };
                Some((row * line + column) as u32)
            };
            let Some(picked) = (0..rows).map(pick).collect::<Option<Vec<u32>>>() else {
                return Err(self.node.invalid("a window lies in the padding only"));
            };
            let tensor = self.emit("tap", rows, width, |out| Node::Gather { x, out, rows: picked })?;
            let view = View::laid_out(tensor, axes.clone());
            largest = Some(match largest {
                Some(so_far) => self.larger(&so_far, &view)?,
                None => view,
            });
        }
        largest.ok_or_else(|| self.unknown())
    }

    /// `ReduceMax` and `ReduceMin`: halves against each other.
    pub fn reduce_max(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let Some(axes) = self.reduced_axes(&view)? else { return Ok(view) };
        let sign = if self.node.op == "ReduceMin" { -1.0 } else { 1.0 };
        let out = self.extreme_over(view, &axes, sign)?;
        Ok(self.squeezed(out, &axes))
    }

    /// `GlobalMaxPool`.
    fn global_max_pool(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let axes: Vec<usize> = (2..view.rank()).collect();
        self.extreme_over(view, &axes, 1.0)
    }

    /// The maximum over `axes`, which are kept at length 1, or the minimum where `sign` is −1.
    fn extreme_over(&mut self, mut view: View, axes: &[usize], sign: f32) -> Result<View> {
        view.factor *= sign;
        let view = self.settle(&view)?;
        let kept: Vec<usize> = (0..view.rank()).filter(|axis| !axes.contains(axis)).collect();
        let packed = self.pack(&view, axes, &kept, Order::Stored)?;
        let (mut x, width) = (packed.tensor, self.graph.tensors[packed.tensor].width);
        let mut rows = self.graph.tensors[x].rows;
        let mut out = packed.with_axes(packed.axes.clone());
        for &axis in axes {
            out.axes[axis] = Vec::new();
        }
        while rows > 1 {
            let half = rows.div_ceil(2);
            let part = |importer: &mut Self, start: usize| -> Result<View> {
                let tensor = importer.emit("half", half, width, |out| Node::Rows { x, out, start })?;
                let dim = |len, stride| coalesce(&[Dim { len, stride }]);
                Ok(View::laid_out(tensor, vec![dim(half, width), dim(width, 1)]))
            };
            // Of an odd number the one in the middle is in both.
            let (a, b) = (part(self, 0)?, part(self, rows - half)?);
            x = self.larger(&a, &b)?.tensor;
            rows = half;
        }
        out.tensor = x;
        out.factor *= sign;
        Ok(out)
    }

    /// `Max` and `Min` of tensors; of a tensor and a number they limit a range.
    pub fn extreme(&mut self) -> Result<View> {
        let least = self.node.op == "Min";
        let sign = if least { -1.0 } else { 1.0 };
        let mut largest: Option<View> = None;
        let mut limit: Option<f32> = None;
        let mut shapes = Vec::new();
        for at in 0..self.node.count() {
            match self.value(at)? {
                Value::View(mut view) => {
                    view.factor *= sign;
                    largest = Some(match largest {
                        Some(so_far) => self.larger(&so_far, &view)?,
                        None => view,
                    });
                }
                Value::Constant(array) => {
                    let Some(value) = array.scalar_f32().filter(|value| value.is_finite()) else {
                        let hint = "of its inputs only numbers may be constant, not tensors";
                        return Err(self.node.unsupported(hint));
                    };
                    let limits = limit.map_or(value, |limit| (limit * sign).max(value * sign) * sign);
                    limit = Some(limits);
                    shapes.push(array.shape.clone());
                }
            }
        }
        let Some(mut out) = largest else { return Err(self.unknown()) };
        out.factor *= sign;
        for shape in shapes {
            out = self.broadcast_with(&out, &shape)?;
        }
        match limit {
            None => Ok(out),
            Some(max) if least => self.apply(&out, Function::Clip { min: f32::MIN, max }),
            Some(min) => self.apply(&out, Function::Clip { min, max: f32::MAX }),
        }
    }

    fn larger(&mut self, a: &View, b: &View) -> Result<View> {
        let less = View { factor: -a.factor, exclusive: false, ..a.clone() };
        let difference = self.sum(b, &less)?;
        let positive = self.apply(&difference, Function::Relu)?;
        self.sum(&View { exclusive: false, ..a.clone() }, &positive)
    }
}
