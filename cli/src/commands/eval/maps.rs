//! Maps of classes.

use data::Targets;
use serde::Serialize;

use super::classes::{best, percent};
use crate::failure::Failure;

/// How well the largest channels of maps cover the classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Mean over the classes that occur of intersection over union, percent.
    mean_iou: f64,
    /// Percent of the pixels.
    pixel_accuracy: f64,
    /// Intersection over union of each class, percent; null of one that does not occur.
    iou: Vec<Option<f64>>,
}

/// A class that is left out, where there are fewer classes.
const IGNORED: usize = 255;

impl Figures {
    /// Of `rows` of `channels` for each pixel with the classes `targets`.
    pub fn of(rows: &[Vec<f64>], targets: &Targets, channels: usize) -> Result<Self, Failure> {
        // Pixels where a class is right, is said, and both.
        let (mut right, mut said, mut both) = (vec![0; channels], vec![0; channels], vec![0; channels]);
        for (index, row) in rows.iter().enumerate() {
            let classes = targets.image(index).unwrap_or_default();
            for (pixel, class) in row.chunks(channels).zip(classes) {
                let Some(class) = class_of(class, channels, index)? else { continue };
                let found = best(pixel);
                right[class] += 1;
                said[found] += 1;
                both[class] += usize::from(class == found);
            }
        }
        let iou = |class: usize| {
            let union = right[class] + said[class] - both[class];
            (union > 0).then(|| percent(both[class], union))
        };
        let iou: Vec<Option<f64>> = (0..channels).map(iou).collect();
        let known: Vec<f64> = iou.iter().copied().flatten().collect();
        let mean_iou = known.iter().sum::<f64>() / known.len().max(1) as f64;
        Ok(Self { mean_iou, pixel_accuracy: percent(both.iter().sum(), right.iter().sum()), iou })
    }

    pub fn text(&self) -> String {
        format!("mean IoU {:.2} %  pixels {:.2} %", self.mean_iou, self.pixel_accuracy)
    }
}

/// The class that a label is, none if it is to be left out.
fn class_of(label: f64, channels: usize, image: usize) -> Result<Option<usize>, Failure> {
    let class = label as usize;
    match label {
        _ if label < 0.0 || (class == IGNORED && channels <= IGNORED) => Ok(None),
        _ if label.fract() == 0.0 && class < channels => Ok(Some(class)),
        _ => Err(Failure::new(format!(
            "a pixel of image {image} is labelled {label}, the map has {channels} classes"
        ))
        .help("labels are classes from 0 on; 255 and negative ones are left out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_classes_or_left_out() {
        for (label, channels, expected) in
            [(0.0, 3, Some(0)), (2.0, 3, Some(2)), (255.0, 3, None), (-1.0, 3, None), (255.0, 300, Some(255))]
        {
            assert_eq!(class_of(label, channels, 0).unwrap(), expected, "{label}");
        }
        for label in [3.0, 0.5, f64::NAN, f64::INFINITY] {
            assert!(class_of(label, 3, 0).is_err(), "{label}");
        }
    }
}
