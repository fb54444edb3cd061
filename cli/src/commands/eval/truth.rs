//! What is right, by the labels of the data.

use data::{Dataset, Targets};
use shiftformer::runtime::Ending;
use shiftformer::{OutputInfo, Reading};

use crate::failure::Failure;
use crate::output::shape;

/// What is right for each image.
#[derive(Debug)]
pub enum Truth<'d> {
    /// A class.
    Classes(&'d [u32]),
    /// Which classes there are.
    Marks(Vec<Vec<bool>>),
    /// A class for each pixel.
    Map(&'d Targets),
    /// Numbers, as many as the output has.
    Numbers(Vec<Vec<f64>>),
    /// Nothing that says anything of the output.
    Nothing,
}

/// What the command cannot do without.
#[derive(Clone, Copy, Debug)]
pub struct Needed {
    /// Whether there must be labels.
    pub labels: bool,
    /// Whether labels must say something of the output; else there is a remark where they do not.
    pub fitting: bool,
}

impl<'d> Truth<'d> {
    /// That of the first `n` images of `data` for `output`.
    pub fn of(
        data: &'d Dataset,
        n: usize,
        output: &OutputInfo<'_>,
        needed: Needed,
    ) -> Result<Truth<'d>, Failure> {
        let expected = expected(output);
        let way_out =
            format!("{expected}; without labels, compare with --against MODEL, or write --outputs OUT.npz");
        let truth = match (data.labels(), data.targets()) {
            (Ok(labels), _) => Self::of_classes(data, &labels[..n], output)?,
            (Err(_), Some(targets)) => Self::of_targets(data, targets, n, output)?,
            (Err(error), None) if needed.labels => return Err(Failure::from(error).help(way_out)),
            (Err(_), None) => return Ok(Truth::Nothing),
        };
        match truth {
            Some(truth) => Ok(truth),
            None if needed.fitting => {
                let (path, name) = (data.path().display(), output.name);
                Err(Failure::new(format!("{path}: its labels say nothing of output {name}")).help(way_out))
            }
            None => {
                eprintln!("note: the labels of {} are left out: {expected}", data.path().display());
                Ok(Truth::Nothing)
            }
        }
    }

    /// What one class for each image says of `output`.
    fn of_classes(
        data: &Dataset,
        labels: &'d [u32],
        output: &OutputInfo<'_>,
    ) -> Result<Option<Self>, Failure> {
        let below = |classes: usize| match labels.iter().position(|&label| label as usize >= classes) {
            Some(at) => {
                let message = format!(
                    "{}: image {at} is of class {}, the model has {classes} classes",
                    data.path().display(),
                    labels[at]
                );
                Err(Failure::new(message).help("labels count from 0; are data and model of the same task?"))
            }
            None => Ok(()),
        };
        Ok(match output.reading() {
            Reading::Chances if output.len == 1 => {
                below(2)?;
                Some(Truth::Marks(labels.iter().map(|&label| vec![label == 1]).collect()))
            }
            Reading::Shares | Reading::Class | Reading::Chances => {
                below(output.len)?;
                Some(Truth::Classes(labels))
            }
            Reading::Vector => {
                let several = labels.iter().any(|label| Some(label) != labels.first());
                several.then_some(Truth::Classes(labels))
            }
            Reading::Values if output.len == 1 => {
                Some(Truth::Numbers(labels.iter().map(|&label| vec![label.into()]).collect()))
            }
            Reading::Values | Reading::Map => None,
        })
    }

    /// What `targets` of the first `n` images say of `output`.
    fn of_targets(
        data: &Dataset,
        targets: &'d Targets,
        n: usize,
        output: &OutputInfo<'_>,
    ) -> Result<Option<Self>, Failure> {
        let count = targets.shape().iter().try_fold(1usize, |count, &len| count.checked_mul(len));
        let fits = count == Some(output.len);
        let [height, width] = [0, 1].map(|axis| output.shape[axis] as usize);
        let sides: Vec<usize> = targets.shape().iter().copied().filter(|&len| len != 1).collect();
        let pixels: Vec<usize> = [height, width].into_iter().filter(|&len| len != 1).collect();
        let read = |index: usize| {
            let values = targets.image(index).unwrap_or_default();
            match values.iter().find(|value| !value.is_finite()) {
                Some(value) => Err(Failure::new(format!(
                    "{}: a label of image {index} is {value}",
                    data.path().display()
                ))
                .help("labels are finite numbers")),
                None => Ok(values),
            }
        };
        Ok(match output.reading() {
            Reading::Chances if fits => {
                let marks = |index: usize| {
                    let values = read(index)?;
                    match values.iter().find(|&&value| value != 0.0 && value != 1.0) {
                        Some(value) => Err(Failure::new(format!(
                            "{}: a mark of image {index} is {value}, not 0 or 1",
                            data.path().display()
                        ))
                        .help("marks are 1 for the classes that an image shows, and 0 for the others")),
                        None => Ok(values.iter().map(|&value| value == 1.0).collect()),
                    }
                };
                Some(Truth::Marks((0..n).map(marks).collect::<Result<_, _>>()?))
            }
            Reading::Map if output.channels() > 1 && sides == pixels => Some(Truth::Map(targets)),
            Reading::Map | Reading::Values
                if fits && matches!(output.ending, None | Some(Ending::Sigmoid)) =>
            {
                Some(Truth::Numbers((0..n).map(read).collect::<Result<_, _>>()?))
            }
            Reading::Shares
            | Reading::Class
            | Reading::Chances
            | Reading::Vector
            | Reading::Values
            | Reading::Map => None,
        })
    }
}

/// The labels that say something of `output`.
fn expected(output: &OutputInfo<'_>) -> String {
    let name = output.name;
    let len = output.len;
    match output.reading() {
        Reading::Shares | Reading::Class => {
            format!("output {name} gives {len} classes: an .npz has N integers `labels`")
        }
        Reading::Chances if len == 1 => {
            format!("output {name} gives one chance: an .npz has N `labels` of 0 and 1")
        }
        Reading::Chances => format!(
            "output {name} gives the chances of {len} classes: an .npz has N integers `labels`, or N×{len} of 0 and 1"
        ),
        Reading::Vector => format!(
            "output {name} gives a vector of {len}: an .npz has N integers `labels` of more than one class"
        ),
        Reading::Values => format!("output {name} gives {len} numbers: an .npz has N×{len} floats `labels`"),
        Reading::Map => {
            let [height, width, channels, _] = output.shape;
            format!(
                "output {name} gives a map of {}: an .npz has N×{height}×{width} integers `labels` for its \
                 {channels} classes, or as many floats as the map has values",
                shape(&output.shape[..3])
            )
        }
    }
}
