//! The options of a conversion as Python gives them.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use conversion::{
    Choice, Format, Images, Interpolation, Normalisation, Options, Pictures, Shape, Target, fraction,
    percent, unit_scaled,
};
use converter::BuildOptions;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array;

/// What `convert` in `_convert.py` gathers: the options by name.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Given<'py> {
    output: Option<PathBuf>,
    report: Option<PathBuf>,
    format: String,
    calib: Option<Calib<'py>>,
    calib_samples: NonZeroUsize,
    precision: Vec<(String, String)>,
    escalate: Option<f64>,
    max_flash: Option<u64>,
    config: Option<PathBuf>,
    mean: Vec<f32>,
    std: Vec<f32>,
    normalize: bool,
    bgr: bool,
    resize: Option<String>,
    crop: Option<f64>,
    interpolation: Option<String>,
    antialias: bool,
    labels: Option<PathBuf>,
    fuse: bool,
    arena: Option<u32>,
    target: String,
}

/// Calibration images: a path, or an array of number × height × width × channels.
#[derive(FromPyObject)]
enum Calib<'py> {
    At(PathBuf),
    Array(Bound<'py, PyAny>),
}

impl Calib<'_> {
    fn images(&self) -> PyResult<Images> {
        let object = match self {
            Calib::At(path) => return Ok(Images::At(path.clone())),
            Calib::Array(object) => object,
        };
        let pictures = array::Pictures::several(object)?;
        let pixels = pictures.pixels();
        let image = |index| {
            let shiftformer::Picture { pixels, height, width, channels } = pixels.picture(index);
            data::Image { pixels: pixels.to_vec(), height, width, channels }
        };
        Ok(Images::Given((0..pictures.len()).map(image).collect()))
    }
}

impl Given<'_> {
    /// The same for the library.
    pub fn options(self) -> PyResult<Options> {
        let normalisation = Normalisation {
            mean: named("mean", unit_scaled(self.mean))?,
            std: named("std", unit_scaled(self.std))?,
            normalize: self.normalize,
        };
        let pictures = Pictures {
            bgr: self.bgr,
            resize: chosen("resize", Shape::ALL, self.resize)?,
            crop: self.crop.map(|crop| named("crop", fraction(crop))).transpose()?,
            interpolation: chosen("interpolation", Interpolation::ALL, self.interpolation)?,
            antialias: self.antialias,
        };
        let precision = |(layer, precision): (String, String)| {
            named("precision", precision.parse()).map(|precision| (layer, precision))
        };
        Ok(Options {
            output: self.output,
            report: self.report,
            format: named("format", Choice::find(Format::ALL, &self.format))?,
            calib: self.calib.as_ref().map(Calib::images).transpose()?,
            calib_samples: self.calib_samples,
            precision: self.precision.into_iter().map(precision).collect::<PyResult<_>>()?,
            escalate: self.escalate.map(|share| named("escalate", percent(share))).transpose()?,
            max_flash: self.max_flash,
            config: self.config,
            normalisation,
            pictures,
            labels: self.labels,
            build: BuildOptions { fuse: self.fuse, arena: self.arena },
            target: named("target", Choice::find(Target::ALL, &self.target))?,
        })
    }
}

fn chosen<T: Copy>(option: &str, all: &'static [Choice<T>], name: Option<String>) -> PyResult<Option<T>> {
    name.map(|name| named(option, Choice::find(all, &name))).transpose()
}

/// What a reader says of the value of `option`, with the option's name.
fn named<T, E: std::fmt::Display>(option: &str, read: Result<T, E>) -> PyResult<T> {
    read.map_err(|error| PyValueError::new_err(format!("{option}: {error}")))
}
