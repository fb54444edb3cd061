//! Element-wise functions.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::graph::Function;
use crate::math;

impl Function {
    /// The value below which it is as good as zero, if there is one.
    pub fn tail(self) -> Option<f64> {
        match self {
            // 10⁻⁸ there.
            Function::Gelu | Function::GeluTanh => Some(-6.0),
            Function::QuickGelu => Some(-12.0),
            Function::Silu | Function::Sigmoid => Some(-20.0),
            Function::HardSwish => Some(-3.0),
            Function::Sign
            | Function::Relu
            | Function::Tanh
            | Function::LeakyRelu { .. }
            | Function::Elu { .. }
            | Function::Clip { .. }
            | Function::HardSigmoid { .. } => None,
        }
    }

    /// Its value at `x`.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            // erfc keeps its precision where 1 + erf cancels.
            Function::Gelu => 0.5 * x * math::erfc(-x * FRAC_1_SQRT_2),
            Function::GeluTanh => {
                let inner = (2.0 / PI).sqrt() * (x + 0.044715 * x * x * x);
                0.5 * x * (1.0 + math::tanh(inner))
            }
            Function::QuickGelu => x * sigmoid(1.702 * x),
            Function::Relu => larger(x, 0.0),
            Function::Silu => x * sigmoid(x),
            Function::Sigmoid => sigmoid(x),
            Function::Tanh => math::tanh(x),
            Function::LeakyRelu { slope } => {
                if x > 0.0 {
                    x
                } else {
                    f64::from(slope) * x
                }
            }
            Function::Elu { alpha } => {
                if x > 0.0 {
                    x
                } else {
                    f64::from(alpha) * math::expm1(x)
                }
            }
            Function::Clip { min, max } => -larger(-larger(x, min.into()), -f64::from(max)),
            Function::Sign => f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)),
            Function::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Function::HardSigmoid { alpha, beta } => (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0),
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + math::exp(-x))
}

/// `y` where the two are equal or `x` is no number: of 0 and −0, `f64::max` returns either.
fn larger(x: f64, y: f64) -> f64 {
    if x > y { x } else { y }
}
