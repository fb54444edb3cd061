//! Calibration images: which are taken from a data set, and which are left to compare on.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use data::{Dataset, Image};
use float::Graph;
use shiftformer::runtime::OutputKind;

use crate::failure::Failure;
use crate::frames::FrameSource;
use crate::labels::{YES_OR_NO, number_classes};

/// Where calibration images come from.
#[derive(Clone, Debug)]
pub enum Images {
    /// A folder of images, an .npz with `images`, or an IDX images file.
    At(PathBuf),
    /// Memory.
    Given(Vec<Image>),
}

/// Images whose answers are compared after a conversion, at most.
const COMPARED: usize = 1000;

/// Images that are left to compare on, where a tenth of all would be more.
const HELD_OUT: usize = 20;

/// Fewer images than these all calibrate: two of twenty tell little, and ranges without them cost
/// up to 0.013 of the cosine of outputs.
const SMALL: usize = 32;

/// Frames of a data set.
pub struct Calibration {
    /// What the model is calibrated with.
    pub frames: Vec<Vec<u8>>,
    /// Others, or the same where there are no others.
    pub compared: Vec<Vec<u8>>,
    /// Whether they are the same.
    pub seen: bool,
    /// Classes of those, where known.
    pub labels: Option<Vec<u32>>,
    /// What the images compared on are called.
    pub name: String,
}

impl Calibration {
    /// `samples` of `images`, spread over them, and up to a thousand others to compare `model` on,
    /// fewer where it is large. Where `samples` would leave less than a tenth to compare on, fewer
    /// calibrate. The file `names` says which class a folder is of; `note` is told where that is not
    /// known.
    ///
    /// # Errors
    ///
    /// Images that cannot be read, or do not fit the model; names that do not fit the images.
    pub fn read(
        images: &Images,
        samples: NonZeroUsize,
        model: &Graph,
        names: Option<&Path>,
        note: &dyn Fn(&str),
    ) -> Result<Self, Failure> {
        let source = FrameSource::of_image(&model.image);
        match images {
            Images::At(path) => {
                let mut data = data::open(path)?;
                let known = known_classes(&mut data, model, names, note)?;
                let of = last(path).display().to_string();
                let load = |index| source.load(&data, index);
                let taken = Self::take((data.len(), &of), samples, model, load)?;
                Ok(Self { labels: labels(&data, &taken.1).filter(|_| known), ..taken.0 })
            }
            Images::Given(images) => {
                let load =
                    |index: usize| source.convert(&images[index], &format!("calibration image {index}"));
                Self::take((images.len(), "an array"), samples, model, load).map(|taken| taken.0)
            }
        }
    }

    /// As [`read`](Self::read) of `len` images that are called `of`, without labels; and which
    /// images `model` is compared on.
    fn take(
        (len, of): (usize, &str),
        samples: NonZeroUsize,
        model: &Graph,
        load: impl Fn(usize) -> Result<Vec<u8>, Failure>,
    ) -> Result<(Self, Vec<usize>), Failure> {
        let (taken, left) = split(len, samples.get());
        let (others, which) = if left.is_empty() { (&taken, "") } else { (&left, "other ") };
        let compared = spread(others, affordable(model.macs()));
        let load = |indices: &[usize]| -> Result<Vec<Vec<u8>>, Failure> {
            indices.iter().map(|&index| load(index)).collect()
        };
        let calibration = Self {
            frames: load(&taken)?,
            seen: left.is_empty(),
            labels: None,
            name: format!("{which}images of {of}"),
            compared: load(&compared)?,
        };
        Ok((calibration, compared))
    }
}

impl Calibration {
    /// Calibration images of one value throughout.
    pub fn constant(&self) -> usize {
        self.frames.iter().filter(|frame| frame.windows(2).all(|pair| pair[0] == pair[1])).count()
    }

    /// Calibration images that equal an earlier one.
    pub fn repeated(&self) -> usize {
        self.frames.len() - self.frames.iter().collect::<BTreeSet<_>>().len()
    }
}

/// The last part of a path: reports travel to where the folders before it say nothing.
pub fn last(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

/// Images that an integer run of `macs` multiply-accumulates can be compared on in seconds.
fn affordable(macs: u64) -> usize {
    const BUDGET: u64 = 20_000_000_000;
    (BUDGET / macs.max(1)).clamp(8, COMPARED as u64) as usize
}

/// Numbers the classes of `data` as `model` does; false, with a word to `note`, where nothing says
/// which class a folder is of.
fn known_classes(
    data: &mut Dataset,
    model: &Graph,
    names: Option<&Path>,
    note: &dyn Fn(&str),
) -> Result<bool, Failure> {
    let logits = model.outputs.iter().find(|output| output.kind == OutputKind::Logits);
    let classes = match logits.map(|output| model.tensors[output.tensor].len()) {
        None => return Ok(true),
        Some(1) => YES_OR_NO,
        Some(classes) => classes,
    };
    match number_classes(data, names, &model.labels, classes, note) {
        Err(unknown) if names.is_none() => {
            note(&format!("{unknown} No accuracy is measured; --labels FILE would tell"));
            Ok(false)
        }
        numbered => numbered.map(|()| true),
    }
}

fn labels(data: &Dataset, indices: &[usize]) -> Option<Vec<u32>> {
    indices.iter().map(|&index| data.label(index)).collect()
}

/// `samples` of `len` indices at even distances, and the others: a tenth of all at least, or
/// [`HELD_OUT`], but none of less than [`SMALL`].
fn split(len: usize, samples: usize) -> (Vec<usize>, Vec<usize>) {
    let all: Vec<usize> = (0..len).collect();
    let held_out = if len < SMALL { 0 } else { (len / 10).min(HELD_OUT) };
    let taken = spread(&all, samples.min(len - held_out));
    let left = all.into_iter().filter(|index| taken.binary_search(index).is_err()).collect();
    (taken, left)
}

/// At most `count` of `indices` at even distances: folders list one class after the other.
fn spread(indices: &[usize], count: usize) -> Vec<usize> {
    let count = count.min(indices.len());
    (0..count).map(|i| indices[i * indices.len() / count]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_taken_evenly_and_never_twice() {
        let (taken, left) = split(1000, 128);
        assert_eq!((taken.len(), left.len()), (128, 872));
        assert!(taken.windows(2).all(|w| (7..=8).contains(&(w[1] - w[0]))));
        assert!(taken.iter().all(|index| !left.contains(index)));
    }

    #[test]
    fn small_sets_are_taken_whole() {
        assert_eq!(split(3, 128), (vec![0, 1, 2], vec![]));
        assert_eq!(split(31, 128).1, Vec::<usize>::new());
    }

    #[test]
    fn some_are_held_out_where_all_would_calibrate() {
        for (len, held_out) in [(32, 3), (128, 12), (140, 14), (148, 20)] {
            let (taken, left) = split(len, 128);
            assert_eq!((taken.len(), left.len()), (len - held_out, held_out), "{len}");
            assert!(left.iter().all(|index| !taken.contains(index)));
        }
        let (_, left) = split(40, 128);
        assert_eq!(left, [9, 19, 29, 39]);
    }

    #[test]
    fn large_models_are_compared_on_fewer_images() {
        assert_eq!(affordable(12_000_000), 1000);
        assert_eq!(affordable(5_000_000_000), 8);
    }
}
