//! Images for which the float model leaves the ranges of all others.
//!
//! A channel that training left almost without variance is divided by almost nothing
//! (BatchNorm), and a rare image that moves it drives every value behind it up a hundredfold.
//! Integers that reach so far hold nothing of the other images.

use std::collections::BTreeMap;

use facts::{Change, ChangeKind};
use float::Graph;

use super::statistics::Statistics;

/// Fewer images than these say nothing of which are rare.
const ENOUGH_IMAGES: usize = 16;
/// The root mean square of a tensor, over its median among images, that no image of a kind
/// reaches.
const FAR: f64 = 32.0;
/// More images than one of so many are no exception.
const RARE: usize = 20;

/// An image that no range is made for.
pub(super) struct Outlier {
    /// Index among the frames.
    pub(super) image: usize,
    /// The tensor that it drives furthest.
    tensor: usize,
    /// Root mean square of that tensor over its median among images.
    factor: f64,
}

impl Outlier {
    pub(super) fn change(&self, model: &Graph) -> Change {
        Change {
            kind: ChangeKind::LeftOut,
            layer: model.tensors[self.tensor].name.clone(),
            what: format!("calibration image {} was left out", self.image),
            why: format!("its values are {:.0} times those of the median image", self.factor),
        }
    }
}

/// The outliers among the images of `statistics`: none where they are few, or not rare.
pub(super) fn find(statistics: &Statistics) -> Vec<Outlier> {
    let images = statistics.energies.len();
    if images < ENOUGH_IMAGES {
        return Vec::new();
    }
    let pixels = over_median(statistics, 0);
    let mut outliers: BTreeMap<usize, Outlier> = BTreeMap::new();
    for tensor in 1..statistics.activations.len() {
        for (image, (ratio, pixels)) in over_median(statistics, tensor).into_iter().zip(&pixels).enumerate() {
            // Bright pictures among dark ones are no fault of the model's.
            let factor = ratio / pixels.max(1.0);
            if factor > FAR && outliers.get(&image).is_none_or(|known| known.factor < factor) {
                outliers.insert(image, Outlier { image, tensor, factor });
            }
        }
    }
    match outliers.len() * RARE > images {
        true => Vec::new(),
        false => outliers.into_values().collect(),
    }
}

/// By image: the root mean square of a tensor over its median among images, 0 where that is 0.
fn over_median(statistics: &Statistics, tensor: usize) -> Vec<f64> {
    let energies: Vec<f64> = statistics.energies.iter().map(|image| image[tensor]).collect();
    let mut sorted = energies.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let ratio = |energy: f64| if median > 0.0 { (energy / median).sqrt() } else { 0.0 };
    energies.into_iter().map(ratio).collect()
}

/// Leaves the outliers out of the frames.
pub(super) fn leave_out(frames: &mut Vec<&[u8]>, outliers: &[Outlier]) {
    let mut image = 0..;
    frames.retain(|_| image.next().is_some_and(|image| outliers.iter().all(|one| one.image != image)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::statistics::Activation;

    /// Images of two tensors, pixels and what a layer makes of them, by their mean squares.
    fn images(energies: impl IntoIterator<Item = [f64; 2]>) -> Statistics {
        let energies = energies.into_iter().map(Vec::from).collect();
        Statistics { activations: vec![Activation::default(); 2], scores: Vec::new(), energies }
    }

    /// Image 7 of 40 drives the layer 100 times beyond the others, whose pixels differ threefold.
    fn with_an_outlier() -> Vec<[f64; 2]> {
        let energy = |i: usize| 1.0 + (i % 9) as f64;
        (0..40).map(|i| [energy(i), energy(i) * if i == 7 { 1e4 } else { 0.5 }]).collect()
    }

    #[test]
    fn a_rare_image_that_the_model_drives_far_is_found_and_left_out() {
        let found = find(&images(with_an_outlier()));
        assert_eq!(found.iter().map(|one| (one.image, one.tensor)).collect::<Vec<_>>(), [(7, 1)]);
        let pictures: Vec<[u8; 1]> = (0..40).map(|i| [i]).collect();
        let mut frames: Vec<&[u8]> = pictures.iter().map(<[u8; 1]>::as_slice).collect();
        leave_out(&mut frames, &found);
        assert_eq!(frames.len(), 39);
        assert!(!frames.contains(&[7].as_slice()));
    }

    #[test]
    fn neither_few_images_nor_frequent_ones_nor_bright_ones_are_outliers() {
        assert!(find(&images(with_an_outlier().into_iter().take(ENOUGH_IMAGES - 1))).is_empty());
        assert!(find(&images((0..40).map(|i| [1.0, if i % 10 == 0 { 1e4 } else { 1.0 }]))).is_empty());
        let bright = |i: usize| if i == 3 { 1e4 } else { 1.0 };
        assert!(find(&images((0..40).map(|i| [bright(i), bright(i)]))).is_empty());
        assert!(find(&images((0..40).map(|_| [1.0, 0.0]))).is_empty());
    }
}
