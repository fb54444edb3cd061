//! Conversions of small models, whose containers are the same bytes on every machine and with any
//! number of threads.

use std::fs;
use std::io;
use std::path::Path;

use converter::calibrate::QuantizeOptions;
use converter::import::{ImportOptions, import_onnx_bytes};
use converter::{BuildOptions, Conversion, convert};

macro_rules! models {
    ($($name:literal),*) => {
        &[$(($name, include_bytes!(concat!("../../fixtures/", $name, ".onnx")))),*]
    };
}

/// A transformer with convolutions and bilinear resizing, vision transformers with each form of
/// GELU, with a sigmoid gate, and with scores and norms that are computed step by step.
const MODELS: &[(&str, &[u8])] = models!("attention_pool", "dense", "hugging_face", "multihead", "per_head");

/// Calibration images of each.
const IMAGES: u64 = 6;

/// The container of every model, converted on `threads` threads, with its name.
///
/// # Panics
/// If a model is refused.
pub fn containers(threads: usize) -> Vec<(&'static str, Vec<u8>)> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| MODELS.iter().map(|&(name, file)| (name, container(name, file))).collect())
}

fn container(name: &str, file: &[u8]) -> Vec<u8> {
    let options = ImportOptions { config: None, mean: vec![0.45], std: vec![0.25] };
    let model = import_onnx_bytes(file.to_vec().into(), None, &options);
    let model = model.unwrap_or_else(|error| panic!("{name}: {error}"));
    let image = model.image;
    let len = usize::from(image.height) * usize::from(image.width) * usize::from(image.channels);
    let frames: Vec<Vec<u8>> = (0..IMAGES).map(|seed| frame(len, seed)).collect();
    let made = convert(model, &frames, &QuantizeOptions::default(), BuildOptions::default(), &());
    let Conversion { container, .. } = made.unwrap_or_else(|error| panic!("{name}: {error}"));
    container
}

/// Pseudo-random bytes (a linear congruential generator of 64 bits).
fn frame(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Writes all containers to the folder `folder`, each under the name of its model.
///
/// # Errors
///
/// The system's.
pub fn write(folder: &Path) -> io::Result<()> {
    containers(1).iter().try_for_each(|(name, container)| fs::write(folder.join(name), container))
}

/// Compares what [`write()`] left in `folder` with the conversions here, on one and on two threads,
/// and returns the number of models.
///
/// # Errors
///
/// What differs, or cannot be read.
pub fn check(folder: &Path) -> Result<usize, String> {
    for threads in [1, 2] {
        for (name, made) in containers(threads) {
            let path = folder.join(name);
            let expected = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            if made != expected {
                let at = made.iter().zip(&expected).position(|(made, expected)| made != expected);
                return Err(format!("{name}, {threads} threads: other bytes from {at:?} on"));
            }
        }
    }
    Ok(MODELS.len())
}
