//! What several op records share.

use serde::{Deserialize, Serialize};

use crate::arith::{MAX_SHIFT, MIN_SHIFT, requantize};
use crate::bits::BitPack;
use crate::error::{Fault, Reject};
use crate::mem::{Blob, DType, Element, Memory, Rest, Slot, Window, read_blob};
use crate::operand::{Role, Tiling, Visitor};
use crate::pack::Pack;
use crate::slice::{window, window_mut};

/// The constants, as `check` sees them.
pub struct Consts<'a> {
    blobs: &'a [u8],
}

impl<'a> Consts<'a> {
    /// Constants whose handles count from the start of `blobs`.
    pub fn new(blobs: &'a [u8]) -> Self {
        Self { blobs }
    }

    /// A constant of exactly `len` elements.
    pub fn get<T: Element>(&self, blob: Blob<T>, len: u32) -> Result<&'a [T], Reject> {
        if blob.len != len {
            return Err(Reject::BlobLength);
        }
        read_blob(self.blobs, blob).map_err(|_| Reject::Blob)
    }

    /// Checks an `n × k` weight matrix: its length, no −128, zero padding.
    pub fn check_weights(&self, blob: Blob<i8>, pack: Pack, n: u32, k: u32) -> Result<(), Reject> {
        let data = self.get(blob, pack.len(n, k).ok_or(Reject::Dimension)?)?;
        // To the end, so that compilers make vectors of it.
        if data.iter().fold(false, |found, &weight| found | (weight == i8::MIN)) {
            return Err(Reject::Weight);
        }
        if pack.is_zero_padded(data, n, k) { Ok(()) } else { Err(Reject::Padding) }
    }
}

impl Consts<'_> {
    /// Checks `n` bit rows of `words` words, grouped by `group`: their length, zero padding.
    pub fn check_bit_weights(
        &self,
        blob: Blob<u32>,
        pack: BitPack,
        n: u32,
        words: u32,
        group: u32,
    ) -> Result<(), Reject> {
        let data = self.get(blob, pack.len(n, words).ok_or(Reject::Dimension)?)?;
        if pack.is_zero_padded(data, n, words, group) { Ok(()) } else { Err(Reject::Padding) }
    }
}

/// A slot of activations, of the types that most ops take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// 8-bit activations.
    I8(Slot<i8>),
    /// 16-bit activations.
    I16(Slot<i16>),
    /// Accumulators or logits.
    I32(Slot<i32>),
}

impl Act {
    /// Its element type.
    pub const fn dtype(&self) -> DType {
        match self {
            Act::I8(_) => DType::I8,
            Act::I16(_) => DType::I16,
            Act::I32(_) => DType::I32,
        }
    }

    /// Number of elements.
    pub const fn len(&self) -> u32 {
        match self {
            Act::I8(s) => s.len,
            Act::I16(s) => s.len,
            Act::I32(s) => s.len,
        }
    }

    /// Whether it has no elements.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn visit(&mut self, visitor: &mut Visitor<'_>, role: Role, tiling: Tiling) {
        match self {
            Act::I8(s) => visitor.slot(role, s, tiling),
            Act::I16(s) => visitor.slot(role, s, tiling),
            Act::I32(s) => visitor.slot(role, s, tiling),
        }
    }

    /// The rows of `window`; see [`Window::of`].
    pub(crate) fn window(self, rows: Window, stride: u32, width: u32) -> Result<Self, Fault> {
        Ok(match self {
            Act::I8(s) => Act::I8(rows.of(s, stride, width)?),
            Act::I16(s) => Act::I16(rows.of(s, stride, width)?),
            Act::I32(s) => Act::I32(rows.of(s, stride, width)?),
        })
    }

    pub(crate) fn read<'a>(self, rest: &Rest<'a>) -> Result<Tensor<'a>, Fault> {
        Ok(match self {
            Act::I8(s) => Tensor::I8(rest.read(s)?),
            Act::I16(s) => Tensor::I16(rest.read(s)?),
            Act::I32(s) => Tensor::I32(rest.read(s)?),
        })
    }

    pub(crate) fn split<'a>(self, memory: &'a mut Memory<'_>) -> Result<(TensorMut<'a>, Rest<'a>), Fault> {
        Ok(match self {
            Act::I8(s) => {
                let (out, rest) = memory.split(s)?;
                (TensorMut::I8(out), rest)
            }
            Act::I16(s) => {
                let (out, rest) = memory.split(s)?;
                (TensorMut::I16(out), rest)
            }
            Act::I32(s) => {
                let (out, rest) = memory.split(s)?;
                (TensorMut::I32(out), rest)
            }
        })
    }
}

/// Activations to read.
#[derive(Clone, Copy, Debug)]
pub enum Tensor<'a> {
    /// 8-bit activations.
    I8(&'a [i8]),
    /// 16-bit activations.
    I16(&'a [i16]),
    /// Accumulators or logits.
    I32(&'a [i32]),
}

impl<'a> Tensor<'a> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Tensor::I8(x) => x.len(),
            Tensor::I16(x) => x.len(),
            Tensor::I32(x) => x.len(),
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `len` elements from `start` on.
    pub fn window(&self, start: usize, len: usize) -> Result<Tensor<'a>, Fault> {
        Ok(match self {
            Tensor::I8(x) => Tensor::I8(window(x, start, len)?),
            Tensor::I16(x) => Tensor::I16(window(x, start, len)?),
            Tensor::I32(x) => Tensor::I32(window(x, start, len)?),
        })
    }

    /// Element `index` widened; 0 outside.
    #[inline(always)]
    pub fn get(&self, index: usize) -> i32 {
        match self {
            Tensor::I8(x) => x.get(index).map_or(0, |&v| v.into()),
            Tensor::I16(x) => x.get(index).map_or(0, |&v| v.into()),
            Tensor::I32(x) => x.get(index).map_or(0, |&v| v),
        }
    }
}

/// Activations to write.
#[derive(Debug)]
pub enum TensorMut<'a> {
    /// 8-bit activations.
    I8(&'a mut [i8]),
    /// 16-bit activations.
    I16(&'a mut [i16]),
    /// Accumulators or logits.
    I32(&'a mut [i32]),
}

impl TensorMut<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            TensorMut::I8(x) => x.len(),
            TensorMut::I16(x) => x.len(),
            TensorMut::I32(x) => x.len(),
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `len` elements from `start` on.
    pub fn window(&mut self, start: usize, len: usize) -> Result<TensorMut<'_>, Fault> {
        Ok(match self {
            TensorMut::I8(x) => TensorMut::I8(window_mut(x, start, len)?),
            TensorMut::I16(x) => TensorMut::I16(window_mut(x, start, len)?),
            TensorMut::I32(x) => TensorMut::I32(window_mut(x, start, len)?),
        })
    }

    /// What is there now.
    pub fn held(&self) -> Tensor<'_> {
        match self {
            TensorMut::I8(x) => Tensor::I8(x),
            TensorMut::I16(x) => Tensor::I16(x),
            TensorMut::I32(x) => Tensor::I32(x),
        }
    }

    /// Stores `value` saturated to the element type; nothing outside.
    #[inline(always)]
    pub fn set(&mut self, index: usize, value: i64) {
        match self {
            TensorMut::I8(x) => {
                if let Some(place) = x.get_mut(index) {
                    *place = crate::arith::saturate_i8(value);
                }
            }
            TensorMut::I16(x) => {
                if let Some(place) = x.get_mut(index) {
                    *place = crate::arith::saturate_i16(value);
                }
            }
            TensorMut::I32(x) => {
                if let Some(place) = x.get_mut(index) {
                    *place = crate::arith::saturate_i32(value);
                }
            }
        }
    }
}

/// Multipliers of `n` channels: `mantissa[c] / 2^shift[c]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// Signed mantissas.
    pub mantissa: Blob<i32>,
    /// Right shifts, 1..=62.
    pub shift: Blob<u8>,
}

impl Channels {
    pub(crate) fn operands(&mut self, visitor: &mut Visitor<'_>) {
        visitor.constant(&mut self.mantissa);
        visitor.constant(&mut self.shift);
    }

    pub(crate) fn check(&self, consts: &Consts<'_>, channels: u32) -> Result<(), Reject> {
        consts.get(self.mantissa, channels)?;
        let shifts = consts.get(self.shift, channels)?;
        if shifts.iter().any(|s| !(MIN_SHIFT..=MAX_SHIFT).contains(s)) {
            return Err(Reject::Shift);
        }
        Ok(())
    }

    pub(crate) fn load<'m>(&self, memory: &Memory<'m>) -> Result<ChannelsRef<'m>, Fault> {
        Ok(ChannelsRef { mantissa: memory.blob(self.mantissa)?, shift: memory.blob(self.shift)? })
    }
}

/// The constants behind [`Channels`].
#[derive(Clone, Copy, Debug)]
pub struct ChannelsRef<'a> {
    /// Signed mantissas.
    pub mantissa: &'a [i32],
    /// Right shifts.
    pub shift: &'a [u8],
}

impl<'a> ChannelsRef<'a> {
    /// Requantizes `z` with the multiplier of `channel`; 0 outside.
    #[inline(always)]
    pub fn apply(&self, channel: usize, z: i32) -> i64 {
        match (self.mantissa.get(channel), self.shift.get(channel)) {
            (Some(&m), Some(&e)) => requantize(z, m, e),
            _ => 0,
        }
    }

    /// The `len` channels from `start` on.
    pub fn window(&self, start: usize, len: usize) -> Result<ChannelsRef<'a>, Fault> {
        Ok(ChannelsRef {
            mantissa: window(self.mantissa, start, len)?,
            shift: window(self.shift, start, len)?,
        })
    }
}

/// Multipliers with a bias in accumulator units: `round((z + bias[c]) · multiplier[c])`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerChannel {
    /// Added to the accumulator, |bias| ≤ 2³⁰.
    pub bias: Blob<i32>,
    /// Multipliers.
    pub scale: Channels,
}

impl PerChannel {
    pub(crate) fn operands(&mut self, visitor: &mut Visitor<'_>) {
        visitor.constant(&mut self.bias);
        self.scale.operands(visitor);
    }

    pub(crate) fn check(&self, consts: &Consts<'_>, channels: u32) -> Result<(), Reject> {
        let bias = consts.get(self.bias, channels)?;
        if bias.iter().any(|b| b.unsigned_abs() > crate::ops::MAX_BIAS) {
            return Err(Reject::Bias);
        }
        self.scale.check(consts, channels)
    }
}
