//! Shares and chances in singles, through `micromath`.

use micromath::F32Ext;
use runtime::{Ending, FloatBits, Output, OutputKind};

/// Below this exponent a share is shown as 0: e⁻³⁰ is 10⁻¹³.
const LEAST: f32 = -30.0;

/// The share of `logit` in the softmax over `logits`, 0 to 1, where a unit of them is worth
/// `scale`; 0 without logits. Within 0.01 of the exact value.
pub fn share(logits: &[i32], scale: FloatBits, logit: i32) -> f32 {
    let Some(&max) = logits.iter().max() else { return 0.0 };
    let scale = f32::from_bits(scale.0);
    let power = |logit: i32| exp((i64::from(logit) - i64::from(max)) as f32 * scale);
    let sum: f32 = logits.iter().map(|&logit| power(logit)).sum();
    power(logit) / sum
}

/// The sigmoid of `logit`, 0 to 1, where a unit of it is worth `scale`. Within 0.01 of the exact
/// value.
pub fn chance(logit: i32, scale: FloatBits) -> f32 {
    let power = exp(-(logit.unsigned_abs() as f32) * f32::from_bits(scale.0));
    let less = power / (1.0 + power);
    if logit < 0 { less } else { 1.0 - less }
}

/// The share or chance of `logit`, by what the model computes behind the output.
pub(crate) fn of(output: &Output<'_>, ending: Option<Ending>, values: &[i32], logit: i32) -> Option<f32> {
    match (output.kind, ending) {
        (OutputKind::Dense | OutputKind::Values, _) => None,
        (_, Some(Ending::Sigmoid)) => Some(chance(logit, output.scale)),
        (_, Some(Ending::Softmax | Ending::LogSoftmax)) => Some(share(values, output.scale, logit)),
        (OutputKind::Logits, None) if values.len() > 1 => Some(share(values, output.scale, logit)),
        (_, Some(Ending::UnitLength | Ending::UnitSum | Ending::ArgMax)) => None,
        (OutputKind::Logits | OutputKind::Embedding, None) => None,
    }
}

/// `eˣ` of `x` from 0 down.
fn exp(x: f32) -> f32 {
    if x < LEAST { 0.0 } else { F32Ext::exp(x) }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The softmax of `logits`, computed in doubles.
    fn exact_shares(logits: &[i32], scale: f32) -> Vec<f64> {
        let max = f64::from(*logits.iter().max().unwrap());
        let power = |logit: i32| ((f64::from(logit) - max) * f64::from(scale)).exp();
        let sum: f64 = logits.iter().map(|&logit| power(logit)).sum();
        logits.iter().map(|&logit| power(logit) / sum).collect()
    }

    fn exact_chance(logit: i32, scale: f32) -> f64 {
        1.0 / (1.0 + (-f64::from(logit) * f64::from(scale)).exp())
    }

    /// The largest error of all shares and chances of `logits`.
    fn error(logits: &[i32], scale: f32) -> f64 {
        let bits = FloatBits(scale.to_bits());
        let shares = logits
            .iter()
            .zip(exact_shares(logits, scale))
            .map(|(&logit, exact)| (f64::from(share(logits, bits, logit)) - exact).abs());
        let chances =
            logits.iter().map(|&logit| (f64::from(chance(logit, bits)) - exact_chance(logit, scale)).abs());
        shares.chain(chances).fold(0.0, f64::max)
    }

    #[test]
    fn extreme_logits_are_within_a_hundredth() {
        let extreme = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX];
        for scale in [f32::MIN_POSITIVE, 1e-9, 4.66e-10, 1e-3, 0.5, 1.0, 1e3, f32::MAX] {
            assert!(error(&extreme, scale) < 0.01, "{scale}: {}", error(&extreme, scale));
            for &logit in &extreme {
                assert!(error(&[logit], scale) < 0.01 && error(&[logit; 3], scale) < 0.01);
            }
        }
        // One of 21,841 classes, all alike.
        let alike = share(&std::vec![7; 21_841], FloatBits(0.1_f32.to_bits()), 7);
        assert!((f64::from(alike) * 21_841.0 - 1.0).abs() < 0.01, "{alike}");
        assert_eq!(share(&[], FloatBits(0x3f80_0000), 0), 0.0);
    }

    /// Every exponent that is told from 0, in steps of a thousandth.
    #[test]
    fn the_sigmoid_is_within_a_hundredth_everywhere() {
        let largest = (-40_000..=40_000).map(|logit| error(&[logit], 1e-3)).fold(0.0, f64::max);
        std::println!("largest error of a chance {largest:.6}");
        assert!(largest < 0.01, "{largest}");
    }

    proptest! {
        #[test]
        fn any_logits_are_within_a_hundredth(
            logits in prop::collection::vec(any::<i32>(), 1..50),
            scale in -35.0_f32..5.0,
        ) {
            prop_assert!(error(&logits, scale.exp2()) < 0.01);
        }

        #[test]
        fn logits_of_classifiers_are_within_a_hundredth(
            logits in prop::collection::vec(-12_000..12_000, 1..100),
        ) {
            prop_assert!(error(&logits, 1e-3) < 0.01);
        }
    }
}
