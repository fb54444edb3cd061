//! The bundled files.

use std::path::{Path, PathBuf};

use ::data::{Dataset, npz, open};
use converter::calibrate::QuantizeOptions;
use converter::graph::Graph;
use converter::import::{ImportOptions, Imported, import};
use converter::{BuildOptions, Conversion, ConvertError, build, convert};
use quant::arith::argmax;

/// Classes of Fashion-MNIST.
pub const CLASSES: usize = 10;

/// The path of a bundled file.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name)
}

/// The graph of the I-ViT checkpoint.
pub fn qat_graph() -> Graph {
    import(&path("vit_fmnist_ivit_qat.safetensors"), &ImportOptions::default())
        .expect("the bundled checkpoint")
        .quantized()
        .expect("the bundled checkpoint")
}

/// The graph of the training recipe's binarized checkpoint.
pub fn recipe_graph() -> Graph {
    import(&path("vit_fmnist_bivit_recipe.safetensors"), &ImportOptions::default())
        .expect("the bundled checkpoint")
        .quantized()
        .expect("the bundled checkpoint")
}

/// The float graph of the checkpoint of the BiViT authors' modules.
pub fn binarized_graph() -> float::Graph {
    let path = path("vit_fmnist_bivit.safetensors");
    match import(&path, &ImportOptions::default()).expect("the bundled checkpoint") {
        Imported::Float(graph) => graph,
        Imported::Quantized(_) => panic!("the checkpoint has no integers"),
    }
}

/// The I-ViT checkpoint as a container.
pub fn qat(options: BuildOptions) -> Vec<u8> {
    build(&qat_graph(), options).expect("the bundled checkpoint")
}

/// The bundled container: what [`qat`] makes.
pub fn bundled() -> Vec<u8> {
    std::fs::read(path("vit_fmnist.shf")).expect("the bundled container")
}

/// The training recipe's checkpoint as a container.
pub fn recipe(options: BuildOptions) -> Vec<u8> {
    build(&recipe_graph(), options).expect("the bundled checkpoint")
}

/// The checkpoint of the BiViT authors' modules, calibrated with the bundled images.
pub fn binarized(options: &QuantizeOptions) -> Result<Conversion, ConvertError> {
    let calibration = open(&path("fmnist-train-128-images-idx3-ubyte.gz")).expect("the bundled images");
    let frames = frames(&calibration, calibration.len());
    convert(binarized_graph(), &frames, options, BuildOptions::default(), &())
}

/// The first 1,000 test images, with labels.
pub fn test_images() -> Dataset {
    open(&path("fmnist-test-1000-images-idx3-ubyte.gz")).expect("the bundled images")
}

/// All 10,000 test images, with labels, from Debian's package dataset-fashion-mnist.
pub fn all_test_images() -> Dataset {
    let path = Path::new("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz");
    let images = open(path).expect("the whole data set");
    assert_eq!(images.len(), 10_000);
    images
}

/// The first `count` frames of `data`.
pub fn frames(data: &Dataset, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| data.image(i).expect("an image").pixels).collect()
}

/// The classes that the authors' code predicts, for all 10,000 test images.
pub fn golden_predictions(array: &str) -> Vec<usize> {
    predictions("golden_logits_ivit.npz", array, 10_000)
}

/// The same of the binarized model.
pub fn golden_binarized_predictions() -> Vec<usize> {
    predictions("golden_logits_bivit.npz", "bivit_logits", 10_000)
}

/// What the training recipe's own forward pass predicts, for the first 1,000 test images.
pub fn golden_recipe_predictions() -> Vec<usize> {
    predictions("golden_logits_bivit_recipe.npz", "recipe_logits", 1_000)
}

fn predictions(file: &str, array: &str, images: usize) -> Vec<usize> {
    let (shape, logits) = npz::read_f32(&path(file), array).expect("the bundled logits");
    assert_eq!(shape, [images, CLASSES]);
    logits.chunks(CLASSES).map(largest).collect()
}

fn largest(logits: &[f32]) -> usize {
    (0..logits.len()).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b])).expect("logits")
}

/// How predictions compare.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    /// Percent of images whose largest logit is at the label.
    pub top1: f64,
    /// Percent of images on which the authors' code says the same.
    pub agreement: f64,
}

/// Compares integer logits with labels and with the authors' predictions.
pub fn score(logits: &[Vec<i32>], labels: &[u32], golden: &[usize]) -> Score {
    let percent = |hits: usize| 100.0 * hits as f64 / logits.len() as f64;
    let predictions: Vec<usize> = logits.iter().map(|l| argmax(l).expect("logits")).collect();
    Score {
        top1: percent(predictions.iter().zip(labels).filter(|(p, l)| **p == **l as usize).count()),
        agreement: percent(predictions.iter().zip(golden).filter(|(p, g)| p == g).count()),
    }
}
