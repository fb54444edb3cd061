//! Steep functions: whether lines between 513 knots follow them.

use float::{Function, TensorId, math};

use super::{Emitter, interpolated};
use crate::error::ConvertError;
use crate::graph::Width;

/// A function that is followed less closely is refused, in decibels of signal over noise.
const WANTED_DB: f64 = 25.0;

impl Emitter<'_> {
    /// Refuses to make `out` of a function of `x` that bends more on the calibration images than its
    /// knots can say.
    pub(super) fn check_steep(
        &self,
        x: TensorId,
        out: TensorId,
        function: Function,
    ) -> Result<(), ConvertError> {
        if !function.is_steep() {
            return Ok(());
        }
        let scale = |id| self.scales.of(self.plan, id, Width::I16).scale;
        let (from, to) = (scale(x), scale(out));
        let knots = interpolated(function, from, to);
        let samples = &self.statistics.activations[x].samples;
        let values = || samples.iter().map(|&v| f64::from(v));
        let mean = values().map(|v| function.apply(v)).sum::<f64>() / samples.len().max(1) as f64;
        let (mut signal, mut noise) = (0f64, 0f64);
        for v in values() {
            let exact = function.apply(v);
            signal += math::square(exact - mean);
            noise += math::square(exact - to * between(&knots, v / from));
        }
        let snr = 10.0 * math::log10(signal / noise.max(f64::MIN_POSITIVE));
        if signal == 0.0 || snr >= WANTED_DB {
            return Ok(());
        }
        let layer = self.model.tensors[out].name.clone();
        Err(ConvertError::Layer {
            layer,
            reason: format!(
                "it is a function that is too steep for the range of its inputs: lines between 513 knots leave \
                 {snr:.1} dB of signal over noise, {WANTED_DB:.0} are wanted; limit the range before"
            ),
        })
    }
}

/// What [`Interpolate`](quant::ops::Interpolate) makes of the integer nearest to `x`.
fn between(knots: &[i16], x: f64) -> f64 {
    let u = (x.round().clamp(-32768.0, 32767.0) + 32768.0) as usize;
    let (i, f) = (u / 128, (u % 128) as f64 / 128.0);
    let knot = |i: usize| knots.get(i).copied().map_or(0.0, f64::from);
    knot(i) + (knot(i + 1) - knot(i)) * f
}
