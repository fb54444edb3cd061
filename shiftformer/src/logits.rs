//! Integer logits for people. The class comes from the integers; floats are only shown.

use runtime::Ending;

/// The logits of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logits<'s> {
    values: &'s [i32],
    scale: f32,
    ending: Option<Ending>,
}

/// A class among the best.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked<'l> {
    /// Its index.
    pub class: u32,
    /// Its name, where one is known.
    pub label: Option<&'l str>,
    /// Its logit, in units of the scale.
    pub logit: i32,
    /// Its share of the softmax over all classes; its chance by itself where the model ends in a
    /// sigmoid.
    pub probability: f32,
}

impl<'s> Logits<'s> {
    /// `values` in units that are worth `scale`; `ending` is what the model computes behind them.
    pub const fn new(values: &'s [i32], scale: f32, ending: Option<Ending>) -> Self {
        Self { values, scale, ending }
    }

    /// The integers, one for each class.
    pub const fn values(&self) -> &'s [i32] {
        self.values
    }

    /// The real value of one unit.
    pub const fn scale(&self) -> f32 {
        self.scale
    }

    /// What the model computes behind them, which the program leaves out.
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The class of the largest logit; ties go to the lowest. `None` without classes.
    pub fn best(&self) -> Option<u32> {
        let mut class = [0];
        (quant::arith::top_k(self.values, &mut class) > 0).then_some(class[0])
    }

    /// The `k` best classes, best first, with the names that `labels` has for them.
    pub fn top_k<'l>(&self, k: usize, labels: &'l [impl AsRef<str>]) -> Vec<Ranked<'l>> {
        let shares = match self.ending {
            Some(Ending::Sigmoid) => self.values.iter().map(|&logit| chance(logit, self.scale)).collect(),
            Some(
                Ending::Softmax | Ending::LogSoftmax | Ending::UnitLength | Ending::UnitSum | Ending::ArgMax,
            )
            | None => probabilities(self.values, self.scale),
        };
        let ranked = |class: u32| {
            let index = class as usize;
            let label = labels.get(index).map(AsRef::as_ref).filter(|label| !label.is_empty());
            Ranked { class, label, logit: self.values[index], probability: shares[index] }
        };
        top_k(self.values, k).into_iter().map(ranked).collect()
    }
}

/// A name for each of `classes` classes, from `text` with one name a line.
///
/// # Errors
///
/// The number of names where there are fewer.
pub fn labels(text: &str, classes: usize) -> Result<Vec<String>, usize> {
    let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    if names.len() < classes { Err(names.len()) } else { Ok(names) }
}

/// Softmax of integer logits whose unit is worth `scale`.
pub fn probabilities(logits: &[i32], scale: f32) -> Vec<f32> {
    let max = logits.iter().copied().max().unwrap_or(0);
    let exp = |&logit: &i32| ((i64::from(logit) - i64::from(max)) as f32 * scale).exp();
    let exponentials: Vec<f32> = logits.iter().map(exp).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.into_iter().map(|e| e / sum).collect()
}

/// The sigmoid of an integer logit whose unit is worth `scale`: the chance of its class by itself.
pub fn chance(logit: i32, scale: f32) -> f32 {
    let x = f64::from(logit) * f64::from(scale);
    (1.0 / (1.0 + (-x).exp())) as f32
}

/// The classes of the `k` largest logits, best first; ties go to the lowest class.
pub fn top_k(logits: &[i32], k: usize) -> Vec<u32> {
    let mut classes = vec![0; k.min(logits.len())];
    let found = quant::arith::top_k(logits, &mut classes);
    classes.truncate(found);
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_at_any_size() {
        let p = probabilities(&[i32::MIN, 0, i32::MAX, i32::MAX], 0.5);
        assert_eq!(p, [0.0, 0.0, 0.5, 0.5]);
        let p = probabilities(&[0, 10], 0.1);
        assert!((p[1] / p[0] - 1f32.exp()).abs() < 1e-5);
        assert!(probabilities(&[], 1.0).is_empty());
    }

    #[test]
    fn the_best_classes_have_names_and_shares() {
        let logits = Logits::new(&[1, 5, 5], 0.5, None);
        let top = logits.top_k(2, &["a", "b"]);
        assert_eq!((logits.best(), top[0].class, top[0].label), (Some(1), 1, Some("b")));
        assert_eq!((top[1].class, top[1].label, top[1].logit), (2, None, 5));
        assert_eq!(top[0].probability, top[1].probability);
        assert_eq!(labels("a\n b \nc", 2).unwrap(), ["a", "b", "c"]);
        assert_eq!(labels("a\nb", 3), Err(2));
    }

    #[test]
    fn behind_a_sigmoid_each_class_has_a_chance_of_its_own() {
        let logits = Logits::new(&[-4, 0, 4], 0.5, Some(Ending::Sigmoid));
        let top = logits.top_k(3, &["", "b", "c"]);
        assert_eq!([top[0].label, top[1].label, top[2].label], [Some("c"), Some("b"), None]);
        assert!((top[0].probability - 0.880_797).abs() < 1e-6);
        assert_eq!(top[1].probability, 0.5);
        assert!((top[0].probability + top[2].probability - 1.0).abs() < 1e-6);
        assert_eq!((chance(i32::MIN, 1.0), chance(i32::MAX, 1.0)), (0.0, 1.0));
    }

    #[test]
    fn top_k_prefers_the_lowest_class_and_stops_at_the_last() {
        assert_eq!(top_k(&[3, 9, 9, -1], 3), [1, 2, 0]);
        assert_eq!(top_k(&[3, 9], 5), [1, 0]);
        assert!(top_k(&[], 5).is_empty());
    }
}
