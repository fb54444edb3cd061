//! Normalisation and softmax.

use float::Node;

use super::importer::{Importer, Result, Value};
use super::names;
use super::op::{Domain, Handler, OnnxOp, Refused};
use super::view::{View, stored_places};
use crate::model::Array;
use crate::reader::Ignored;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new(
        "LayerNormalization",
        Handler::View(|i| i.layer_norm()),
        "over the last axes; constant scale and bias",
    )
    .ignoring(&[Ignored::new("stash_type", "all floats are computed in 32 bits")]),
    OnnxOp::new("RMSNormalization", Handler::View(|i| i.rms_norm()), "over the last axes; constant scale")
        .ignoring(&[Ignored::new("stash_type", "all floats are computed in 32 bits")]),
    OnnxOp::new(
        "SimplifiedLayerNormalization",
        Handler::View(|i| i.rms_norm()),
        "`RMSNormalization` as ONNX Runtime names it",
    )
    .ignoring(&[Ignored::new("stash_type", "all floats are computed in 32 bits")]),
    OnnxOp::new(
        "LpNormalization",
        Handler::View(|i| i.unit_length()),
        "`p` of 2, x / ‖x‖; a least length, or an addend to it, of at most 0.001 counts by its square in ‖x‖²",
    ),
    OnnxOp::new(
        "ChannelNormalization",
        Handler::View(|i| i.channel_norm()),
        "LayerNorm or RMSNorm over one axis before the last, from its steps; constant scale and bias",
    )
    .of(Domain::Joined),
    OnnxOp::new(
        "SkipLayerNormalization",
        Handler::Values(|i| i.skip_layer_norm()),
        "of a sum, which may be an output too; constant scale and biases",
    )
    .of(Domain::Microsoft),
    OnnxOp::new(
        "BatchNormalization",
        Handler::View(|i| i.batch_norm()),
        "constant parameters: exported in evaluation mode",
    )
    .ignoring(&[Ignored::new("momentum", "it is about running means in training mode, which is refused")]),
    OnnxOp::new(
        "Softmax",
        Handler::Value(|i| i.softmax()),
        "over any axis, and 1 over one element; before opset 13 over all axes from one on",
    ),
];

pub(super) const REFUSED: &[Refused] = &[Refused {
    names: &["ArgMax", "LogSoftmax"],
    instead: "it is only supported at the end of a model, and is left out there",
}];

impl Importer<'_> {
    /// `LayerNormalization` over the last axes.
    pub fn layer_norm(&mut self) -> Result<View> {
        let x = self.view(0)?;
        let axis = self.axis(self.node.int("axis", -1), x.rank())?;
        self.name_after(1);
        let beta = self.node.input(2).map(|_| self.weights(2, "bias")).transpose()?;
        let gamma = self.node.input(1).map(|_| self.weights(1, "scale")).transpose()?;
        let gamma = gamma.unwrap_or_else(|| Array::vector(vec![1.0_f32]));
        let group: Vec<usize> = (axis..x.rank()).collect();
        self.normalised(&x, &group, true, &gamma, beta.as_ref())
    }

    /// `RMSNormalization` over the last axes.
    fn rms_norm(&mut self) -> Result<View> {
        let x = self.view(0)?;
        let axis = self.axis(self.node.int("axis", -1), x.rank())?;
        self.name_after(1);
        let gamma = self.node.input(1).map(|_| self.weights(1, "scale")).transpose()?;
        let gamma = gamma.unwrap_or_else(|| Array::vector(vec![1.0_f32]));
        let group: Vec<usize> = (axis..x.rank()).collect();
        self.normalised(&x, &group, false, &gamma, None)
    }

    /// `LpNormalization`: x / ‖x‖ along one axis, which is RMSNorm with γ = 1/√n.
    fn unit_length(&mut self) -> Result<View> {
        let x = self.view(0)?;
        let axis = self.axis(self.node.int("axis", -1), x.rank())?;
        if self.node.int("p", 2) != 2 {
            return Err(self
                .node
                .unsupported("a vector is divided by the root of its squares' sum only: p = 2"));
        }
        let len = x.len(axis) as f64;
        let least = f64::from(self.node.float("epsilon", 0.0));
        let gamma = Array::vector(vec![(1.0 / len.sqrt()) as f32]);
        self.normalised_beside(&x, &[axis], false, &gamma, None, least * least / len)
    }

    /// LayerNorm or RMSNorm over one axis, whose parameters lie at `place`.
    fn channel_norm(&mut self) -> Result<View> {
        let x = self.view(0)?;
        let axis = self.axis(self.node.int("axis", -1), x.rank())?;
        if self.axis(self.node.int("place", -1), x.rank())? != axis {
            return Err(self.node.unsupported(
                "it normalises along one axis and scales along another; scale along the normalised one",
            ));
        }
        self.name_after(1);
        let beta = self.node.input(2).map(|_| self.weights(2, "bias")).transpose()?;
        let gamma = self.node.input(1).map(|_| self.weights(1, "scale")).transpose()?;
        let gamma = gamma.unwrap_or_else(|| Array::vector(vec![1.0_f32]));
        let centred = self.node.int("centred", 1) != 0;
        self.normalised(&x, &[axis], centred, &gamma, beta.as_ref())
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
        let last = sum.rank().saturating_sub(1);
        let out = self.normalised(&sum, &[last], true, &gamma, beta.as_ref())?;
        let unused = || Value::Constant(Array::scalar(f32::NAN));
        Ok(match self.node.outputs.get(3).filter(|name| !name.is_empty()) {
            Some(_) => vec![out.into(), unused(), unused(), sum.into()],
            None => vec![out.into()],
        })
    }

    /// Norm of `x`, less its mean where it is `centred`, over the axes `group` together.
    fn normalised(
        &mut self,
        x: &View,
        group: &[usize],
        centred: bool,
        gamma: &Array,
        beta: Option<&Array>,
    ) -> Result<View> {
        // The operator of ONNX Runtime has a default of its own.
        let default = if self.node.is_own() { 1e-5 } else { 1e-12 };
        let eps = self.node.float("epsilon", default);
        self.normalised_beside(x, group, centred, gamma, beta, eps.into())
    }

    /// As [`normalised`](Self::normalised), with `eps` beside the variance.
    fn normalised_beside(
        &mut self,
        x: &View,
        group: &[usize],
        centred: bool,
        gamma: &Array,
        beta: Option<&Array>,
        eps: f64,
    ) -> Result<View> {
        let len: usize = group.iter().map(|&axis| x.len(axis)).product();
        self.spend(len)?;
        let view = self.grouped(x, group)?;
        let along: Vec<_> = group.iter().flat_map(|&axis| view.axes[axis].clone()).collect();
        let places = stored_places(&along);
        let params = |importer: &Self, array: &Array| {
            array.check_finite(importer.node.name)?;
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
        let eps = self.epsilon(eps, view.factor)?;
        if view.factor < 0.0 {
            gamma.iter_mut().for_each(|gamma| *gamma = -*gamma);
        }
        let (tensor, rows, width) = self.size(&view);
        let out =
            self.emit("", rows, width, |out| Node::LayerNorm { x: tensor, out, gamma, beta, eps, centred })?;
        Ok(View::laid_out(out, view.axes))
    }

    /// The epsilon of the norm of a tensor x whose product f · x is normalised with `eps` beside the
    /// variance: `eps` / f². For negative f the norm of x has the other sign.
    pub fn epsilon(&self, eps: f64, factor: f32) -> Result<f32> {
        let factor = f64::from(factor);
        let eps = (eps / (factor * factor)) as f32;
        match eps.is_finite() && eps >= 0.0 {
            true => Ok(eps),
            false => Err(self.node.invalid("its epsilon is not a positive number, or its input is zero")),
        }
    }

    /// `Softmax`; before opset 13 of all axes from `axis` on. Of one element it is the constant 1.
    fn softmax(&mut self) -> Result<Value> {
        let view = self.view(0)?;
        let group: Vec<usize> = if self.model.opset < 13 {
            (self.axis(self.node.int("axis", 1), view.rank())?..view.rank()).collect()
        } else {
            vec![self.axis(self.node.int("axis", -1), view.rank())?]
        };
        if group.iter().all(|&axis| view.len(axis) == 1) {
            return self.filled(view.shape(), 1.0);
        }
        self.softmax_of(&view, &group).map(Value::View)
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
        // Before opset 14 further outputs mark it.
        let trains = self.node.outputs.iter().skip(1).any(|name| !name.is_empty());
        if self.node.int("training_mode", 0) != 0 || trains {
            return Err(self.node.unsupported(
                "it is in training mode (training_mode=1, or more than one output) and normalises by the image at \
                 hand; export in evaluation mode, after model.eval()",
            ));
        }
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
        self.name = names::clean(self.node.name, self.node.op, true);
        self.affine(&view, Some(&array(scales)), Some(&array(offsets)), 1)
    }
}
