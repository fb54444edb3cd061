//! Transposition of bits, 32 rows of 32 at a time.

use quant::Fault;
use quant::bits::WORD;
use quant::ops::BitTransposeArgs;
use quant::slice::chunks_mut;

/// Bits of a word, and rows that are transposed at once.
const SIDE: usize = WORD as usize;

/// A whole tensor.
pub(crate) fn transpose(args: &BitTransposeArgs, x: &[u32], out: &mut [u32]) -> Result<(), Fault> {
    let BitTransposeArgs { rows, width, group, stride } = *args;
    let row = rows.div_ceil(SIDE);
    let (mut word, mut channel) = (0, 0);
    while channel < width {
        // The channels of a word; a group begins with one.
        let left = group - channel.checked_rem(group).ok_or(Fault::Instruction)?;
        let count = left.min(SIDE).min(width - channel);
        for (block, first) in (0..rows).step_by(SIDE).enumerate() {
            let mut square = [0; SIDE];
            for (to, row) in square.iter_mut().zip(first..rows) {
                *to = x.get(row * stride + word).copied().ok_or(Fault::Bounds)?;
            }
            turn(&mut square);
            for (from, channel) in square.iter().zip(channel..channel + count) {
                *out.get_mut(channel * row + block).ok_or(Fault::Bounds)? = *from;
            }
        }
        (word, channel) = (word + 1, channel + count);
    }
    Ok(())
}

/// Swaps the upper `$by` bits of each pair of as many in rows of the first half of every `2 · $by`
/// with the lower ones in the second half.
macro_rules! swap {
    ($square:expr, $by:literal, $low:literal) => {
        for rows in chunks_mut::<{ 2 * $by }, _>($square).0 {
            let (first, second) = rows.split_at_mut($by);
            for (a, b) in first.iter_mut().zip(second) {
                let differ = (*a >> $by ^ *b) & $low;
                *b ^= differ;
                *a ^= differ << $by;
            }
        }
    };
}

/// Makes bit `i` of row `j` that of row `i` and bit `j`.
// On its own, so that its loops stay in registers.
#[inline(never)]
fn turn(square: &mut [u32; SIDE]) {
    swap!(square, 16, 0x0000_ffff);
    swap!(square, 8, 0x00ff_00ff);
    swap!(square, 4, 0x0f0f_0f0f);
    swap!(square, 2, 0x3333_3333);
    swap!(square, 1, 0x5555_5555);
}
