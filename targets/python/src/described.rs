//! What a model takes and gives, for Python.

use pyo3::prelude::*;
use shiftformer::OutputInfo;
use shiftformer::runtime::{self, ChannelOrder, Ending, FloatBits};

/// The image that a model takes.
#[pyclass(frozen, get_all, module = "shiftformer")]
pub struct Image {
    height: u16,
    width: u16,
    channels: u8,
    order: &'static str,
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Image {
    /// What `image` says.
    pub fn new(image: &runtime::Image) -> Self {
        let values = |bits: &[FloatBits]| {
            bits.iter().take(image.channels.into()).map(|bits| f32::from_bits(bits.0)).collect()
        };
        Self {
            height: image.height,
            width: image.width,
            channels: image.channels,
            order: match image.order {
                ChannelOrder::Gray => "gray",
                ChannelOrder::Rgb => "rgb",
                ChannelOrder::Bgr => "bgr",
                ChannelOrder::Other => "other",
            },
            mean: values(&image.mean),
            std: values(&image.std),
        }
    }
}

#[pymethods]
impl Image {
    fn __repr__(&self) -> String {
        format!("Image({} × {} × {}, {})", self.height, self.width, self.channels, self.order)
    }
}

/// An output of a model.
#[pyclass(frozen, get_all, module = "shiftformer")]
pub struct Output {
    name: String,
    kind: &'static str,
    answer: &'static str,
    ending: Option<&'static str>,
    shape: Vec<usize>,
    scale: f32,
}

impl Output {
    /// What `output` says.
    pub fn new(output: &OutputInfo<'_>) -> Self {
        Self {
            name: output.name.to_owned(),
            kind: output.kind.name(),
            answer: output.reading().name(),
            ending: output.ending.map(Ending::name),
            shape: shape(output),
            scale: output.scale,
        }
    }
}

#[pymethods]
impl Output {
    fn __repr__(&self) -> String {
        format!("Output({:?}, {}, {:?})", self.name, self.answer, self.shape)
    }
}

/// The dimensions of `output`: of a map three, of others one.
pub fn shape(output: &OutputInfo<'_>) -> Vec<usize> {
    match output.kind {
        runtime::OutputKind::Dense => output.shape[..3].iter().map(|&side| side as usize).collect(),
        runtime::OutputKind::Logits | runtime::OutputKind::Embedding | runtime::OutputKind::Values => {
            vec![output.len]
        }
    }
}
