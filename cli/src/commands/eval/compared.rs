//! A container against its float model on the same images.

use float::Evaluator;
use rayon::prelude::*;
use serde::Serialize;
use shiftformer::runtime::Ending;
use shiftformer::{OutputInfo, Reading};

use super::chances::reaches;
use super::classes::{best, percent};
use super::float::FloatModel;
use super::truth::Truth;
use super::{Figures, Images, real};
use crate::failure::Failure;
use crate::progress::Progress;

/// How the float model does on the same images.
#[derive(Debug, Serialize)]
pub struct Against {
    /// Percent of images with the same answer; of maps of classes, of pixels with the same class.
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<f64>,
    /// Percent, of classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    float_top1: Option<f64>,
    /// Mean cosine of float and integer logits.
    #[serde(skip_serializing_if = "Option::is_none")]
    logit_cosine: Option<f64>,
    /// What the float model is worth by labels that are not classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    float: Option<Figures>,
    /// Each output against that of the float model, before their endings.
    compared: Vec<Compared>,
}

/// An output against that of the float model.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// Its name.
    output: String,
    /// Mean over the images.
    cosine: f64,
    /// The least of an image.
    worst_cosine: f64,
    /// Mean absolute difference of the real values.
    mean_error: f64,
    /// Largest absolute difference.
    largest_error: f64,
    /// Signal to noise: variance of the float values over the mean squared difference, in
    /// decibels; null where there is no difference.
    snr_db: Option<f64>,
}

impl Against {
    /// Runs `float` on the images of `rows`, which are those of every output of the container.
    pub fn of(
        float: &FloatModel,
        images: &Images<'_>,
        outputs: &[OutputInfo<'_>],
        main: &OutputInfo<'_>,
        rows: &[Vec<Vec<i32>>],
        truth: &Truth<'_>,
        threshold: f64,
    ) -> Result<Self, Failure> {
        let name = &float.name;
        let evaluator = Evaluator::new(&float.graph).map_err(Failure::convert(name))?;
        let at = float.output(main).ok_or_else(|| {
            Failure::new(format!("{name} has other classes or outputs than the container"))
                .help("give the model that the container was converted from")
        })?;
        let pairs: Vec<(&OutputInfo<'_>, usize)> =
            outputs.iter().filter_map(|output| Some((output, float.output(output)?))).collect();
        let n = rows[main.index].len();
        let progress = Progress::bar(format!("evaluating {name}"), n);
        let run = |index: usize| {
            let given = evaluator.run(&images.frame(index)?);
            let errors = pairs
                .iter()
                .map(|(output, at)| Errors::of(&given[*at], &rows[output.index][index], output.scale.into()));
            let errors: Vec<Errors> = errors.collect();
            progress.step();
            let row: Vec<f64> = given[at].iter().copied().map(f64::from).collect();
            Ok((row, errors))
        };
        let (floats, errors): (Vec<Vec<f64>>, Vec<Vec<Errors>>) =
            (0..n).into_par_iter().map(run).collect::<Result<Vec<_>, Failure>>()?.into_iter().unzip();
        drop(progress);
        let compared: Vec<Compared> = pairs
            .iter()
            .enumerate()
            .map(|(place, (output, _))| Compared::of(output.name, errors.iter().map(|errors| &errors[place])))
            .collect();
        let figures = Figures::of(truth, main, &floats, threshold)?;
        let of_logits = match main.reading() {
            Reading::Shares | Reading::Chances | Reading::Class => true,
            Reading::Values | Reading::Vector | Reading::Map => false,
        };
        let cosine = compared.iter().find(|compared| compared.output == main.name).map(|c| c.cosine);
        Ok(Self {
            agreement: agreement(main, truth, &real(main, &rows[main.index]), &floats, threshold),
            float_top1: match &figures {
                Figures::Classes(classes) => Some(classes.top1()),
                _ => None,
            },
            logit_cosine: cosine.filter(|_| of_logits),
            float: match figures {
                Figures::Classes(_) | Figures::Nothing {} => None,
                figures => Some(figures),
            },
            compared,
        })
    }

    pub fn lines(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.float_top1.map(|top1| format!("float {top1:.2} %")));
        words.extend(self.float.as_ref().map(|figures| format!("float: {}", figures.text())));
        words.extend(self.agreement.map(|agreement| format!("same answer {agreement:.2} %")));
        words.extend(self.logit_cosine.map(|cosine| format!("cosine of logits {cosine:.5}")));
        let mut lines: Vec<String> = (!words.is_empty()).then(|| words.join("  ")).into_iter().collect();
        if self.logit_cosine.is_none() || self.compared.len() > 1 {
            lines.extend(self.compared.iter().map(Compared::line));
        }
        lines
    }
}

/// Percent of answers that are the same, where there are answers.
fn agreement(
    output: &OutputInfo<'_>,
    truth: &Truth<'_>,
    integers: &[Vec<f64>],
    floats: &[Vec<f64>],
    threshold: f64,
) -> Option<f64> {
    let decided = |row: &[f64]| row.iter().map(|&logit| reaches(logit, threshold)).collect::<Vec<_>>();
    let rows = || integers.iter().zip(floats);
    let channels = output.channels().max(1);
    let of_classes = matches!(truth, Truth::Map(_))
        || matches!(output.ending, Some(Ending::Softmax | Ending::LogSoftmax | Ending::ArgMax));
    match output.reading() {
        Reading::Chances if !matches!(truth, Truth::Classes(_)) => {
            Some(percent(rows().filter(|(a, b)| decided(a) == decided(b)).count(), integers.len()))
        }
        Reading::Shares | Reading::Class | Reading::Chances => {
            Some(percent(rows().filter(|(a, b)| best(a) == best(b)).count(), integers.len()))
        }
        Reading::Map if of_classes => {
            let pixels = || rows().flat_map(|(a, b)| a.chunks(channels).zip(b.chunks(channels)));
            Some(percent(pixels().filter(|(a, b)| best(a) == best(b)).count(), pixels().count()))
        }
        Reading::Map | Reading::Values | Reading::Vector => None,
    }
}

/// The difference on one image.
struct Errors {
    cosine: f64,
    count: usize,
    absolute: f64,
    squared: f64,
    largest: f64,
    /// Sum of the float values, and of their squares.
    sum: f64,
    sum_squares: f64,
}

impl Errors {
    fn of(float: &[f32], integers: &[i32], scale: f64) -> Self {
        let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
        let mut errors = Self {
            cosine: 0.0,
            count: 0,
            absolute: 0.0,
            squared: 0.0,
            largest: 0.0,
            sum: 0.0,
            sum_squares: 0.0,
        };
        for (&x, &y) in float.iter().zip(integers) {
            let (x, y) = (f64::from(x), f64::from(y) * scale);
            (xx, yy, xy) = (xx + x * x, yy + y * y, xy + x * y);
            let error = (x - y).abs();
            errors.count += 1;
            errors.absolute += error;
            errors.squared += error * error;
            errors.largest = errors.largest.max(error);
            errors.sum += x;
        }
        errors.sum_squares = xx;
        errors.cosine = match (xx > 0.0, yy > 0.0) {
            (true, true) => xy / (xx.sqrt() * yy.sqrt()),
            (false, false) => 1.0,
            (true, false) | (false, true) => 0.0,
        };
        errors
    }
}

impl Compared {
    fn of<'e>(output: &str, images: impl Iterator<Item = &'e Errors> + Clone) -> Self {
        let total = |of: fn(&Errors) -> f64| images.clone().map(of).sum::<f64>();
        let count = total(|errors| errors.count as f64).max(1.0);
        let mean = total(|errors| errors.sum) / count;
        let variance = (total(|errors| errors.sum_squares) / count - mean * mean).max(0.0);
        let noise = total(|errors| errors.squared) / count;
        Self {
            output: output.to_owned(),
            cosine: total(|errors| errors.cosine) / (images.clone().count().max(1) as f64),
            worst_cosine: images.clone().map(|errors| errors.cosine).fold(1.0, f64::min),
            mean_error: total(|errors| errors.absolute) / count,
            largest_error: images.map(|errors| errors.largest).fold(0.0, f64::max),
            snr_db: (noise > 0.0).then(|| 10.0 * (variance / noise).log10()),
        }
    }

    fn line(&self) -> String {
        let snr = self.snr_db.map_or("exact".to_owned(), |snr| format!("{snr:.1} dB"));
        format!(
            "{} against float: {snr}, cosine {:.5} (worst {:.5}), mean error {:.5}, largest {:.5}",
            self.output, self.cosine, self.worst_cosine, self.mean_error, self.largest_error
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_of_real_values() {
        // In units of a half: 1, 2 and 0, 2 against 1, 3 and 0, 2.
        let images = [Errors::of(&[1.0, 3.0], &[2, 4], 0.5), Errors::of(&[0.0, 2.0], &[0, 4], 0.5)];
        let compared = Compared::of("y", images.iter());
        assert_eq!((compared.mean_error, compared.largest_error), (0.25, 1.0));
        let first = 7.0 / (10f64.sqrt() * 5f64.sqrt());
        assert!((compared.cosine - (first + 1.0) / 2.0).abs() < 1e-12);
        assert!((compared.worst_cosine - first).abs() < 1e-12);
        // The variance of 1, 3, 0, 2 is 1.25, the mean squared error 0.25.
        assert!((compared.snr_db.unwrap() - 10.0 * 5f64.log10()).abs() < 1e-9);
        let same = Compared::of("y", [Errors::of(&[1.0], &[2], 0.5)].iter());
        assert_eq!((same.snr_db, same.cosine), (None, 1.0));
        let cosine = |float: &[f32], integers: &[i32]| Errors::of(float, integers, 1.0).cosine;
        assert_eq!((cosine(&[0.0], &[0]), cosine(&[0.0], &[1]), cosine(&[1.0], &[0])), (1.0, 0.0, 0.0));
    }
}
