//! Four bytes of a word at once.

use quant::slice::chunks;

use super::isa::{max4, sxtb16, sxtb16_odd};

/// `[(x0, x2), (x1, x3)]` in 16-bit halves, low half first.
#[inline(always)]
pub(super) fn widen(quad: [i8; 4]) -> [u32; 2] {
    let word = u32::from_le_bytes(quad.map(|byte| byte as u8));
    [sxtb16(word), sxtb16_odd(word)]
}

/// The largest of `x`; −128 if there are none.
#[inline(always)]
pub(crate) fn max(x: &[i8]) -> i8 {
    let (eights, tail) = chunks::<8, _>(x);
    let largest = eights
        .iter()
        .fold([i8::MIN; 4], |most, &[a, b, c, d, e, f, g, h]| max4(max4(most, [a, b, c, d]), [e, f, g, h]));
    largest.into_iter().chain(tail.iter().copied()).fold(i8::MIN, i8::max)
}
