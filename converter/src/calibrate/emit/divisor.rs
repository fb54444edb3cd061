//! Divisors: what their integers must tell apart.

use float::TensorId;

use super::Emitter;
use crate::error::ConvertError;
use crate::graph::Width;

/// A divisor of fewer steps is off by more than 6 %.
const FEW_STEPS: f64 = 8.0;
/// Largest share of divisors of so few steps: rows of a linear attention whose queries are next to
/// zero, and whose dividends are too.
const FEW_SHARE: f64 = 0.1;

impl Emitter<'_> {
    /// Refuses to make `out` of quotients by `y`, if that passes through zero on the calibration
    /// images, or if its integers are too coarse.
    pub(super) fn check_divisor(&self, y: TensorId, out: TensorId) -> Result<(), ConvertError> {
        let seen = &self.statistics.activations[y];
        let step = self.scales.of(self.plan, y, Width::I16).scale;
        let refused = |reason: String| {
            let layer = self.model.tensors[out].name.clone();
            Err(ConvertError::Layer { layer, reason })
        };
        let (min, max) = (f64::from(seen.min()), f64::from(seen.max()));
        if min < -step && max > step {
            return refused(format!(
                "it divides by values of both signs, from {min:.4} to {max:.4} on the calibration images, and a \
                 quotient by one near zero has no bound; divide by what is positive"
            ));
        }
        let few = seen.samples.iter().filter(|v| f64::from(v.abs()) < FEW_STEPS * step).count();
        let share = few as f64 / seen.samples.len().max(1) as f64;
        if share > FEW_SHARE {
            return refused(format!(
                "it divides by values that are too far apart for 16 bits: {:.0} % of them are below {FEW_STEPS} steps \
                 of a range that goes to {:.4}; normalise them before",
                100.0 * share,
                max.max(-min)
            ));
        }
        Ok(())
    }
}
