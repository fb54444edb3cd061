//! QuantizeImage: raw pixels to int8, `x ← tables[channel][x]`, in place.
//!
//! The normalisation of the image, `(x / 255 − mean) / std`, and the quantization after it
//! are functions of one byte per channel, folded by the converter into one table of 256
//! entries each: a raw frame from a sensor is the input, and no arithmetic is left.

use serde::{Deserialize, Serialize};

use super::Consts;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, DType, Memory, Slot, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::{rows, rows_mut};

/// Maps each channel of each pixel through its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantizeImage {
    /// Pixels.
    pub pixels: u32,
    /// Channels of each pixel.
    pub channels: u32,
    /// The image, `pixels × channels`; afterwards the slot holds int8.
    pub x: Slot<u8>,
    /// One table per channel: `tables[channel · 256 + value]`.
    pub tables: Blob<i8>,
}

impl QuantizeImage {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        visitor.slot(Role::Update(DType::I8), &mut self.x, Tiling::rows(self.channels));
        visitor.constant(&mut self.tables);
    }

    /// Pixels.
    pub fn rows(&self) -> u32 {
        self.pixels
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// A table of 256 entries for each channel.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.pixels == 0 || self.channels == 0 {
            return Err(Reject::Dimension);
        }
        consts.get(self.tables, self.channels.checked_mul(256).ok_or(Reject::Dimension)?).map(|_| ())
    }

    /// Runs the pixels of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let tables = memory.blob(self.tables)?;
        let x = window.of(self.x, self.channels, self.channels)?;
        kernels.quantize_image(tables, self.channels as usize, memory.slot(x)?)
    }
}

/// Scalar reference: stores the bits of the int8 result in place of the byte.
pub fn quantize_image(tables: &[i8], channels: usize, x: &mut [u8]) -> Result<(), Fault> {
    if tables.len() >> 8 < channels {
        return Err(Fault::Bounds);
    }
    for pixel in rows_mut(x, channels) {
        for (v, table) in pixel.iter_mut().zip(rows(tables, 256)) {
            *v = table.get(usize::from(*v)).map_or(0, |&q| q as u8);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    proptest! {
        #[test]
        fn each_channel_uses_its_table_in_every_tile(
            (channels, x) in (1usize..5).prop_flat_map(|c| (Just(c), prop::collection::vec(any::<u8>(), c * 7))),
            tables in prop::collection::vec(any::<i8>(), 4 * 256),
            tile in 1u32..9,
        ) {
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let op = QuantizeImage {
                pixels: 7,
                channels: channels as u32,
                x: arena.slot(&x),
                tables: consts.blob(&tables[..channels * 256]),
            };
            prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
            let done = run(op, &arena, &consts, tile).unwrap();
            let got = done.get(Slot::<i8>::new(op.x.offset, op.x.len));
            let want: Vec<i8> =
                x.iter().enumerate().map(|(i, &v)| tables[i % channels * 256 + usize::from(v)]).collect();
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn hostile_records_and_short_tables() {
        let op =
            QuantizeImage { pixels: 1, channels: u32::MAX, x: Slot::new(0, 1), tables: Blob::new(0, 256) };
        assert_eq!(op.check(&Consts::new(&[])), Err(Reject::Dimension));
        assert_eq!(QuantizeImage { channels: 0, ..op }.check(&Consts::new(&[])), Err(Reject::Dimension));
        assert_eq!(QuantizeImage { channels: 2, ..op }.check(&Consts::new(&[])), Err(Reject::BlobLength));
        assert_eq!(quantize_image(&vec![0; 511], 2, &mut [1, 2]), Err(Fault::Bounds));
    }
}
