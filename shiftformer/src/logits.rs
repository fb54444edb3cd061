//! Integer logits for people. The class comes from the integers; floats are only shown.

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
    fn top_k_prefers_the_lowest_class_and_stops_at_the_last() {
        assert_eq!(top_k(&[3, 9, 9, -1], 3), [1, 2, 0]);
        assert_eq!(top_k(&[3, 9], 5), [1, 0]);
        assert!(top_k(&[], 5).is_empty());
    }
}
