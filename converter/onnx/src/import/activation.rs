//! Element-wise functions.

use float::{Function, Node};

use super::importer::{Importer, Result};
use super::op::{Domain, Handler, OnnxOp, Refused};
use super::view::View;

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
];

pub(super) const REFUSED: &[Refused] = &[
    Refused {
        names: &["Erf"],
        instead: "the error function is only supported as part of GELU: x · 0.5 · (1 + erf(x / √2))",
    },
    Refused {
        names: &["Exp", "Log", "Reciprocal", "Sqrt"],
        instead: "element-wise functions are supported as part of LayerNorm, GELU, SiLU and Softmax only",
    },
];

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
