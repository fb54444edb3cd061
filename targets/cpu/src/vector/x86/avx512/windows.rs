//! Convolutions of each channel by a kernel of its own, of any size, as products of four bytes: those of four
//! taps, one after another.

use core::arch::x86_64::{
    _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_xor_si512,
};

use quant::Fault;
use quant::ops::Conv2dArgs;
use quant::slice::window_mut;

use super::constants::{Channels, Constants};
use super::lookup::Bytes;
use super::{WIDTH, interleave};
use crate::vector::x86::taps::{MAX_TAPS, Taps};

/// Taps whose products are one.
const TAPS: usize = 4;

/// As many pixels as `out` holds. Apart, so that it does not take its room on the stack where others run.
///
/// # Safety
///
/// Where AVX-512 BW, VBMI and VNNI are.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn windows(
    args: &Conv2dArgs<'_>,
    x: &[i8],
    out: &mut [i8],
    table: Option<&[i8; 256]>,
) -> Result<(), Fault> {
    let n = args.weights.n;
    // SAFETY: as the caller vouches.
    let table = table.map(|table| unsafe { Bytes::new(bytemuck::cast_ref(table)) });
    for channel in (0..n).step_by(WIDTH) {
        // SAFETY: as the caller vouches.
        unsafe {
            let (block, mut taps) = (Block::new(args, channel)?, Taps::<WIDTH>::new(args, x, channel));
            let mut oy = args.first.checked_div(args.out_width).ok_or(Fault::Bounds)?;
            let mut ox = args.first - oy * args.out_width;
            for out in out.chunks_exact_mut(n) {
                let sums = block.sums(taps.window(oy, ox)?);
                block.constants.put(sums, table, window_mut(out, channel, block.constants.count)?);
                ox += 1;
                if ox == args.out_width {
                    (oy, ox) = (oy + 1, 0);
                }
            }
        }
    }
    Ok(())
}

/// Channels, and their weights.
struct Block {
    /// Of four taps each.
    weights: [Channels; MAX_TAPS / TAPS],
    /// Fours of taps that there are.
    fours: usize,
    constants: Constants,
}

impl Block {
    /// # Safety
    ///
    /// Where AVX-512 BW is.
    #[inline(always)]
    unsafe fn new(args: &Conv2dArgs<'_>, channel: usize) -> Result<Self, Fault> {
        let fours = args.weights.k.div_ceil(TAPS);
        // SAFETY: 64 bytes are read, of arrays of as many.
        unsafe {
            let constants = Constants::new(args, channel)?;
            let mut weights = [[_mm512_setzero_si512(); 4]; MAX_TAPS / TAPS];
            for (four, weights) in weights.iter_mut().enumerate().take(fours) {
                let mut taps = [_mm512_setzero_si512(); TAPS];
                for (number, to) in taps.iter_mut().enumerate() {
                    let tap = TAPS * four + number;
                    let mut of_tap = [0i8; WIDTH];
                    if tap < args.weights.k {
                        for (lane, to) in of_tap.iter_mut().enumerate().take(constants.count) {
                            *to = args.weights.get(channel + lane, tap);
                        }
                    }
                    *to = _mm512_loadu_si512(of_tap.as_ptr().cast());
                }
                *weights = interleave(taps);
            }
            Ok(Self { weights, fours, constants })
        }
    }

    /// The sums of a window.
    ///
    /// # Safety
    ///
    /// Each tap has 64 readable bytes; where AVX-512 BW and VNNI are.
    #[inline(always)]
    unsafe fn sums(&self, taps: &[*const i8; MAX_TAPS]) -> Channels {
        let mut sums = self.constants.start;
        // SAFETY: 64 bytes are read of each tap.
        unsafe {
            let flip = _mm512_set1_epi8(i8::MIN);
            for (taps, weights) in taps.as_chunks::<TAPS>().0.iter().zip(&self.weights).take(self.fours) {
                let mut x = [flip; TAPS];
                for (x, tap) in x.iter_mut().zip(taps) {
                    *x = _mm512_xor_si512(_mm512_loadu_si512(tap.cast()), flip);
                }
                let x = interleave(x);
                for part in 0..4 {
                    sums[part] = _mm512_dpbusd_epi32(sums[part], x[part], weights[part]);
                }
            }
        }
        sums
    }
}
