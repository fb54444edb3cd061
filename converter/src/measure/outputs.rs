//! How one output follows the float model over all images: sums, kept while images go by.

use facts::OutputComparison;
use float::{Output, math};
use runtime::{Ending, OutputKind};

use super::fidelity::{MAX_SNR_DB, MIN_SNR_DB};

/// Share of its energy by which an output has to differ between images to depend on them: below
/// it is what 32-bit floats round.
const DEPENDS: f64 = 1e-8;

/// What is summed of one output.
pub(super) struct Sums {
    scale: f64,
    /// Of the first image, which the others are held against.
    first: Option<(Vec<f32>, Vec<i32>)>,
    /// Σ of each element's difference from the first image.
    apart: Vec<f64>,
    /// Σ of their squares.
    apart_squares: f64,
    /// Whether the integers differ between images.
    varies: bool,
    count: f64,
    sum: f64,
    squares: f64,
    errors: f64,
    error_squares: f64,
    /// Elements on the same side of 0, and those of 0 or more in the float model.
    same_side: f64,
    yes: f64,
}

impl Sums {
    /// Of an output whose integers have `scale`.
    pub fn new(scale: f32) -> Self {
        Self {
            scale: scale.into(),
            first: None,
            apart: Vec::new(),
            apart_squares: 0.0,
            varies: false,
            count: 0.0,
            sum: 0.0,
            squares: 0.0,
            errors: 0.0,
            error_squares: 0.0,
            same_side: 0.0,
            yes: 0.0,
        }
    }

    /// Takes the answers to one image.
    pub fn add(&mut self, float: Vec<f32>, integer: Vec<i32>) {
        for (&x, &q) in float.iter().zip(&integer) {
            let (value, error) = (f64::from(x), f64::from(x) - f64::from(q) * self.scale);
            self.count += 1.0;
            self.sum += value;
            self.squares += math::square(value);
            self.errors += error.abs();
            self.error_squares += math::square(error);
            self.same_side += f64::from(u8::from((x >= 0.0) == (q >= 0)));
            self.yes += f64::from(u8::from(x >= 0.0));
        }
        let Some((first, integers)) = &self.first else {
            self.apart = vec![0.0; float.len()];
            self.first = Some((float, integer));
            return;
        };
        self.varies |= *integers != integer;
        for ((sum, &first), &x) in self.apart.iter_mut().zip(first).zip(&float) {
            let apart = f64::from(x) - f64::from(first);
            *sum += apart;
            self.apart_squares += math::square(apart);
        }
    }

    /// The figures of `output` over `images` images.
    pub fn finish(self, output: &Output, images: usize) -> OutputComparison {
        let means: f64 = self.apart.iter().map(|&sum| math::square(sum)).sum::<f64>() / images as f64;
        // What the images make of the output, around each element's mean.
        let between = (self.apart_squares - means).max(0.0);
        let about_mean = (self.squares - math::square(self.sum) / self.count).max(0.0);
        let depends = between > DEPENDS * self.squares;
        let signal = if about_mean > DEPENDS * self.squares { about_mean } else { self.squares };
        let percent = |count: f64| 100.0 * count / self.count;
        let labels = output.kind == OutputKind::Logits && output.ending == Some(Ending::Sigmoid);
        let several = labels && self.apart.len() > 1;
        OutputComparison {
            output: output.name.clone(),
            kind: output.kind.name().to_owned(),
            ending: output.ending.map(|ending| ending.name().to_owned()),
            snr_db: decibels(signal, self.error_squares),
            constant: depends && !self.varies,
            mean_error: self.errors / self.count,
            r2: depends.then_some(1.0 - self.error_squares / between),
            decisions: several.then(|| percent(self.same_side)),
            yes: several.then(|| percent(self.yes)),
        }
    }
}

/// None where nothing is to be followed.
fn decibels(signal: f64, noise: f64) -> Option<f64> {
    if noise == 0.0 {
        return Some(MAX_SNR_DB);
    }
    let ratio = 10.0 * math::log10(signal / noise);
    (signal > 0.0).then(|| if ratio.is_nan() { MIN_SNR_DB } else { ratio.clamp(MIN_SNR_DB, MAX_SNR_DB) })
}
