//! Scores by relative position: which entry of a table each query and key has.

use super::json::wrong;
use crate::error::ConvertError;

/// Scores that something is added to, over all layers, at most.
const MAX_SCORES: usize = 1 << 29;

/// Refuses a model whose `count` heads, over all layers and windows, have too many scores among
/// `rows` places each.
pub fn check(count: usize, rows: usize) -> Result<(), ConvertError> {
    let scores = rows.checked_mul(rows).and_then(|square| square.checked_mul(count));
    match scores.is_some_and(|scores| scores <= MAX_SCORES) {
        true => Ok(()),
        false => {
            Err(wrong(format!("more than {MAX_SCORES} scores with relative positions are not supported")))
        }
    }
}

/// Distances between the places of a square of `side × side`.
pub fn distances(side: usize) -> usize {
    (2 * side - 1) * (2 * side - 1)
}

/// For each query and key of a square, row by row, the entry of their distance.
pub fn square(side: usize) -> Vec<usize> {
    let places = || (0..side).flat_map(move |y| (0..side).map(move |x| (y, x)));
    let entry = |(qy, qx): (usize, usize), (ky, kx): (usize, usize)| {
        (qy + side - 1 - ky) * (2 * side - 1) + qx + side - 1 - kx
    };
    places().flat_map(|query| places().map(move |key| entry(query, key))).collect()
}

/// The same with a class token before the square, for which there are three more entries: class to
/// place, place to class, class to itself.
pub fn with_class(side: usize) -> Vec<usize> {
    let (inner, places, first) = (square(side), side * side, distances(side));
    let mut index = vec![first + 2];
    index.extend(std::iter::repeat_n(first, places));
    for row in inner.chunks_exact(places) {
        index.push(first + 1);
        index.extend(row);
    }
    index
}

/// The entries of `table`, `heads` wide, head after head.
pub fn bias(table: &[f32], index: &[usize], heads: usize) -> Vec<f32> {
    (0..heads).flat_map(|head| index.iter().map(move |entry| table[entry * heads + head])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: `(Δy + 1) · 3 + Δx + 1` with Δ from key to query.
    #[test]
    fn entries_of_a_square_of_two() {
        let square = square(2);
        assert_eq!(square, [4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4]);
        let class = with_class(2);
        assert_eq!(class[..5], [11, 9, 9, 9, 9]);
        assert_eq!(class[5..10], [10, 4, 3, 1, 0]);
        assert_eq!(class.len(), 25);
        assert_eq!(bias(&[0.0, 1.0, 2.0, 3.0], &[1, 0, 1], 2), [2.0, 0.0, 2.0, 3.0, 1.0, 3.0]);
    }
}
