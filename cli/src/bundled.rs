//! The model and images that come with the program.

use converter::data::{FormatError, Image, Limits, Planar, idx};

use crate::failure::Failure;

/// A vision transformer trained on Fashion-MNIST with I-ViT's quantization-aware training.
pub const CHECKPOINT: &[u8] = include_bytes!("../../data/vit_fmnist_ivit_qat.safetensors");
/// What messages call it.
pub const CHECKPOINT_NAME: &str = "the bundled checkpoint vit_fmnist_ivit_qat.safetensors";
const IMAGES: &[u8] = include_bytes!("../../data/fmnist-test-1000-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../data/fmnist-test-1000-labels-idx1-ubyte.gz");

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
