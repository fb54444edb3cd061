//! Element-wise functions.

use float::{Function, Node};

use super::importer::{Importer, Result};
use super::op::{Domain, Handler, OnnxOp};
use super::view::View;
use crate::model::Array;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new("Gelu", Handler::View(|i| i.gelu()), "exact and `tanh`"),
    OnnxOp::new("QuickGelu", Handler::View(|i| i.swish(1.702)), "x · σ(1.702 x), from `Sigmoid` and `Mul`")
        .of(Domain::Joined),
    OnnxOp::new("QuickGelu", Handler::View(|i| i.swish(1.702)), "factors of 1 and 1.702")
        .of(Domain::Microsoft),
    OnnxOp::new("Silu", Handler::View(|i| i.activate(Function::Silu)), "x · σ(x), from `Sigmoid` and `Mul`")
        .of(Domain::Joined),
    OnnxOp::new("Swish", Handler::View(|i| i.swish(1.0)), "factors of 1 and 1.702"),
    OnnxOp::new("Relu", Handler::View(|i| i.activate(Function::Relu)), "all of it"),
    OnnxOp::new("LeakyRelu", Handler::View(|i| i.leaky_relu()), "all of it"),
    OnnxOp::new("Elu", Handler::View(|i| i.elu()), "all of it"),
    OnnxOp::new("Selu", Handler::View(|i| i.selu()), "all of it"),
    OnnxOp::new("Clip", Handler::View(|i| i.clip()), "constant limits"),
    OnnxOp::new("Sigmoid", Handler::View(|i| i.activate(Function::Sigmoid)), "all of it"),
    OnnxOp::new("Tanh", Handler::View(|i| i.activate(Function::Tanh)), "all of it"),
    OnnxOp::new("HardSwish", Handler::View(|i| i.activate(Function::HardSwish)), "all of it"),
    OnnxOp::new("HardSigmoid", Handler::View(|i| i.hard_sigmoid()), "all of it"),
    OnnxOp::new("Softplus", Handler::View(|i| i.activate(Function::Softplus)), "all of it"),
    OnnxOp::new(
        "LogSigmoid",
        Handler::View(|i| i.activate(Function::LogSigmoid)),
        "from `Sigmoid` and `Log`",
    )
    .of(Domain::Joined),
    OnnxOp::new("Softsign", Handler::View(|i| i.activate(Function::Softsign)), "all of it"),
    OnnxOp::new("Mish", Handler::View(|i| i.activate(Function::Mish)), "all of it"),
    OnnxOp::new("Celu", Handler::View(|i| i.celu()), "all of it"),
    OnnxOp::new("ThresholdedRelu", Handler::View(|i| i.thresholded_relu()), "all of it"),
    OnnxOp::new("PRelu", Handler::View(|i| i.prelu()), "constant slopes"),
    OnnxOp::new("Abs", Handler::View(|i| i.activate(Function::Abs)), "all of it"),
    OnnxOp::new("Erf", Handler::View(|i| i.activate(Function::Erf)), "all of it"),
    OnnxOp::new("Exp", Handler::View(|i| i.activate(Function::Exp)), STEEP),
    OnnxOp::new("Log", Handler::View(|i| i.activate(Function::Log)), STEEP),
    OnnxOp::new("Sin", Handler::View(|i| i.activate(Function::Sin)), STEEP),
    OnnxOp::new("Cos", Handler::View(|i| i.activate(Function::Cos)), STEEP),
    OnnxOp::new("Sqrt", Handler::View(|i| i.activate(Function::Power { exponent: 0.5 })), STEEP),
    OnnxOp::new("Reciprocal", Handler::View(|i| i.activate(Function::Power { exponent: -1.0 })), STEEP),
];

/// What of a steep function is accepted.
const STEEP: &str = "where lines between 513 knots follow it closely enough on the calibration images";

impl Importer<'_> {
    /// `function` of the only input.
    pub fn activate(&mut self, function: Function) -> Result<View> {
        let view = self.view(0)?;
        self.apply(&view, function)
    }

    fn gelu(&mut self) -> Result<View> {
        match self.node.string("approximate", "none") {
            "none" => self.activate(Function::Gelu),
            "tanh" => self.activate(Function::GeluTanh),
            other => Err(self.node.invalid(format!("approximate of {other}; none and tanh are known"))),
        }
    }

    /// `x · σ(alpha · x)`, with `alpha` unless the node says otherwise.
    fn swish(&mut self, alpha: f32) -> Result<View> {
        let function = match self.node.float("alpha", alpha) {
            1.0 => Function::Silu,
            alpha if (alpha - 1.702).abs() < 1e-3 => Function::QuickGelu,
            alpha => {
                let hint = format!("x · σ({alpha} x); factors of 1 and 1.702 are supported");
                return Err(self.node.unsupported(hint));
            }
        };
        self.activate(function)
    }

    fn leaky_relu(&mut self) -> Result<View> {
        let slope = self.node.float("alpha", 0.01);
        self.activate(Function::LeakyRelu { slope })
    }

    fn elu(&mut self) -> Result<View> {
        let alpha = self.node.float("alpha", 1.0);
        self.activate(Function::Elu { alpha })
    }

    /// `gamma` times ELU.
    fn selu(&mut self) -> Result<View> {
        let alpha = self.node.float("alpha", 1.673_263_2);
        let gamma = self.node.float("gamma", 1.050_701);
        let mut view = self.activate(Function::Elu { alpha })?;
        view.factor *= gamma;
        Ok(view)
    }

    fn hard_sigmoid(&mut self) -> Result<View> {
        let (alpha, beta) = (self.node.float("alpha", 0.2), self.node.float("beta", 0.5));
        self.activate(Function::HardSigmoid { alpha, beta })
    }

    fn clip(&mut self) -> Result<View> {
        let limit = |at: usize, default: f32| match self.node.input(at) {
            None => Ok(default),
            Some(_) => self
                .weights(at, "limits")?
                .scalar_f32()
                .ok_or_else(|| self.node.invalid("its limits are not one number each")),
        };
        let (min, max) = (limit(1, f32::MIN)?, limit(2, f32::MAX)?);
        if min.is_nan() || max.is_nan() || min > max {
            return Err(self.node.invalid("its limits are not a range"));
        }
        self.activate(Function::Clip { min: min.max(f32::MIN), max: max.min(f32::MAX) })
    }

    fn celu(&mut self) -> Result<View> {
        match self.node.float("alpha", 1.0) {
            0.0 => Err(self.node.invalid("it divides by an alpha of 0")),
            alpha => self.activate(Function::Celu { alpha }),
        }
    }

    fn thresholded_relu(&mut self) -> Result<View> {
        let alpha = self.node.float("alpha", 1.0);
        self.activate(Function::ThresholdedRelu { alpha })
    }

    /// `PRelu`: `slope · x + (1 − slope) · relu(x)`, or LeakyReLU of one slope.
    fn prelu(&mut self) -> Result<View> {
        let slopes = self.weights(1, "slopes")?;
        let mut x = self.view(0)?;
        let values = slopes.to_f32s();
        if let Some(&slope) = values.first().filter(|&first| values.iter().all(|slope| slope == first)) {
            return self.apply(&x, Function::LeakyRelu { slope });
        }
        x.exclusive = false;
        let rest: Vec<f32> = values.iter().map(|slope| 1.0 - slope).collect();
        let rest = Array { shape: slopes.shape.clone(), data: rest.into() };
        let positive = self.apply(&x, Function::Relu)?;
        let positive = self.affine(&positive, Some(&rest), None, 1)?;
        let all = self.affine(&x, Some(&slopes), None, 1)?;
        self.sum(&all, &positive)
    }

    /// `function` of every element.
    pub fn apply(&mut self, view: &View, function: Function) -> Result<View> {
        let view = self.whole(view)?;
        let view = match function {
            // Positive factors pass through.
            Function::Relu | Function::LeakyRelu { .. } if view.factor > 0.0 => view,
            _ => self.settle(&view)?,
        };
        let (x, rows, width) = {
            let tensor = &self.graph.tensors[view.tensor];
            (view.tensor, tensor.rows, tensor.width)
        };
        let tensor = self.emit("", rows, width, |out| Node::Activate { x, out, function })?;
        Ok(View { factor: view.factor, ..View::laid_out(tensor, view.axes) })
    }
}
