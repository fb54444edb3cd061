//! Normalisation, softmax and means.

use super::store::Order;
use super::view::{View, stored_places};
use super::{Importer, Result, Value};
use crate::float::Node;
use crate::onnx::model::Array;

impl Importer<'_> {
    /// `LayerNormalization` over the last axes.
    pub fn layer_norm(&mut self) -> Result<View> {
        let x = self.view(0)?;
        let axis = self.axis(self.node.int("axis", -1), x.rank())?;
        self.name_after(1);
        let beta = self.node.input(2).map(|_| self.weights(2, "bias")).transpose()?;
        let gamma = self.weights(1, "scale")?;
        self.normalised(&x, axis, &gamma, beta.as_ref())
    }

    /// `SkipLayerNormalization`: of the sum of two inputs and a bias.
    pub fn skip_layer_norm(&mut self) -> Result<Vec<Value>> {
        let (x, skip) = (self.view(0)?, self.view(1)?);
        let mut sum = self.sum(&x, &skip)?;
        if self.node.input(4).is_some() {
            let bias = self.weights(4, "bias")?;
            sum = self.affine(&sum, None, Some(&bias), 4)?;
        }
        sum.exclusive = false;
        self.name_after(2);
        let beta = self.node.input(3).map(|_| self.weights(3, "bias")).transpose()?;
        let gamma = self.weights(2, "scale")?;
        let out = self.normalised(&sum, sum.rank().saturating_sub(1), &gamma, beta.as_ref())?;
        let unused = || Value::Constant(Array::scalar(f32::NAN));
        Ok(match self.node.outputs.get(3).filter(|name| !name.is_empty()) {
            Some(_) => vec![out.into(), unused(), unused(), sum.into()],
            None => vec![out.into()],
        })
    }

    fn normalised(&mut self, x: &View, axis: usize, gamma: &Array, beta: Option<&Array>) -> Result<View> {
        let group: Vec<usize> = (axis..x.rank()).collect();
        let len: usize = group.iter().map(|&axis| x.len(axis)).product();
        self.spend(len)?;
        let eps = self.node.float("epsilon", 1e-5);
        let view = self.grouped(x, &group)?;
        let places = stored_places(&view.axes[axis..].concat());
        let params = |importer: &Self, array: &Array| {
            array.check_finite(&importer.node.name)?;
            let values = array.to_f32s();
            if values.len() != len && values.len() != 1 {
                let reason = format!("{} parameters for {len} elements", values.len());
                return Err(importer.node.invalid(reason));
            }
            let mut stored = vec![0.0; len];
            for (at, &place) in places.iter().enumerate() {
                stored[place] = values[if values.len() == 1 { 0 } else { at }];
            }
            Ok(stored)
        };
        let mut gamma = params(self, gamma)?;
        let beta = match beta {
            Some(beta) => params(self, beta)?,
            None => vec![0.0; len],
        };
        // Of f · x with eps is that of x with eps / f², turned around for negative f.
        let factor = f64::from(view.factor);
        let eps = (f64::from(eps) / (factor * factor)) as f32;
        if !(eps.is_finite() && eps >= 0.0) {
            return Err(self.node.invalid("its epsilon is not a positive number, or its input is zero"));
        }
        if factor < 0.0 {
            gamma.iter_mut().for_each(|gamma| *gamma = -*gamma);
        }
        let (tensor, rows, width) = self.size(&view);
        let out = self.emit("", rows, width, |out| Node::LayerNorm { x: tensor, out, gamma, beta, eps })?;
        Ok(View::laid_out(out, view.axes))
    }

    pub fn size(&self, view: &View) -> (usize, usize, usize) {
        let tensor = &self.graph.tensors[view.tensor];
        (view.tensor, tensor.rows, tensor.width)
    }

    /// The view over a whole tensor with the axes `group` consecutive.
    pub fn grouped(&mut self, view: &View, group: &[usize]) -> Result<View> {
        let whole = self.whole_if_grouped(view, group);
        if let Some(view) = whole {
            return self.whole(&view);
        }
        let others: Vec<usize> = (0..view.rank()).filter(|axis| !group.contains(axis)).collect();
        self.pack(view, &others, group, Order::Stored)
    }

    /// The view, if bringing it into one piece leaves the axes `group` consecutive.
    fn whole_if_grouped(&self, view: &View, group: &[usize]) -> Option<View> {
        let width = self.graph.tensors[view.tensor].width;
        let len: usize = group.iter().map(|&axis| view.len(axis)).product();
        let fits = view.consecutive(group)
            && width.is_multiple_of(len)
            && !view.dims().iter().any(|d| d.stride == 0);
        fits.then(|| view.clone())
    }

    /// `Softmax`; before opset 13 of all axes from `axis` on.
    pub fn softmax(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let group: Vec<usize> = if self.model.opset < 13 {
            (self.axis(self.node.int("axis", 1), view.rank())?..view.rank()).collect()
        } else {
            vec![self.axis(self.node.int("axis", -1), view.rank())?]
        };
        self.softmax_of(&view, &group)
    }

    /// Softmax over the axes `group` together.
    pub fn softmax_of(&mut self, view: &View, group: &[usize]) -> Result<View> {
        let view = self.settle(view)?;
        let view = self.grouped(&view, group)?;
        let len = group.iter().map(|&axis| view.len(axis)).product();
        let (x, rows, width) = self.size(&view);
        let tensor = self.emit("", rows, width, |out| Node::Softmax { x, out, width: len })?;
        Ok(View::laid_out(tensor, view.axes))
    }

    /// `BatchNormalization`: a scale and an offset for each channel.
    pub fn batch_norm(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let mut params = Vec::new();
        for (at, what) in [(1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")] {
            params.push(self.weights(at, what)?.to_f32s());
        }
        if view.rank() < 2 {
            return Err(self.node.invalid("its input has no channels"));
        }
        let channels = view.len(1);
        if params.iter().any(|values| values.len() != channels) {
            return Err(self
                .node
                .invalid(format!("its parameters are not one for each of {channels} channels")));
        }
        let eps = f64::from(self.node.float("epsilon", 1e-5));
        let at = |param: usize, channel: usize| f64::from(params[param][channel]);
        let scales: Vec<f64> = (0..channels).map(|c| at(0, c) / (at(3, c) + eps).sqrt()).collect();
        let offsets: Vec<f32> = (0..channels).map(|c| (at(1, c) - at(2, c) * scales[c]) as f32).collect();
        let scales: Vec<f32> = scales.into_iter().map(|scale| scale as f32).collect();
        let mut shape = vec![1; view.rank() - 1];
        shape[0] = channels;
        let array = |values: Vec<f32>| Array { shape: shape.clone(), data: values.into() };
        self.name = super::names::clean(&self.node.name, &self.node.op, true);
        self.affine(&view, Some(&array(scales)), Some(&array(offsets)), 1)
    }

    /// `ReduceMean`.
    pub fn reduce_mean(&mut self) -> Result<View> {
        let view = self.view(0)?;
        match self.reduced_axes(&view)? {
            Some(axes) => {
                let out = self.mean_kept(&view, &axes)?;
                Ok(self.squeezed(out, &axes))
            }
            None => Ok(view),
        }
    }

    /// `ReduceSum`: the mean times the number of elements.
    pub fn reduce_sum(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let Some(axes) = self.reduced_axes(&view)? else { return Ok(view) };
        let out = self.sum_kept(&view, &axes)?;
        Ok(self.squeezed(out, &axes))
    }

    /// The sum over `axes`, which are kept at length 1.
    pub fn sum_kept(&mut self, view: &View, axes: &[usize]) -> Result<View> {
        let count: usize = axes.iter().map(|&axis| view.len(axis)).product();
        let mut out = self.mean_kept(view, axes)?;
        out.factor *= count as f32;
        Ok(out)
    }

    /// `GlobalAveragePool`.
    pub fn global_average_pool(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let axes: Vec<usize> = (2..view.rank()).collect();
        let mut out = self.mean_kept(&view, &axes)?;
        out.axes.resize(view.rank(), Vec::new());
        Ok(out)
    }

    /// The axes that a reduction is over; none if it does nothing.
    pub fn reduced_axes(&self, view: &View) -> Result<Option<Vec<usize>>> {
        let listed = self.integers("axes", 1)?.unwrap_or_default();
        if listed.is_empty() {
            let none = self.node.int("noop_with_empty_axes", 0) != 0;
            return Ok((!none).then(|| (0..view.rank()).collect()));
        }
        let mut axes = listed.iter().map(|&axis| self.axis(axis, view.rank())).collect::<Result<Vec<_>>>()?;
        axes.sort_unstable();
        axes.dedup();
        Ok(Some(axes))
    }

    /// `view` without the reduced axes, if the node does not keep them.
    pub fn squeezed(&self, mut view: View, axes: &[usize]) -> View {
        if self.node.int("keepdims", 1) == 0 {
            let kept = (0..view.rank()).filter(|axis| !axes.contains(axis));
            view.axes = kept.map(|axis| view.axes[axis].clone()).collect();
        }
        view
    }

    /// The mean with its reduced axes kept, at length 1.
    fn mean_kept(&mut self, view: &View, axes: &[usize]) -> Result<View> {
        let kept: Vec<usize> = (0..view.rank()).filter(|axis| !axes.contains(axis)).collect();
        let mut out = self.pack(view, axes, &kept, Order::Stored)?;
        let (x, rows, width) = self.size(&out);
        for &axis in axes {
            out.axes[axis] = Vec::new();
        }
        if rows > 1 {
            let factor = out.factor;
            let tensor = self.emit("", 1, width, |out| Node::Mean { x, out })?;
            out = View { factor, ..View::laid_out(tensor, out.axes) };
        }
        Ok(out)
    }
}
