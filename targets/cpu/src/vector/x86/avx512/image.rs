//! Pixels through the tables of their channels.

use core::arch::x86_64::{_mm512_mask_blend_epi8, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8};

use quant::Fault;
use quant::slice::chunks;

use super::lookup::Bytes;
use super::{WIDTH, first};

/// Whole pixels of `C` channels, each byte through the table of its channel.
///
/// # Safety
///
/// Where AVX-512 BW and VBMI are.
#[inline(always)]
pub(super) unsafe fn quantize<const C: usize>(tables: &[i8], x: &mut [u8]) -> Result<(), Fault> {
    let tables: &[[u8; 256]; C] =
        chunks(bytemuck::cast_slice(tables)).0.first_chunk().ok_or(Fault::Bounds)?;
    let whole = x.len() / C * C;
    // SAFETY: as the caller vouches; a chunk has as many bytes as its mask has ones.
    unsafe {
        let mut found = [Bytes::new(&tables[0]); C];
        let mut places = [0; C];
        for channel in 0..C {
            found[channel] = Bytes::new(&tables[channel]);
            for place in (channel..WIDTH).step_by(C) {
                places[channel] |= 1 << place;
            }
        }
        for (number, chunk) in x[..whole].chunks_mut(WIDTH).enumerate() {
            let (mask, before) = (first(chunk.len()), number * WIDTH % C);
            let values = _mm512_maskz_loadu_epi8(mask, chunk.as_ptr().cast());
            let mut to = found[0].get(values);
            for channel in 1..C {
                let here = places[(channel + C - before) % C];
                to = _mm512_mask_blend_epi8(here, to, found[channel].get(values));
            }
            _mm512_mask_storeu_epi8(chunk.as_mut_ptr().cast(), mask, to);
        }
    }
    Ok(())
}
