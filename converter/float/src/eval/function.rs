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
            Function::Silu | Function::Sigmoid | Function::Softplus | Function::Mish => Some(-20.0),
            Function::HardSwish => Some(-3.0),
            Function::Sign
            | Function::Relu
            | Function::Tanh
            | Function::LeakyRelu { .. }
            | Function::Elu { .. }
            | Function::Clip { .. }
            | Function::HardSigmoid { .. }
            | Function::LogSigmoid
            | Function::Softsign
            | Function::Celu { .. }
            | Function::ThresholdedRelu { .. }
            | Function::Abs
            | Function::Exp
            | Function::Log
            | Function::Sin
            | Function::Cos
            | Function::Erf
            | Function::Power { .. } => None,
        }
    }

    /// Whether it is as steep as it likes, so that 256 values of it say too little.
    pub fn is_steep(self) -> bool {
        match self {
            Function::Exp | Function::Log | Function::Sin | Function::Cos | Function::Power { .. } => true,
            Function::Gelu
            | Function::GeluTanh
            | Function::QuickGelu
            | Function::Relu
            | Function::Silu
            | Function::Sigmoid
            | Function::Tanh
            | Function::LeakyRelu { .. }
            | Function::Elu { .. }
            | Function::Clip { .. }
            | Function::Sign
            | Function::HardSwish
            | Function::HardSigmoid { .. }
            | Function::Softplus
            | Function::LogSigmoid
            | Function::Softsign
            | Function::Mish
            | Function::Celu { .. }
            | Function::ThresholdedRelu { .. }
            | Function::Abs
            | Function::Erf => false,
        }
    }

    /// Its value at `x`, and where it has none that at 0: what tables hold of numbers that no image
    /// reaches.
    pub fn continued(self, x: f64) -> f64 {
        let value = self.apply(x);
        if value.is_nan() { self.apply(0.0) } else { value }
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
            Function::Softplus => softplus(x),
            Function::LogSigmoid => -softplus(-x),
            Function::Softsign => x / (1.0 + x.abs()),
            Function::Mish => x * math::tanh(softplus(x)),
            Function::Celu { alpha } => {
                if x > 0.0 {
                    x
                } else {
                    f64::from(alpha) * math::expm1(x / f64::from(alpha))
                }
            }
            Function::ThresholdedRelu { alpha } => {
                if x > f64::from(alpha) {
                    x
                } else {
                    0.0
                }
            }
            Function::Abs => x.abs(),
            Function::Exp => math::exp(x),
            Function::Log => math::log(x),
            Function::Sin => math::sin(x),
            Function::Cos => math::cos(x),
            Function::Erf => math::erf(x),
            Function::Power { exponent } => power(x, exponent.into()),
        }
    }
}

/// `xⁿ`; a root and a reciprocal are those of IEEE 754.
fn power(x: f64, exponent: f64) -> f64 {
    match exponent {
        0.5 => x.sqrt(),
        -0.5 => 1.0 / x.sqrt(),
        -1.0 => 1.0 / x,
        _ => math::pow(x, exponent),
    }
}

fn softplus(x: f64) -> f64 {
    larger(x, 0.0) + math::log1p(math::exp(-x.abs()))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + math::exp(-x))
}

/// `y` where the two are equal or `x` is no number: of 0 and −0, `f64::max` returns either.
fn larger(x: f64, y: f64) -> f64 {
    if x > y { x } else { y }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_from_tables() {
        // Computed with 30 digits.
        for (function, x, want) in [
            (Function::Softplus, 1.0, 1.313_261_687_518_222_8),
            (Function::Softplus, -40.0, 4.248_354_255_291_589e-18),
            (Function::Softplus, 800.0, 800.0),
            (Function::LogSigmoid, -1.0, -1.313_261_687_518_222_8),
            (Function::Softsign, -3.0, -0.75),
            (Function::Mish, 1.0, 0.865_098_388_267_310_3),
            (Function::Mish, -2.0, -0.252_501_482_695_708_9),
            (Function::Celu { alpha: 2.0 }, -1.0, -0.786_938_680_574_733_3),
            (Function::Celu { alpha: 2.0 }, 3.0, 3.0),
            (Function::ThresholdedRelu { alpha: 1.0 }, 1.0, 0.0),
            (Function::ThresholdedRelu { alpha: 1.0 }, 1.5, 1.5),
            (Function::Abs, -2.5, 2.5),
            (Function::Exp, 1.0, std::f64::consts::E),
            (Function::Log, 10.0, std::f64::consts::LN_10),
            (Function::Sin, 1.0, 0.841_470_984_807_896_5),
            (Function::Cos, 1.0, 0.540_302_305_868_139_7),
            (Function::Erf, 0.5, 0.520_499_877_813_046_5),
            (Function::Power { exponent: 0.5 }, 2.0, std::f64::consts::SQRT_2),
            (Function::Power { exponent: -1.0 }, -4.0, -0.25),
            (Function::Power { exponent: -0.5 }, 4.0, 0.5),
            (Function::Power { exponent: 3.0 }, -2.0, -8.0),
        ] {
            let got = function.apply(x);
            assert!((got - want).abs() <= 1e-15 * want.abs(), "{function:?} at {x}: {got}, not {want}");
        }
    }

    #[test]
    fn where_there_is_no_value_there_is_that_at_zero() {
        assert_eq!(Function::Power { exponent: 0.5 }.continued(-1.0), 0.0);
        assert_eq!(Function::Log.continued(-1.0), f64::NEG_INFINITY);
        assert_eq!(Function::Log.continued(1.0), 0.0);
    }
}
