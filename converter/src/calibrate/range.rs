//! The scale of an activation: several candidates, and the one with the least error.

use float::{SCORE_REACH, math};

use super::attention::softmax_error;
use super::sample::step;
use super::statistics::Activation;

/// Room that int16 activations leave above what was seen.
pub(super) const HEADROOM: f64 = 1.25;
/// The same where signs are taken: precision near zero is worth more than far values.
pub(super) const BINARY_HEADROOM: f64 = 1.12;
/// Values that a candidate's error is measured on.
const MEASURED: usize = 1 << 15;
/// Rows from which on an int8 range may be cut off.
const CUT_ROWS: usize = 1024;
/// Share of each end that is added to the range of fewer.
const FEW_HEADROOM: f64 = 0.1;
/// Percentiles that are tried, in percent.
const PERCENTILES: [f64; 3] = [99.99, 99.9, 99.5];
/// Shares of the range that the search for the least squared error tries.
const SHARES: [f64; 16] =
    [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.2];

/// How real values become integers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    /// Real value of one unit.
    pub scale: f64,
    /// The integer that stands for zero.
    pub zero: i32,
    /// How it was chosen.
    pub method: String,
}

impl Scale {
    /// A scale given by the model itself.
    pub fn fixed(scale: f64) -> Self {
        Self { scale, zero: 0, method: "fixed".into() }
    }

    /// The nearest int8 value, as a real number again.
    pub fn round8(&self, v: f32) -> f32 {
        (f64::from(self.int8(v.into()) - self.zero) * self.scale) as f32
    }

    /// The largest magnitude of an int8 value.
    pub fn int8_range(&self) -> f64 {
        let end = |q: i32| f64::from(q - self.zero).abs();
        end(-128).max(end(127)) * self.scale
    }

    /// The nearest int8 value.
    pub fn int8(&self, v: f64) -> i32 {
        ((v / self.scale).round() + f64::from(self.zero)).clamp(-128.0, 127.0) as i32
    }
}

/// What the error of an int8 activation is measured by.
pub(super) enum Measure<'a> {
    /// The squared error of each value.
    Values {
        /// Weight of each column's squared error; empty for equal ones.
        columns: &'a [f64],
        /// The function behind which the error is measured.
        function: Option<&'a (dyn Fn(f32) -> f32 + Sync)>,
        /// What is below may be cut off.
        tail: Option<f64>,
    },
    /// The squared error of the softmax of rows of so many scores.
    Softmax(usize),
}

/// int16: the largest magnitude seen, with headroom. What is below `tail` may be cut off.
pub(super) fn int16(activations: &[&Activation], headroom: f64, tail: Option<f64>) -> Scale {
    let magnitude = |a: &Activation| {
        let low = f64::from(-a.min());
        f64::from(a.max()).max(tail.map_or(low, |tail| low.min(-tail)))
    };
    let largest = activations.iter().fold(0f64, |m, a| m.max(magnitude(a)));
    // Zeros throughout say nothing of other images.
    let largest = if largest > 0.0 { largest } else { 1.0 };
    Scale { scale: largest * headroom / 32767.0, zero: 0, method: "min-max".into() }
}

/// int8: min-max, percentiles and the least error, whichever measures best; where few rows were
/// seen, min-max and headroom.
pub(super) fn int8(activations: &[&Activation], asymmetric: bool, measure: &Measure<'_>) -> Scale {
    let min = activations.iter().fold(f64::INFINITY, |m, a| m.min(a.min().into()));
    let max = activations.iter().fold(f64::NEG_INFINITY, |m, a| m.max(a.max().into()));
    let tail = match measure {
        Measure::Values { tail, .. } => tail.unwrap_or(f64::NEG_INFINITY),
        Measure::Softmax(_) => f64::NEG_INFINITY,
    };
    let (min, max) = (min.max(tail), max.max(tail));
    let constant = extended(min, max);
    let (min, max) = constant.unwrap_or((min, max));
    let min = match measure {
        Measure::Softmax(_) => with_level_below(min, max),
        Measure::Values { .. } => min,
    };
    if constant.is_some() {
        return between(min, max, asymmetric, "constant".into());
    }
    let values = match measure {
        Measure::Values { columns, .. } => weighted(activations, columns),
        Measure::Softmax(width) => rows(activations, *width),
    };
    let error = |candidate: &Scale| -> f64 {
        match measure {
            Measure::Values { function, .. } => {
                let f = |v: f32| function.map_or(v, |f| f(v));
                values.iter().map(|&(v, w)| w * math::square(f64::from(f(candidate.round8(v)) - f(v)))).sum()
            }
            Measure::Softmax(width) => {
                let error = |row: &[(f32, f64)]| {
                    let scores = row.iter().map(|&(v, _)| v);
                    softmax_error(scores.clone(), scores.map(|v| candidate.round8(v)))
                };
                values.chunks_exact(*width).map(error).sum()
            }
        }
    };
    let make = |low: f64, high: f64, method: String| between(low, high, asymmetric, method);
    let whole = make(min, max, "min-max".into());
    // Others will leave the range of few rows.
    let few = activations.iter().all(|a| a.seen < CUT_ROWS);
    if few && matches!(measure, Measure::Values { .. }) {
        let room = |end: f64| FEW_HEADROOM * end.abs().min(max - min);
        return make(min - room(min), max + room(max), "min-max and headroom".into());
    }
    let mut candidates = vec![whole.clone()];
    let mut sorted: Vec<f32> = values.iter().map(|(v, _)| *v).collect();
    sorted.sort_by(f32::total_cmp);
    for percent in PERCENTILES {
        let [low, high] = percentiles(&sorted, percent).map(|end| end.max(tail));
        candidates.push(make(low, high, format!("percentile {percent}")));
    }
    candidates.push(least_squares(min, max, &make, &error));
    let best = candidates.into_iter().map(|c| (error(&c), c)).min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(whole, |(_, scale)| scale)
}

/// Shrinks the upper, then the lower end of the range while that lowers the error.
fn least_squares(
    min: f64,
    max: f64,
    make: &dyn Fn(f64, f64, String) -> Scale,
    error: &dyn Fn(&Scale) -> f64,
) -> Scale {
    let mid = if min >= 0.0 || max <= 0.0 { (min + max) / 2.0 } else { 0.0 };
    let at = |low: f64, high: f64| make(mid + (min - mid) * low, mid + (max - mid) * high, "mse".into());
    let best = |of: &dyn Fn(f64) -> Scale| -> f64 {
        let errors = SHARES.map(|share| (error(&of(share)), share));
        errors.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(1.0, |(_, share)| share)
    };
    let both = best(&|share| at(share, share));
    let high = best(&|share| at(both, share));
    let low = best(&|share| at(share, high));
    at(low, high)
}

/// The range of what is the same throughout, which says nothing of other images: to 0 and, of zeros,
/// from −1 to 1. None for other ranges.
fn extended(min: f64, max: f64) -> Option<(f64, f64)> {
    let reach = min.abs().max(max.abs());
    match reach == 0.0 {
        true => Some((-1.0, 1.0)),
        false => (max - min <= reach * 1e-3).then(|| (min.min(0.0), max.max(0.0))),
    }
}

/// The lower end of a range of scores from `min`, the least that takes part in its softmax, to `max`:
/// a level below `min` where a level is more than a score may be below its row's largest, lest all
/// others of a row are taken for that.
fn with_level_below(min: f64, max: f64) -> f64 {
    let level = (max - min) / 254.0;
    if level > f64::from(SCORE_REACH) { min - level } else { min }
}

/// The scale that spans `low..=high`.
fn between(low: f64, high: f64, asymmetric: bool, method: String) -> Scale {
    let floor = (low.abs().max(high.abs()) * 1e-6).max(f32::MIN_POSITIVE.into());
    if asymmetric {
        let scale = ((high - low) / 255.0).max(floor);
        let zero = (-128.0 - low / scale).round() as i32;
        return Scale { scale, zero, method };
    }
    let scale = (high / 127.0).max(-low / 128.0).max(floor);
    Scale { scale, zero: 0, method }
}

fn percentiles(sorted: &[f32], percent: f64) -> [f64; 2] {
    let tail = ((1.0 - percent / 100.0) / 2.0 * sorted.len() as f64) as usize;
    let last = sorted.len().saturating_sub(1);
    let at = |index: usize| sorted.get(index.min(last)).copied().map_or(0.0, f64::from);
    [at(tail), at(last.saturating_sub(tail))]
}

/// At most [`MEASURED`] of the samples with their weights.
fn weighted(activations: &[&Activation], columns: &[f64]) -> Vec<(f32, f64)> {
    let total: usize = activations.iter().map(|a| a.samples.len()).sum();
    let mut values = Vec::with_capacity(total.min(2 * MEASURED));
    for activation in activations {
        let equal = columns.len() != activation.width;
        let step = step(total, MEASURED, activation.width);
        let picked = activation.samples.iter().enumerate().step_by(step);
        values.extend(picked.map(|(i, &v)| (v, if equal { 1.0 } else { columns[i % activation.width] })));
    }
    values
}

/// Whole rows of `width` scores among the samples, of at most about [`MEASURED`] or one row.
fn rows(activations: &[&Activation], width: usize) -> Vec<(f32, f64)> {
    let total: usize = activations.iter().map(|a| a.samples.len()).sum();
    let picked = |a: &&Activation| {
        let step = step(total, MEASURED.max(width), a.width / width);
        a.samples.chunks_exact(width).step_by(step).flatten().map(|&v| (v, 1.0)).collect::<Vec<_>>()
    };
    activations.iter().flat_map(picked).collect()
}

/// Share of the samples outside the range of `scale`, and its range, for `levels` of a type.
pub(super) fn coverage(activation: &Activation, scale: &Scale, levels: [i32; 2]) -> ([f64; 2], f64) {
    let range = levels.map(|level| (f64::from(level) - f64::from(scale.zero)) * scale.scale);
    let half = scale.scale / 2.0;
    let outside = |v: &&f32| f64::from(**v) < range[0] - half || f64::from(**v) > range[1] + half;
    let clipped = activation.samples.iter().filter(outside).count();
    (range, clipped as f64 / activation.samples.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activation(values: Vec<f32>) -> Activation {
        let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        Activation { width: 1, low: vec![low], high: vec![high], seen: 1 << 16, samples: values }
    }

    const PLAIN: Measure<'static> = Measure::Values { columns: &[], function: None, tail: None };

    #[test]
    fn an_even_distribution_keeps_its_range() {
        let a = activation((0..1000).map(|i| i as f32 / 999.0 - 0.25).collect());
        let scale = int8(&[&a], true, &PLAIN);
        assert!((scale.scale - 1.0 / 255.0).abs() < 1e-4, "{scale:?}");
        assert!(a.samples.iter().all(|&v| (scale.round8(v) - v).abs() <= 0.51 / 255.0), "{scale:?}");
    }

    #[test]
    fn an_outlier_among_many_is_cut_off() {
        let mut values: Vec<f32> = (0..30_000).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
        values.push(1.5);
        let a = activation(values);
        let scale = int8(&[&a], false, &PLAIN);
        assert!(scale.scale < 1.45 / 127.0 && scale.method != "min-max", "{scale:?}");
    }

    #[test]
    fn every_element_of_a_head_is_measured() {
        // 16 heads side by side, whose element 1 reaches farther than the others.
        const HEAD: usize = 24;
        let value = |i: usize| (i * 7919 % 1009) as f32 / 504.5 - 1.0;
        let far = |i: usize| if i % HEAD == 1 { 2.0 * value(i) } else { value(i) };
        for rows in [700, 1100, 2048] {
            let samples = (0..rows * 16 * HEAD).map(far).collect();
            let a = Activation { width: 16 * HEAD, ..activation(samples) };
            let scale = int8(&[&a], false, &PLAIN);
            assert!(scale.int8_range() > 1.8, "{rows} rows: {scale:?}");
        }
    }

    #[test]
    fn every_softmax_of_a_row_is_measured() {
        // Rows of eight softmaxes of 16 scores each, of which the first has far higher scores.
        const KEYS: usize = 16;
        let score = |i: usize| {
            (i * 7919 % 1009) as f32 / 250.0 + if (i / KEYS).is_multiple_of(8) { 30.0 } else { 0.0 }
        };
        let a = Activation { width: 8 * KEYS, ..activation((0..2048 * 8 * KEYS).map(score).collect()) };
        let scale = int8(&[&a], true, &Measure::Softmax(KEYS));
        let error = |scale: &Scale| {
            let of = |row: &[f32]| softmax_error(row.iter().copied(), row.iter().map(|&v| scale.round8(v)));
            a.samples.chunks_exact(KEYS).map(of).sum::<f64>()
        };
        let whole = between(a.min().into(), a.max().into(), true, String::new());
        assert!(error(&scale) < 1.1 * error(&whole), "{:e} for {:e}", error(&scale), error(&whole));
    }

    #[test]
    fn the_largest_score_of_a_row_is_above_those_that_take_no_part() {
        // Of scores far apart only the largest of a row takes part.
        for values in [vec![2e9, 9e9], vec![-9e9, -2e9], vec![5e9, 5e9], vec![-5e9, -5e9], vec![0.0, 4e4]] {
            let least = values.iter().copied().fold(f32::INFINITY, f32::min);
            let scale = int8(&[&activation(values)], true, &Measure::Softmax(1));
            assert!(scale.int8(least.into()) > -128, "{least}: {scale:?}");
        }
    }

    #[test]
    fn a_range_away_from_zero_uses_all_levels() {
        let a = activation((0..256).map(|i| 100.0 + i as f32 / 64.0).collect());
        let scale = int8(&[&a], true, &PLAIN);
        assert!((scale.scale - 255.0 / 64.0 / 255.0).abs() < 1e-3, "{scale:?}");
        assert_eq!(scale.int8(100.0), -128);
    }

    #[test]
    fn what_is_the_same_throughout_gets_a_range() {
        for (value, scale, zero) in
            [(0.0, 2.0 / 255.0, -1), (4.0, 4.0 / 255.0, -128), (-4.0, 4.0 / 255.0, 127)]
        {
            let a = activation(vec![value; 300]);
            let found = int8(&[&a], true, &PLAIN);
            assert!((found.scale - scale).abs() < 1e-9 && found.zero == zero, "{value}: {found:?}");
        }
        assert!((int16(&[&activation(vec![0.0])], 1.0, None).scale - 1.0 / 32767.0).abs() < 1e-12);
    }

    #[test]
    fn small_values_use_all_levels() {
        let a = activation((0..256).map(|i| 1e-30 * i as f32).collect());
        let scale = int8(&[&a], true, &PLAIN);
        assert!((scale.scale - 1e-30).abs() < 1e-32, "{scale:?}");
    }

    #[test]
    fn few_rows_leave_room() {
        let mut a = activation((0..100).map(|i| i as f32 / 50.0 - 1.0).collect());
        a.seen = 100;
        let scale = int8(&[&a], false, &PLAIN);
        assert!((scale.scale - 1.1 / 128.0).abs() < 1e-6, "{scale:?}");
    }

    #[test]
    fn a_tail_is_cut_off_where_the_function_is_zero() {
        let a = activation(vec![-40.0, 2.0]);
        assert!((int16(&[&a], HEADROOM, Some(-6.0)).scale - 7.5 / 32767.0).abs() < 1e-9);
        let behind = Measure::Values { columns: &[], function: None, tail: Some(-6.0) };
        assert!(int8(&[&a], true, &behind).scale < 8.1 / 255.0);
        // Where nothing is left, zeros are.
        let lost = int8(&[&activation(vec![-4e9, -1e9])], true, &behind);
        assert!((lost.scale - 6.0 / 255.0).abs() < 1e-9, "{lost:?}");
    }

    #[test]
    fn int16_leaves_headroom() {
        let a = activation(vec![-4.0, 2.0]);
        assert!((int16(&[&a], HEADROOM, None).scale - 5.0 / 32767.0).abs() < 1e-9);
    }
}
