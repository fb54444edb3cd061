//! Classes from integer logits; ties go to the lowest index.

/// Index of the largest logit, the lowest one among equals; `None` when empty.
pub fn argmax(logits: &[i32]) -> Option<usize> {
    let mut best: Option<(usize, i32)> = None;
    for (index, &logit) in logits.iter().enumerate() {
        if best.is_none_or(|(_, value)| logit > value) {
            best = Some((index, logit));
        }
    }
    best.map(|(index, _)| index)
}

/// Writes the indices of the largest logits, best first, and returns how many were
/// written: the smaller of `out.len()` and `logits.len()`. Ties go to the lowest index.
pub fn top_k(logits: &[i32], out: &mut [u32]) -> usize {
    let mut written = 0;
    let mut last: Option<(i32, usize)> = None;
    for place in out.iter_mut() {
        let Some(next) = next_below(logits, last) else { break };
        *place = next.1 as u32;
        last = Some(next);
        written += 1;
    }
    written
}

/// The first logit, in the order (value descending, index ascending), after `last`.
fn next_below(logits: &[i32], last: Option<(i32, usize)>) -> Option<(i32, usize)> {
    let mut best: Option<(i32, usize)> = None;
    for (index, &value) in logits.iter().enumerate() {
        let after = last.is_none_or(|(v, i)| value < v || (value == v && index > i));
        if after && best.is_none_or(|(v, _)| value > v) {
            best = Some((value, index));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    #[test]
    fn ties_go_to_the_lowest_index() {
        assert_eq!(argmax(&[1, 5, 5, 2]), Some(1));
        assert_eq!(argmax(&[]), None);
        assert_eq!(argmax(&[i32::MIN]), Some(0));
    }

    proptest! {
        #[test]
        fn top_k_is_a_stable_descending_sort(logits in prop::collection::vec(-4i32..4, 0..40), k in 0usize..50) {
            let mut sorted: Vec<u32> = (0..logits.len() as u32).collect();
            sorted.sort_by_key(|&i| -logits[i as usize]);
            sorted.truncate(k);
            let mut out = vec![0; k];
            let written = top_k(&logits, &mut out);
            prop_assert_eq!(&out[..written], &sorted[..]);
        }
    }
}
