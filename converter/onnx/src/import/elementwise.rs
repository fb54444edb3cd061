//! Sums, and products with constants.

use float::{Function, Node, Part};

use super::importer::{Importer, Result, Value};
use super::names;
use super::op::{Handler, OnnxOp};
use super::store::Order;
use super::view::View;
use crate::fold::broadcast;
use crate::model::Array;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new("Add", Handler::View(|i| i.add()), "of two computed tensors, or with a constant"),
    OnnxOp::new("Sub", Handler::View(|i| i.add()), "of two computed tensors, or with a constant"),
    OnnxOp::new(
        "Mul",
        Handler::View(|i| i.multiply()),
        "of two computed tensors that broadcast, or with a constant",
    ),
    OnnxOp::new(
        "Div",
        Handler::View(|i| i.multiply()),
        "of two computed tensors, or with a constant on either side",
    ),
    OnnxOp::new("Neg", Handler::View(|i| i.negate()), "all of it"),
    OnnxOp::new("Pow", Handler::View(|i| i.power()), "constant exponents"),
];

/// What is added after a product, in a layout of the storage.
enum Offset {
    /// One value for each channel.
    Channels(Vec<f32>),
    /// One value for each element.
    Elements(Vec<f32>),
}

impl Importer<'_> {
    /// `Add` and `Sub`.
    pub fn add(&mut self) -> Result<View> {
        let sign = if self.node.op == "Sub" { -1.0 } else { 1.0 };
        match (self.value(0)?, self.value(1)?) {
            (Value::View(x), Value::View(mut y)) => {
                y.factor *= sign;
                self.plus(x, y)
            }
            (Value::View(x), Value::Constant(array)) => {
                self.rename_after(&x, 1);
                let array = if sign < 0.0 { self.map(&array, |value| -value)? } else { array };
                self.affine(&x, None, Some(&array), 1)
            }
            (Value::Constant(array), Value::View(mut y)) => {
                self.rename_after(&y, 0);
                y.factor *= sign;
                self.affine(&y, None, Some(&array), 0)
            }
            (Value::Constant(_), Value::Constant(_)) => Err(self.unknown()),
        }
    }

    /// The sum of two views, which may be of the same elements.
    pub fn plus(&mut self, x: View, y: View) -> Result<View> {
        if (x.tensor, x.offset, &x.axes) == (y.tensor, y.offset, &y.axes) {
            return self.multiple(x, y.factor);
        }
        self.sum(&x, &y)
    }

    /// `x` and `factor` times the same elements: no instruction adds a tensor to itself.
    fn multiple(&self, mut x: View, factor: f32) -> Result<View> {
        x.factor += factor;
        if x.factor == 0.0 {
            return Err(self.node.unsupported("the difference of a tensor and itself is 0; leave it out"));
        }
        Ok(x)
    }

    /// `Mul` and `Div`.
    pub fn multiply(&mut self) -> Result<View> {
        let divide = self.node.op == "Div";
        let (view, array) = match (self.value(0)?, self.value(1)?) {
            (Value::View(view), Value::Constant(array)) => (view, array),
            (Value::Constant(array), Value::View(view)) if !divide => (view, array),
            (Value::View(x), Value::View(y)) if divide => return self.divide_views(&x, &y),
            (Value::View(x), Value::View(y)) => return self.multiply_views(&x, &y),
            (Value::Constant(array), Value::View(view)) => return self.divide_constant(&array, &view),
            (Value::Constant(_), Value::Constant(_)) => return Err(self.unknown()),
        };
        let array = if divide { self.map(&array, |value| 1.0 / value)? } else { array };
        self.affine(&view, Some(&array), None, 1)
    }

    /// `Neg`.
    pub fn negate(&mut self) -> Result<View> {
        let mut view = self.view(0)?;
        view.factor = -view.factor;
        Ok(view)
    }

    /// `Pow`: the tensor itself, its square, or a function of it.
    fn power(&mut self) -> Result<View> {
        let exponent = self.weights(1, "exponent")?;
        let view = self.view(0)?;
        let view = self.broadcast_with(&view, &exponent.shape)?;
        match uniform(&exponent) {
            Some(1.0) => Ok(view),
            Some(2.0) => self.multiply_views(&view, &view),
            Some(exponent) if exponent.is_finite() => self.apply(&view, Function::Power { exponent }),
            _ => Err(self.node.unsupported("one exponent is supported, the same for all elements")),
        }
    }

    /// `view` in the shape that it has together with a constant of `shape`.
    pub fn broadcast_with(&self, view: &View, shape: &[usize]) -> Result<View> {
        let Some(joint) = broadcast(&view.shape(), shape) else {
            let shapes = format!("{:?} and {shape:?} do not broadcast", view.shape());
            return Err(self.node.invalid(shapes));
        };
        view.expand(&joint).ok_or_else(|| self.unknown())
    }

    fn map(&mut self, array: &Array, f: impl Fn(f32) -> f32) -> Result<Array> {
        self.spend(array.len())?;
        let values: Vec<f32> = array.to_f32s().into_iter().map(f).collect();
        Ok(Array { shape: array.shape.clone(), data: values.into() })
    }

    /// `view · scale + offset`, both broadcast. Scalars go to the view's factor; what is the
    /// same in every row goes to the node that makes the tensor, if nothing else reads it.
    /// `at` is the input whose name a sum with a full constant gets.
    pub fn affine(
        &mut self,
        view: &View,
        scale: Option<&Array>,
        offset: Option<&Array>,
        at: usize,
    ) -> Result<View> {
        let mut view = view.clone();
        if let Some(scale) = scale {
            scale.check_finite(self.node.name)?;
        }
        if let Some(offset) = offset {
            offset.check_mask(self.node.name)?;
        }
        for array in [scale, offset].into_iter().flatten() {
            self.spend(array.len())?;
            view = self.broadcast_with(&view, &array.shape)?;
        }
        let scale = match scale.map(|array| (uniform(array), array)) {
            Some((Some(factor), _)) => {
                view.factor *= factor;
                None
            }
            Some((None, array)) => Some(array),
            None => None,
        };
        let offset = offset.filter(|array| uniform(array) != Some(0.0));
        if scale.is_none() && offset.is_none() {
            return Ok(view);
        }
        let mut view = self.whole(&view)?;
        let (len, width) = {
            let tensor = &self.graph.tensors[view.tensor];
            (tensor.len(), tensor.width)
        };
        self.spend(2 * width)?;
        let scale = match scale {
            None => vec![1.0; width],
            Some(array) => {
                let values = self.to_storage(&view.axes, len, array)?;
                match rows_equal(values, width) {
                    Ok(row) => row,
                    Err(values) => {
                        view = self.multiply_rows(&view, values)?;
                        vec![1.0; width]
                    }
                }
            }
        };
        let offset = match offset {
            None => Offset::Channels(vec![0.0; width]),
            Some(array) => {
                let values = self.to_storage(&view.axes, len, array)?;
                // An infinity belongs to a mask, and is no offset of a layer.
                if values[..width].contains(&f32::NEG_INFINITY) {
                    Offset::Elements(values)
                } else {
                    match rows_equal(values, width) {
                        Ok(row) => Offset::Channels(row),
                        Err(all) => Offset::Elements(all),
                    }
                }
            }
        };
        match offset {
            Offset::Channels(offset) => self.rescale(&view, scale, offset),
            Offset::Elements(values) => {
                let view = self.rescale(&view, scale, vec![0.0; width])?;
                if let Some(name) =
                    self.node.peek(at).map(|name| self.origin(name)).filter(|name| names::readable(name))
                {
                    self.name = name;
                }
                let (x, rows) = (view.tensor, len / width);
                let tensor = self.emit("", rows, width, |out| Node::AddConstant { x, out, values })?;
                Ok(View::laid_out(tensor, view.axes))
            }
        }
    }

    /// The product of a view that covers its tensor with a constant of that tensor's layout: a
    /// position embedding that rotates or weights.
    fn multiply_rows(&mut self, view: &View, values: Vec<f32>) -> Result<View> {
        let (rows, width) = {
            let tensor = &self.graph.tensors[view.tensor];
            (tensor.rows, tensor.width)
        };
        let (x, parts) = (view.tensor, vec![Part::Constant(values)]);
        let y = self.emit("factors", rows, width, |out| Node::Concat { parts, out })?;
        let tensor = self.emit("", rows, width, |out| Node::Mul { x, y, out })?;
        Ok(View { factor: view.factor, ..View::laid_out(tensor, view.axes.clone()) })
    }

    /// `view · scale[channel] + offset[channel]` of a view that covers its tensor, its factor
    /// included.
    fn rescale(&mut self, view: &View, mut scale: Vec<f32>, offset: Vec<f32>) -> Result<View> {
        scale.iter_mut().for_each(|scale| *scale *= view.factor);
        if scale.iter().all(|&scale| scale == 1.0) && offset.iter().all(|&offset| offset == 0.0) {
            return Ok(View { factor: 1.0, ..view.clone() });
        }
        if !scale.iter().chain(&offset).all(|value| value.is_finite()) {
            return Err(self.node.invalid("its constants are not finite"));
        }
        let pixels = self.producers[view.tensor]
            .filter(|&index| matches!(self.graph.nodes[index], Node::Pixels { .. }));
        // A deviation is positive: an image that is turned around is scaled behind it.
        if let Some(index) = pixels.filter(|_| scale.iter().all(|&scale| scale > 0.0)) {
            return self.normalise(view, index, &scale, &offset);
        }
        if view.exclusive
            && let Some(index) = self.producers[view.tensor]
            && fold_into(&mut self.graph.nodes[index], &scale, &offset)
        {
            return Ok(View { factor: 1.0, ..view.clone() });
        }
        let (x, rows, width) = {
            let tensor = &self.graph.tensors[view.tensor];
            (view.tensor, tensor.rows, tensor.width)
        };
        let tensor = self.emit("", rows, width, |out| Node::Affine { x, out, scale, offset })?;
        Ok(View::laid_out(tensor, view.axes.clone()))
    }

    /// Normalisation inside the model, as pixels of another mean and deviation.
    fn normalise(&mut self, view: &View, index: usize, scale: &[f32], offset: &[f32]) -> Result<View> {
        let Node::Pixels { mean, std, .. } = &self.graph.nodes[index] else { return Err(self.unknown()) };
        let (mut mean, mut std) = (mean.clone(), std.clone());
        for ((mean, std), (&scale, &offset)) in mean.iter_mut().zip(&mut std).zip(scale.iter().zip(offset)) {
            let spread = f64::from(*std) / f64::from(scale);
            *mean = (f64::from(*mean) - f64::from(offset) * spread) as f32;
            *std = spread as f32;
        }
        if !mean.iter().chain(&std).all(|value| value.is_finite()) || std.contains(&0.0) {
            return Err(self.node.unsupported("it multiplies the image by zero or by something not finite"));
        }
        let (rows, width) = {
            let tensor = &self.graph.tensors[view.tensor];
            (tensor.rows, tensor.width)
        };
        for (channel, (mean, std)) in mean.iter().zip(&std).enumerate() {
            self.graph.image.mean[channel].0 = mean.to_bits();
            self.graph.image.std[channel].0 = std.to_bits();
        }
        if view.exclusive
            && let Node::Pixels { mean: old_mean, std: old_std, .. } = &mut self.graph.nodes[index]
        {
            (*old_mean, *old_std) = (mean, std);
            return Ok(View { factor: 1.0, ..view.clone() });
        }
        self.name = "pixels".into();
        let tensor = self.emit("", rows, width, |out| Node::Pixels { x: 0, out, mean, std })?;
        Ok(View::laid_out(tensor, view.axes.clone()))
    }

    /// The view with factor 1, covering its tensor.
    pub fn settle(&mut self, view: &View) -> Result<View> {
        if view.factor == 1.0 {
            return Ok(view.clone());
        }
        let view = self.whole(view)?;
        let width = self.graph.tensors[view.tensor].width;
        self.spend(2 * width)?;
        self.rescale(&view, vec![1.0; width], vec![0.0; width])
    }

    /// The sum of two views; `x` is the residual stream, if one is.
    pub fn sum(&mut self, x: &View, y: &View) -> Result<View> {
        let Some(shape) = broadcast(&x.shape(), &y.shape()) else {
            return Err(self.node.invalid(format!("{:?} and {:?} do not broadcast", x.shape(), y.shape())));
        };
        // The older tensor is the residual stream.
        let (x, y) = if x.tensor <= y.tensor { (x, y) } else { (y, x) };
        let (Some(x), Some(y)) = (x.expand(&shape), y.expand(&shape)) else { return Err(self.unknown()) };
        let common = if x.factor == y.factor { x.factor } else { 1.0 };
        let (mut x, mut y) = if x.factor == y.factor {
            (View { factor: 1.0, ..x }, View { factor: 1.0, ..y })
        } else {
            (self.settle(&x)?, self.settle(&y)?)
        };
        let covers = |importer: &Self, view: &View| view.covers(importer.graph.tensors[view.tensor].len());
        let first = covers(self, &x) || !covers(self, &y);
        let like = self.whole(if first { &x } else { &y })?;
        let other = if first { &y } else { &x };
        match self.align(other, &like)? {
            Some(other) => (x, y) = if first { (like, other) } else { (other, like) },
            None => {
                let rows: Vec<usize> = (0..shape.len().saturating_sub(1)).collect();
                let width: Vec<usize> = (shape.len().saturating_sub(1)..shape.len()).collect();
                x = self.pack(&x, &rows, &width, Order::Logical)?;
                y = self.pack(&y, &rows, &width, Order::Logical)?;
            }
        }
        let (rows, width) = {
            let tensor = &self.graph.tensors[x.tensor];
            (tensor.rows, tensor.width)
        };
        let (a, b) = (x.tensor, y.tensor);
        let tensor = self.emit("", rows, width, |out| Node::Add { x: a, y: b, out })?;
        Ok(View { factor: common, ..View::laid_out(tensor, x.axes) })
    }

    /// Names the layer that made `view` after its bias, which is about to be folded into it.
    fn rename_after(&mut self, view: &View, at: usize) {
        let origin = self.node.peek(at).map(|name| self.origin(name)).unwrap_or_default();
        let layer = self.producers[view.tensor]
            .is_some_and(|index| matches!(self.graph.nodes[index], Node::Linear { .. } | Node::Conv { .. }));
        if let Some(stem) = names::stem(&origin)
            && layer
            && view.exclusive
            && self.named.insert(view.tensor)
            && self.graph.tensors[view.tensor].name != stem
        {
            self.graph.tensors[view.tensor].name = self.names.unique(stem);
        }
    }
}

/// The value of all elements, if they are the same.
pub(super) fn uniform(array: &Array) -> Option<f32> {
    let values = array.to_f32s();
    let first = *values.first()?;
    values.iter().all(|&value| value == first).then_some(first)
}

/// One row, if all rows of `width` are the same; else the values.
fn rows_equal(values: Vec<f32>, width: usize) -> std::result::Result<Vec<f32>, Vec<f32>> {
    let first = values[..width].to_vec();
    if values.chunks(width).all(|row| row == first) { Ok(first) } else { Err(values) }
}

/// Changes what `node` computes to `scale · out + offset`; false if it cannot.
fn fold_into(node: &mut Node, scale: &[f32], offset: &[f32]) -> bool {
    match node {
        Node::Linear { dense, .. } | Node::Conv { dense, .. } => {
            for (row, &scale) in dense.weights.chunks_exact_mut(dense.k).zip(scale) {
                row.iter_mut().for_each(|weight| *weight *= scale);
            }
            for (bias, (&scale, &offset)) in dense.bias.iter_mut().zip(scale.iter().zip(offset)) {
                *bias = *bias * scale + offset;
            }
            true
        }
        Node::MatMul { out, n, scales, .. } if offset.iter().all(|&value| value == 0.0) => {
            // Matrices side by side in every row have columns of their own, others have them all.
            let beside = out.row == scales.len() * *n;
            let columns = if beside { *n } else { scale.len() };
            let uniform = |columns: &[f32]| columns.windows(2).all(|pair| pair[0] == pair[1]);
            let apart = scale.chunks(columns).all(uniform);
            if apart {
                let factors = scale.chunks(columns).cycle().map(|columns| columns[0]);
                scales.iter_mut().zip(factors).for_each(|(scale, factor)| *scale *= factor);
            }
            apart
        }
        Node::LayerNorm { gamma: a, beta: b, .. }
        | Node::GroupNorm { gamma: a, beta: b, .. }
        | Node::Affine { scale: a, offset: b, .. }
            if a.len() == scale.len() =>
        {
            for ((a, b), (&scale, &offset)) in a.iter_mut().zip(b.iter_mut()).zip(scale.iter().zip(offset)) {
                *a *= scale;
                *b = *b * scale + offset;
            }
            true
        }
        _ => false,
    }
}
