//! Which rows are kept of those that there are.

/// `keep` of `count` indices: the first (a class token, where there is one) and others
/// spread evenly, starting elsewhere for every image.
pub(super) fn spread(count: usize, keep: usize, image: usize) -> impl Iterator<Item = usize> {
    let keep = keep.min(count);
    (0..keep).map(move |i| match i {
        0 => 0,
        _ => (i * count / keep + image * 7) % count,
    })
}

/// The step that leaves about `most` of `count` values, which has no factor in common with `period`.
/// Steps of it meet every place of rows of `period` values equally often, and every place of what the
/// rows are made of, such as heads; other steps would miss some places altogether.
pub(super) fn step(count: usize, most: usize, period: usize) -> usize {
    let has_common_factor = |step: usize| {
        let (mut a, mut b) = (step, period.max(1));
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a > 1
    };
    let least = count.div_ceil(most).max(1);
    (least..).find(|&step| !has_common_factor(step)).unwrap_or(least)
}

/// About `most` of the rows of `width` values, of every place in an image, a window or a head.
pub(super) fn some_rows(values: &[f32], width: usize, most: usize) -> impl Iterator<Item = &[f32]> {
    let rows = values.len() / width;
    // Whatever rows belong together, their number is a factor of that of all.
    values.chunks_exact(width).step_by(step(rows, most, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_window_is_met() {
        // 96 images, of each six rows, which are known by their places.
        let values: Vec<f32> = (0..96 * 6).map(|row| (row % 6) as f32).collect();
        let mut met = [0; 6];
        some_rows(&values, 1, 96).for_each(|row| met[row[0] as usize] += 1);
        assert!(met.iter().all(|&times| times >= 13), "{met:?}");
        assert_eq!(some_rows(&values, 1, 1000).count(), values.len());
    }
}
