//! From grey, RGB or RGBA to the channels a model reads.

use core::mem::swap;

use super::{ChannelOrder, FitError, MAX_CHANNELS};

/// From a pixel of a source to one of a model.
#[derive(Clone, Copy)]
pub(super) struct Pixel {
    from: u8,
    to: u8,
    /// The model takes blue first.
    swapped: bool,
}

impl Pixel {
    /// From pixels of 1 to 4 channels, red first, to `to` channels in `order`.
    ///
    /// # Errors
    ///
    /// [`FitError::Channels`] for a number of channels that no model has, and
    /// [`FitError::Conversion`] where no rule leads to it.
    pub(super) fn new(from: u8, to: u8, order: ChannelOrder) -> Result<Self, FitError> {
        if to == 0 || to > MAX_CHANNELS {
            return Err(FitError::Channels(to));
        }
        if to != from && to != 1 && to != 3 {
            return Err(FitError::Conversion { from, to });
        }
        Ok(Self { from, to, swapped: order == ChannelOrder::Bgr })
    }

    /// Bytes of the model's pixel.
    pub(super) fn len(self) -> usize {
        self.to.into()
    }

    /// Writes the model's pixel `dst` of the source's, whose values `src` begins with.
    pub(super) fn write(self, src: &[u8; MAX_CHANNELS as usize], dst: &mut [u8]) {
        match (src, self.from, &mut *dst) {
            ([r, g, b, _], 3 | 4, [grey]) => {
                let luma = 77 * u32::from(*r) + 150 * u32::from(*g) + 29 * u32::from(*b);
                *grey = ((luma + 128) >> 8) as u8;
            }
            ([grey, ..], 1 | 2, [r, g, b]) => (*r, *g, *b) = (*grey, *grey, *grey),
            (src, _, dst) => dst.iter_mut().zip(src).for_each(|(to, from)| *to = *from),
        }
        if let (true, [first, _, third, ..]) = (self.swapped, dst) {
            swap(first, third);
        }
    }
}
