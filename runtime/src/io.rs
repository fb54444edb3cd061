//! Descriptions of a program's inputs and outputs.

use crate::image::Fit;
use quant::mem::DType;
use serde::{Deserialize, Serialize};

/// An IEEE 754 single-precision number kept as its bits: for people and hosts, never
/// computed with here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloatBits(pub u32);

impl FloatBits {
    /// Positive, finite and not zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0 && self.0 < 0x7f80_0000
    }

    /// Neither infinite nor NaN.
    pub const fn is_finite(self) -> bool {
        self.0 & 0x7f80_0000 != 0x7f80_0000
    }
}

/// A range of the arena with its element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotHandle {
    /// Element type.
    pub dtype: DType,
    /// Byte offset in the arena.
    pub offset: u32,
    /// Elements.
    pub len: u32,
}

impl SlotHandle {
    /// Bytes covered.
    pub const fn bytes(&self) -> u64 {
        self.len as u64 * self.dtype.size() as u64
    }
}

/// Order of an image's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelOrder {
    /// One channel.
    Gray,
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
    /// Something else, up to four channels.
    Other,
}

/// An image input: u8 pixels in height × width × channel order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Values of each pixel, 1..=4.
    pub channels: u8,
    /// Their order.
    pub order: ChannelOrder,
    /// How a frame of another size becomes this one.
    pub fit: Fit,
    /// Mean of each channel of pixels scaled to \[0, 1\], already folded into the program.
    pub mean: [FloatBits; 4],
    /// Standard deviation of each channel, likewise.
    pub std: [FloatBits; 4],
}

/// What an input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputKind {
    /// A u8 frame.
    Image(Image),
    /// Integers of one scale.
    Tensor {
        /// Dimensions, outermost first, padded with 1.
        shape: [u32; 4],
        /// Real value of one unit.
        scale: FloatBits,
    },
}

/// An input of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where the caller puts it.
    pub slot: SlotHandle,
    /// What it holds.
    pub kind: InputKind,
}

/// What an output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputKind {
    /// One logit for each class.
    Logits,
    /// An embedding.
    Embedding,
    /// A dense map.
    Dense,
    /// Numbers that stand for themselves: a regression, or the corners of a box.
    Values,
}

impl OutputKind {
    /// Its name: `logits`, `embedding`, `dense` or `values`.
    pub const fn name(self) -> &'static str {
        match self {
            OutputKind::Logits => "logits",
            OutputKind::Embedding => "embedding",
            OutputKind::Dense => "dense",
            OutputKind::Values => "values",
        }
    }
}

/// An output of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where the caller finds it.
    pub slot: SlotHandle,
    /// What it means.
    pub kind: OutputKind,
    /// Dimensions, outermost first, padded with 1.
    pub shape: [u32; 4],
    /// Real value of one unit.
    pub scale: FloatBits,
}

impl Input<'_> {
    /// Whether the description is consistent with itself.
    pub(crate) fn is_valid(&self) -> bool {
        let elements = match &self.kind {
            InputKind::Image(image) => {
                let channels = usize::from(image.channels);
                if image.fit.check(image.height, image.width).is_err() {
                    return false;
                }
                let normal = image.mean.iter().all(|m| m.is_finite());
                let spread = image.std.iter().take(channels).all(|s| s.is_positive());
                if !(1..=4).contains(&channels) || !normal || !spread || self.slot.dtype != DType::U8 {
                    return false;
                }
                Some(u32::from(image.height) * u32::from(image.width))
                    .and_then(|p| p.checked_mul(channels as u32))
            }
            InputKind::Tensor { shape, scale } if scale.is_positive() => product(shape),
            InputKind::Tensor { .. } => return false,
        };
        elements == Some(self.slot.len)
    }
}

impl Output<'_> {
    /// Whether the description is consistent with itself.
    pub(crate) fn is_valid(&self) -> bool {
        let typed = matches!(self.slot.dtype, DType::I8 | DType::I16 | DType::I32);
        typed && self.scale.is_positive() && product(&self.shape) == Some(self.slot.len)
    }
}

fn product(shape: &[u32; 4]) -> Option<u32> {
    shape.iter().try_fold(1u32, |all, &d| all.checked_mul(d))
}
