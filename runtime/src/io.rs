//! Descriptions of a program's inputs and outputs.

use crate::float_bits::FloatBits;
use crate::image::Image;
use quant::mem::DType;
use serde::{Deserialize, Serialize};

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
