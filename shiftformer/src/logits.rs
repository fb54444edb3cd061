//! Integer logits for people. The class comes from the integers; floats are only shown.

/// The logits of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logits<'s> {
    values: &'s [i32],
    scale: f32,
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
    /// Its share of the softmax over all classes.
    pub probability: f32,
}

impl<'s> Logits<'s> {
    /// `values` in units that are worth `scale`.
    pub const fn new(values: &'s [i32], scale: f32) -> Self {
        Self { values, scale }
    }

    /// The integers, one for each class.
    pub const fn values(&self) -> &'s [i32] {
        self.values
    }

    /// The real value of one unit.
    pub const fn scale(&self) -> f32 {
        self.scale
    }

    /// The class of the largest logit; ties go to the lowest. `None` without classes.
    pub fn best(&self) -> Option<u32> {
        let mut class = [0];
        (quant::arith::top_k(self.values, &mut class) > 0).then_some(class[0])
    }

    /// The `k` best classes, best first, with the names that `labels` has for them.
    pub fn top_k<'l>(&self, k: usize, labels: &'l [impl AsRef<str>]) -> Vec<Ranked<'l>> {
        let shares = probabilities(self.values, self.scale);
        let ranked = |class: u32| {
            let index = class as usize;
            let label = labels.get(index).map(AsRef::as_ref);
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
        let logits = Logits::new(&[1, 5, 5], 0.5);
        let top = logits.top_k(2, &["a", "b"]);
        assert_eq!((logits.best(), top[0].class, top[0].label), (Some(1), 1, Some("b")));
        assert_eq!((top[1].class, top[1].label, top[1].logit), (2, None, 5));
        assert_eq!(top[0].probability, top[1].probability);
        assert_eq!(labels("a\n b \nc", 2).unwrap(), ["a", "b", "c"]);
        assert_eq!(labels("a\nb", 3), Err(2));
    }

    #[test]
    fn top_k_prefers_the_lowest_class_and_stops_at_the_last() {
        assert_eq!(top_k(&[3, 9, 9, -1], 3), [1, 2, 0]);
        assert_eq!(top_k(&[3, 9], 5), [1, 0]);
        assert!(top_k(&[], 5).is_empty());
    }
}
