//! What a user may ask of a quantization.

use std::collections::BTreeMap;

use super::precision::Precision;

/// How to quantize.
#[derive(Clone, Debug)]
pub struct QuantizeOptions {
    /// Precision of layers, by their names or the beginnings of these.
    pub precision: BTreeMap<String, Precision>,
    /// Run what was trained with weights or activations of one bit on bits (BiViT). Such
    /// models are refused without it, others with it.
    pub binary: bool,
    /// Rescale channels between layers.
    pub equalize: bool,
    /// Correct the mean error of each layer in its bias.
    pub correct_bias: bool,
    /// Share of the multiply-accumulates that may be given 16-bit activations, 0 to 1.
    pub escalation: f64,
    /// Bytes that the container may have: 16-bit activations and weights that do not fit are
    /// withheld, those first that matter least.
    pub flash: Option<u64>,
    /// How the softmax takes its exponential.
    pub exponential: Exponential,
}

impl Default for QuantizeOptions {
    fn default() -> Self {
        Self {
            precision: BTreeMap::new(),
            binary: false,
            equalize: true,
            correct_bias: true,
            escalation: 0.15,
            flash: None,
            exponential: Exponential::Exact,
        }
    }
}

/// How the softmax takes its exponential of int8 scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exponential {
    /// A table of rounded exponentials.
    Exact,
    /// A table of I-ViT's shift-exp.
    Shift,
}
