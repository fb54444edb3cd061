//! Functions by their knots.

use quant::Fault;
use quant::ops::KNOTS;

use super::block::BLOCK;

/// The knots of a block are looked up, then weighted together.
#[inline(always)]
pub(crate) fn interpolate(table: &[i16; KNOTS], x: &mut [i16]) -> Result<(), Fault> {
    for x in x.chunks_mut(BLOCK) {
        let (mut low, mut high) = ([0; BLOCK], [0; BLOCK]);
        for ((low, high), &v) in low.iter_mut().zip(&mut high).zip(&*x) {
            let knot = usize::from(place(v) >> 7);
            (*low, *high) = (table[knot], table[knot + 1]);
        }
        for (v, (&low, &high)) in x.iter_mut().zip(low.iter().zip(&high)) {
            let (low, high, part) = (i32::from(low), i32::from(high), i32::from(place(*v) & 127));
            *v = ((128 * low + (high - low) * part + 64) >> 7) as i16;
        }
    }
    Ok(())
}

/// `v` counted from the first knot.
#[inline(always)]
fn place(v: i16) -> u16 {
    v as u16 ^ 0x8000
}
