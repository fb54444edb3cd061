//! What a model computes behind its output of one row.

use runtime::Ending;

/// What a model gives for `row`, its output with `ending` left out.
pub(super) fn ended(ending: Option<Ending>, row: &[f32]) -> Vec<f32> {
    let row: Vec<f64> = row.iter().map(|&value| f64::from(value)).collect();
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|value| (value - largest).exp()).sum();
    let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    let magnitudes: f64 = row.iter().map(|value| value.abs()).sum();
    let each = |f: &dyn Fn(f64) -> f64| row.iter().map(|&value| f(value) as f32).collect();
    match ending {
        None => each(&|value| value),
        Some(Ending::Softmax) => each(&|value| (value - largest).exp() / sum),
        Some(Ending::LogSoftmax) => each(&|value| value - largest - sum.ln()),
        Some(Ending::Sigmoid) => each(&|value| 1.0 / (1.0 + (-value).exp())),
        Some(Ending::UnitLength) => each(&|value| value / length),
        Some(Ending::UnitSum) => each(&|value| value / magnitudes),
        Some(Ending::ArgMax) => {
            row.iter().position(|&value| value == largest).map(|at| at as f32).into_iter().collect()
        }
    }
}
