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
