//! The model and images that come with the program.

use std::path::{Path, PathBuf};

use data::{FormatError, Image, Limits, Planar, idx};

use crate::failure::Failure;

/// A vision transformer trained on Fashion-MNIST, in floating point.
pub const FLOAT_MODEL: &[u8] = include_bytes!("../../data/vit_fmnist_fp32.onnx");
/// What messages call it.
pub const FLOAT_MODEL_NAME: &str = "the bundled model vit_fmnist_fp32.onnx";
/// Mean and standard deviation of its training images.
pub const NORMALISATION: [f32; 2] = [0.2860, 0.3530];
/// A vision transformer of the same width and depth whose layers were trained with one bit.
pub const BINARIZED_MODEL: &[u8] = include_bytes!("../../data/vit_fmnist_bivit_recipe.safetensors");
/// What messages call it.
pub const BINARIZED_MODEL_NAME: &str = "the bundled model vit_fmnist_bivit_recipe.safetensors";
const CALIBRATION: &[u8] = include_bytes!("../../data/fmnist-train-128-images-idx3-ubyte.gz");
const IMAGES: &[u8] = include_bytes!("../../data/fmnist-test-1000-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../data/fmnist-test-1000-labels-idx1-ubyte.gz");

/// The folder with these files in a clone of the repository: `data` where the clone is the current
/// folder, else that of the clone that this program was built from, if it is still there.
pub fn folder() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.join("data"));
    let is_there = |folder: &PathBuf| folder.join("vit_fmnist_fp32.onnx").is_file();
    [Some(PathBuf::from("data")), built].into_iter().flatten().find(is_there)
}

/// Labelled images.
pub struct TestImages {
    images: Planar,
    labels: Vec<u32>,
}

impl TestImages {
    /// A thousand images of Fashion-MNIST's test set.
    pub fn read() -> Result<Self, Failure> {
        let broken = |e: FormatError| Failure::new(format!("the bundled test images are damaged: {e}"));
        let limits = Limits::default();
        let images = idx::parse(IMAGES, &limits).and_then(Planar::new).map_err(broken)?;
        let labels = idx::parse(LABELS, &limits).and_then(|labels| labels.to_u32()).map_err(broken)?;
        Ok(Self { images, labels })
    }

    /// Training images without labels, for calibration.
    pub fn calibration() -> Result<Vec<Image>, Failure> {
        let broken = |e: FormatError| Failure::new(format!("the bundled training images are damaged: {e}"));
        let images = idx::parse(CALIBRATION, &Limits::default()).and_then(Planar::new).map_err(broken)?;
        Ok((0..images.len()).filter_map(|index| images.image(index)).collect())
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.len().min(self.labels.len())
    }

    /// Image `index`, counted around the end.
    pub fn image(&self, index: usize) -> Result<Image, Failure> {
        let index = index % self.len().max(1);
        self.images
            .image(index)
            .ok_or_else(|| Failure::new(format!("there is no bundled test image {index}")))
    }

    /// The class of every image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }
}
