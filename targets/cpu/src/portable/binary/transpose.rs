//! Transposes in blocks of 32 × 32 bits.

use quant::Fault;
use quant::ops::BitTransposeArgs;
use quant::slice::at;

const WORD: usize = 32;

#[inline(always)]
pub(crate) fn bit_transpose(args: &BitTransposeArgs, x: &[u32], out: &mut [u32]) -> Result<(), Fault> {
    let BitTransposeArgs { rows, width, group, stride } = *args;
    let out_words = rows.div_ceil(WORD);
    let group_words = group.div_ceil(WORD);
    for (index, first) in (0..width).step_by(group.max(1)).enumerate() {
        for word in 0..group_words {
            let channel = first + word * WORD;
            let count = (group - word * WORD).min(WORD);
            for block in 0..out_words {
                let mut bits = [0u32; WORD];
                for (place, row) in bits.iter_mut().zip(block * WORD..rows) {
                    *place = at(x, row * stride + index * group_words + word)?;
                }
                square(&mut bits);
                for (&bits, channel) in bits.iter().take(count).zip(channel..) {
                    *out.get_mut(channel * out_words + block).ok_or(Fault::Bounds)? = bits;
                }
            }
        }
    }
    Ok(())
}

/// Bit `c` of word `r` becomes bit `r` of word `c`: quarters are swapped, then theirs.
#[inline(always)]
fn square(bits: &mut [u32; WORD]) {
    let mut half = WORD / 2;
    let mut mask = u32::MAX >> half;
    while half > 0 {
        for low in (0..WORD).filter(|row| row & half == 0) {
            let swapped = (bits[low] >> half ^ bits[low + half]) & mask;
            bits[low] ^= swapped << half;
            bits[low + half] ^= swapped;
        }
        half /= 2;
        mask ^= mask << half;
    }
}
