//! Functions of one element, and of two.

/// An element-wise function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `x · Φ(x)` with the error function.
    Gelu,
    /// GELU by a hyperbolic tangent.
    GeluTanh,
    /// `x · σ(1.702 x)`.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `x · σ(x)`.
    Silu,
    /// `σ(x)`.
    Sigmoid,
    /// `tanh(x)`.
    Tanh,
    /// `x` where positive, else `slope · x`.
    LeakyRelu {
        /// Slope below zero.
        slope: f32,
    },
    /// `x` where positive, else `alpha · (eˣ − 1)`.
    Elu {
        /// Limit below zero, negated.
        alpha: f32,
    },
    /// Limits to a range (ReLU6 and its kin).
    Clip {
        /// Least value.
        min: f32,
        /// Largest value.
        max: f32,
    },
    /// −1, 0 or 1.
    Sign,
    /// `x · clip(x + 3, 0, 6) / 6`.
    HardSwish,
    /// `clip(alpha · x + beta, 0, 1)`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at zero.
        beta: f32,
    },
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `−ln(1 + e⁻ˣ)`.
    LogSigmoid,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `x · tanh(ln(1 + eˣ))`.
    Mish,
    /// `x` where positive, else `alpha · (e^(x / alpha) − 1)`.
    Celu {
        /// Limit below zero, negated; not 0.
        alpha: f32,
    },
    /// `x` above a threshold, else 0.
    ThresholdedRelu {
        /// The threshold.
        alpha: f32,
    },
    /// `|x|`.
    Abs,
    /// `eˣ`.
    Exp,
    /// `ln x`.
    Log,
    /// `sin x`.
    Sin,
    /// `cos x`.
    Cos,
    /// The error function.
    Erf,
    /// `x^exponent`: roots, reciprocals.
    Power {
        /// The exponent.
        exponent: f32,
    },
}

/// Which channels of a head are a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// `i` and `i + head_dim / 2`.
    Halves,
    /// `2·i` and `2·i + 1`.
    Neighbours,
}

impl Pairs {
    /// The channels of pair `pair` of a head with `half` pairs.
    pub fn channels(self, pair: usize, half: usize) -> (usize, usize) {
        match self {
            Pairs::Halves => (pair, pair + half),
            Pairs::Neighbours => (2 * pair, 2 * pair + 1),
        }
    }
}
