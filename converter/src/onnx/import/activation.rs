//! Element-wise functions.

use super::importer::{Importer, Result};
use super::view::View;
use crate::float::{Function, Node};

impl Importer<'_> {
    /// Element-wise functions.
    pub fn activate(&mut self) -> Result<View> {
        let mut view = self.view(0)?;
        if matches!(self.node.op.as_str(), "BiasGelu" | "FastGelu") && self.node.input(1).is_some() {
            let bias = self.weights(1, "bias")?;
            view = self.affine(&view, None, Some(&bias), 1)?;
        }
        let function = self.function()?;
        self.apply(&view, function)
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

    fn function(&self) -> Result<Function> {
        let node = self.node;
        Ok(match node.op.as_str() {
            "Gelu" if node.string("approximate", "none") == "tanh" => Function::GeluTanh,
            "Gelu" | "BiasGelu" => Function::Gelu,
            "FastGelu" => Function::GeluTanh,
            "Silu" | "Swish" => Function::Silu,
            "QuickGelu" => match node.float("alpha", 1.702) {
                1.0 => Function::Silu,
                alpha if (alpha - 1.702).abs() < 1e-3 => Function::QuickGelu,
                alpha => {
                    return Err(
                        node.unsupported(format!("x · σ({alpha} x); factors of 1 and 1.702 are supported"))
                    );
                }
            },
            "Relu" => Function::Relu,
            "LeakyRelu" => Function::LeakyRelu { slope: node.float("alpha", 0.01) },
            "Elu" => Function::Elu { alpha: node.float("alpha", 1.0) },
            "Sigmoid" => Function::Sigmoid,
            "Tanh" => Function::Tanh,
            "HardSwish" => Function::HardSwish,
            "HardSigmoid" => {
                Function::HardSigmoid { alpha: node.float("alpha", 0.2), beta: node.float("beta", 0.5) }
            }
            "Clip" => {
                let limit = |at: usize, default: f32| match node.input(at) {
                    None => Ok(default),
                    Some(_) => self.weights(at, "limits").map(|array| array.scalar_f32().unwrap_or(default)),
                };
                let (min, max) = (limit(1, f32::MIN)?, limit(2, f32::MAX)?);
                if min.is_nan() || max.is_nan() || min > max {
                    return Err(node.invalid("its limits are not a range"));
                }
                Function::Clip { min: min.max(f32::MIN), max: max.min(f32::MAX) }
            }
            _ => return Err(self.unknown()),
        })
    }
}
