//! What the instructions do, in plain Rust.

use quant::Fault;
use quant::arith::Multiplier;
use quant::slice::{chunks, window, window_mut};

use super::attention;
use super::linear::{Block, LANES, ROWS};
use crate::gemm::CHANNELS;
use crate::requantize::requantize_i8;

pub(super) use crate::gemm::finish_i16;
pub(super) use crate::layer_norm::{normalize_i8, normalize_i16};
pub(super) use crate::shift_gelu::row as gelu;
pub(super) use crate::shiftmax::probabilities;

/// Adds the products of `pairs` panels of `vectors` vector pairs, `stride` bytes apart; to zero if
/// `fresh`.
#[inline(always)]
pub(super) fn multiply(
    block: &Block,
    vectors: usize,
    panels: &[i8],
    (stride, pairs): (usize, usize),
    fresh: bool,
    sums: &mut [[i32; CHANNELS]; ROWS],
) -> Result<(), Fault> {
    for pair in 0..pairs {
        let panel = window(panels, pair * stride, vectors * 2 * LANES)?;
        for (sums, row) in sums.iter_mut().zip(block) {
            let sums = window_mut(sums, 2 * pair, 2)?;
            if fresh {
                sums.fill(0);
            }
            for (channel, z) in sums.iter_mut().enumerate() {
                let w = chunks::<LANES, _>(panel).0.iter().skip(channel).step_by(2).flatten();
                *z += row.iter().zip(w).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
            }
        }
    }
    Ok(())
}

/// Copies as many bytes as the shorter slice holds.
#[inline(always)]
pub(super) fn copy(to: &mut [i8], from: &[i8]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}

/// As [`requantize_i8`], for as many elements as the shortest slice has.
#[inline(always)]
pub(super) fn finish(sums: &[i32], bias: &[i32], mantissa: &[i32], shift: &[u8], out: &mut [i8]) {
    for ((y, &z), ((&b, &m), &e)) in out.iter_mut().zip(sums).zip(bias.iter().zip(mantissa).zip(shift)) {
        *y = requantize_i8(z + b, m, e);
    }
}

/// `sums[j] = Σ_i q[i] · k[j · stride + i]` for whole pairs of keys, which `k` holds.
#[inline(always)]
pub(super) fn key_products(q: &[i8], k: &[i8], stride: usize, sums: &mut [i32]) {
    for (j, z) in sums.iter_mut().enumerate() {
        let k = k.get(j * stride..).unwrap_or(&[]);
        *z = q.iter().zip(k).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
    }
}

/// `Σ_j p[j] · v[j · stride + c]`; `v` holds a row for each probability.
#[inline(always)]
pub(super) fn weighted(p: &[i16], v: &[i8], stride: usize) -> [i32; attention::CHANNELS] {
    let mut sums = [0; attention::CHANNELS];
    for (j, &p) in p.iter().enumerate() {
        for (z, &v) in sums.iter_mut().zip(v.get(j * stride..).unwrap_or(&[])) {
            *z += i32::from(p) * i32::from(v);
        }
    }
    sums
}

/// All sums with one multiplier, whose shift is at least 33.
#[inline(always)]
pub(super) fn requantize(sums: &[i32], scale: Multiplier, out: &mut [i8]) {
    for (y, &z) in out.iter_mut().zip(sums) {
        *y = requantize_i8(z, scale.mantissa, scale.shift);
    }
}
