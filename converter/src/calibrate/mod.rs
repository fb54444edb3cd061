//! Post-training quantization: a float graph and some images become integers.
//!
//! 1. `statistics`: the float model runs on the calibration images; those that it drives far
//!    beyond all others are left out (`outliers`).
//! 2. `equalize`: channels are rescaled between layers where that leaves the float
//!    model as it is (SmoothQuant, arXiv 2211.10438; RepQ-ViT, arXiv 2212.08254).
//! 3. `padding`: convolutions read padding as pixels where a zero point is worth it.
//! 4. `widths`: each activation gets the integer types that its readers take.
//! 5. `range`: each type gets the scale with the least measured error.
//! 6. `emit`: weights, biases and tables are made for those scales.

mod attention;
mod bits;
mod emit;
mod equalize;
mod escalate;
mod joined;
mod layers;
#[cfg(test)]
mod masks;
mod options;
mod outliers;
mod padding;
mod precision;
mod range;
mod sample;
mod statistics;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod weights;
mod widths;

use std::collections::BTreeMap;

use emit::Emitted;
use escalate::Choice;
use layers::{layers, matches};
pub use options::{Exponential, QuantizeOptions};
pub use precision::{Precision, UnknownPrecision};
use statistics::Statistics;

use facts::{Change, TensorFact};
use float::Progress;

use crate::error::ConvertError;
use crate::graph::Graph;

/// A quantized model and what was decided on the way.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The integers.
    pub graph: Graph,
    /// The float model after folding and equalization, of the same tensor names.
    pub float: float::Graph,
    /// How each activation was quantized.
    pub tensors: Vec<TensorFact>,
    /// What was changed.
    pub changes: Vec<Change>,
}

/// A float model that has run on the calibration images.
pub(crate) struct Calibrated<'o> {
    model: float::Graph,
    statistics: Statistics,
    options: &'o QuantizeOptions,
    changes: Vec<Change>,
    choice: Choice,
}

/// The integers of a [`Calibrated`] model.
pub(crate) struct Integers {
    pub(crate) graph: Graph,
    tensors: Vec<TensorFact>,
    corrections: Vec<Change>,
    /// Escalations among them.
    kept: usize,
}

/// Quantizes `model` so that it follows its float values on `frames` (u8 pixels, height ×
/// width × channel). Fails on an empty set, and on values that are not finite.
pub fn quantize(
    model: float::Graph,
    frames: &[Vec<u8>],
    options: &QuantizeOptions,
    progress: &dyn Progress,
) -> Result<Quantized, ConvertError> {
    let calibrated = calibrate(model, frames, options, progress)?;
    let integers = calibrated.integers(calibrated.escalations())?;
    Ok(calibrated.finish(integers))
}

/// What [`quantize`] does before it makes integers.
pub(crate) fn calibrate<'o>(
    mut model: float::Graph,
    frames: &[Vec<u8>],
    options: &'o QuantizeOptions,
    progress: &dyn Progress,
) -> Result<Calibrated<'o>, ConvertError> {
    if frames.is_empty() {
        return Err(ConvertError::EmptyCalibration);
    }
    let mut changes = float::simplify(&mut model);
    changes.extend(float::fold_pixels(&mut model));
    joined::set_apart(&mut model);
    let mut frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut statistics = statistics::collect(&model, &frames, "calibrating", progress)?;
    statistics.check(&model)?;
    let outliers = outliers::find(&statistics);
    if !outliers.is_empty() {
        outliers::leave_out(&mut frames, &outliers);
        changes.extend(outliers.iter().map(|one| one.change(&model)));
        statistics = statistics::collect(&model, &frames, "calibrating without outliers", progress)?;
    }
    let padded = padding::lay_out(&mut model, &statistics);
    if options.equalize {
        changes.extend(equalize::equalize(&mut model, &statistics));
    }
    if options.equalize || !padded.is_empty() {
        statistics = statistics::collect(&model, &frames, "calibrating again", progress)?;
    }
    changes.extend(padded);
    check_names(&model, &options.precision)?;
    let choice = escalate::choose(&model, &statistics, options)?;
    bits::check(&model, &choice.layers(0), options.binary)?;
    Ok(Calibrated { model, statistics, options, changes, choice })
}

impl Calibrated<'_> {
    /// How many layers are worth 16 bits.
    pub(crate) fn escalations(&self) -> usize {
        self.choice.escalations.len()
    }

    /// The integers, with 16 bits for the `kept` layers that need them most.
    pub(crate) fn integers(&self, kept: usize) -> Result<Integers, ConvertError> {
        let plan = widths::plan(&self.model, self.choice.layers(kept));
        let emitted = emit::emit(&self.model, &self.statistics, &plan, self.options)?;
        let Emitted { graph, tensors, corrections } = emitted;
        Ok(Integers { graph, tensors, corrections, kept })
    }

    pub(crate) fn finish(self, integers: Integers) -> Quantized {
        let Integers { graph, tensors, corrections, kept } = integers;
        let mut changes = self.changes;
        changes.extend(self.choice.changes(kept, self.options.flash));
        if self.options.correct_bias {
            changes.extend(corrections);
        }
        Quantized { graph, float: self.model, tensors, changes }
    }
}

/// The layers whose inputs can be given a precision.
fn check_names(model: &float::Graph, precision: &BTreeMap<String, Precision>) -> Result<(), ConvertError> {
    let layers: Vec<&str> = layers(model).map(|(_, name)| name).collect();
    for name in precision.keys() {
        if !layers.iter().any(|layer| matches(name, layer)) {
            let known = layers.join(", ");
            return Err(ConvertError::UnknownLayer { name: name.clone(), known });
        }
    }
    Ok(())
}
