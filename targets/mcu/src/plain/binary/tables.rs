//! The bits of words, and the tables of subsets.

use quant::slice::chunks_mut;

use crate::binary::subsets::{Inputs, Tables, spread, subsets};

/// Of the bytes of signs and of what is not 0: the count of those that differ from their weight.
// One copy: it is a long line of instructions.
#[inline(never)]
pub(crate) fn count(inputs: &mut Inputs, signs: [u32; 4], nonzero: [u32; 4]) {
    inputs.all_minus = 0;
    let bytes = chunks_mut::<8, _>(&mut inputs.more).0.iter_mut().zip(signs.iter().zip(nonzero));
    for (more, (&sign, nonzero)) in bytes {
        for (more, bit) in more.iter_mut().zip(0..8) {
            let (sign, nonzero) = (sign >> bit & 0x0101_0101, nonzero >> bit & 0x0101_0101);
            inputs.all_minus = inputs.all_minus.wrapping_add(sign);
            *more = nonzero.wrapping_sub(2 * sign);
        }
    }
}

/// The tables of the first inputs.
#[inline(always)]
pub(crate) fn fill_low(tables: &mut Tables, inputs: &Inputs) {
    let ([a, b], [c, ..]) = (&mut tables.six, &mut tables.five);
    let [a0, a1, a2, a3, a4, a5, b0, b1, b2, b3, b4, b5, c0, c1, c2, c3, c4, ..] = inputs.more;
    spread(a, &subsets(0, [a0, a1, a2]), &subsets(inputs.all_minus, [a3, a4, a5]));
    spread(b, &subsets(0, [b0, b1, b2]), &subsets(0, [b3, b4, b5]));
    spread(c, &subsets(0, [c0, c1, c2]), &subsets(0, [c3, c4, 0]));
}

/// All tables of `inputs`.
#[inline(always)]
pub(crate) fn fill(tables: &mut Tables, inputs: &Inputs) {
    tables.fill_low(inputs);
    let [_, d, e, f] = &mut tables.five;
    let [.., d0, d1, d2, d3, d4, e0, e1, e2, e3, e4, f0, f1, f2, f3, f4] = inputs.more;
    spread(d, &subsets(0, [d0, d1, d2]), &subsets(0, [d3, d4, 0]));
    spread(e, &subsets(0, [e0, e1, e2]), &subsets(0, [e3, e4, 0]));
    spread(f, &subsets(0, [f0, f1, f2]), &subsets(0, [f3, f4, 0]));
}
