//! Binary layers on 128-bit vectors: tables made, and sums taken out of words, by four.

use quant::Fault;
use quant::bits::{BitPack, BitWeights};
use quant::ops::{BinaryLinearOut, BitsOut, LinearOut, Planes};
use quant::slice::{window, window_mut};

use super::asm::{self, Field, Products, add_panels, finish, finish_i16};
use crate::binary::binarize::at_least;
use crate::binary::epilogue::{Epilogue, store_as_reference};
use crate::binary::fields::{Block, Fields};
use crate::binary::linear::{CHANNELS, LANES};
use crate::binary::subsets::{Inputs, Tables};
use crate::plain;
use crate::requantize::look_up;

pub(crate) use asm::fill;

/// Panels of 16 channels that share the tables of a word: a matter of how much faster than making
/// tables looking them up is, and of the stack.
pub(crate) const PANELS: usize = 32;

/// Of the bytes of signs and of what is not 0: the count of those that differ from their weight.
#[inline(always)]
pub(crate) fn count(inputs: &mut Inputs, signs: [u32; 4], nonzero: [u32; 4]) {
    asm::count(&[signs, nonzero], inputs);
}

/// Adds the sums of word `at.1` with the channels from `at.0` on; to 0 if `fresh`.
#[inline(always)]
pub(crate) fn add(
    tables: &Tables,
    weights: &BitWeights<'_>,
    at: (usize, usize),
    fresh: bool,
    packed: &mut [[u32; LANES]],
) -> Result<(), Fault> {
    match weights.pack {
        BitPack::Panel16 if add_panels(tables, weights, at, fresh, packed) => Ok(()),
        BitPack::Panel16 => Err(Fault::Bounds),
        BitPack::Rows => plain::binary::add(tables, weights, at, fresh, packed),
    }
}

/// The products of the rows of a block, row by row.
pub(crate) struct Sums<const R: usize>([[i32; CHANNELS]; R]);

impl<const R: usize> Sums<R> {
    pub(crate) fn new() -> Self {
        Self([[0; CHANNELS]; R])
    }

    /// Adds the sums in `packed`, times their factor; to the offsets of the rows, if they are
    /// the `first` ones.
    #[inline(always)]
    pub(crate) fn take<F: Fields<R>>(
        &mut self,
        packed: &[u32],
        (first, _): (bool, bool),
        rows: &Block<R>,
    ) -> Result<(), Fault> {
        let bits = 32 / R as u32;
        let products = Products::new(F::SIGNED, first);
        for (lane, (z, offset)) in (0..).zip(self.0.iter_mut().zip(rows.offsets)).take(rows.rows) {
            let field = Field {
                // A negative field has borrowed from the next one.
                carry: if F::SIGNED && lane > 0 { 1 << (bits * lane - 1) } else { 0 },
                left: 32 - bits * (lane + 1),
                right: bits as i32 - 32,
                factor: F::FACTOR << rows.up,
                offset: offset << rows.up,
            };
            products.add(packed, window_mut(z, 0, packed.len())?, &field);
        }
        Ok(())
    }

    /// Stores the products of consecutive channels, from `(row, channel)` on.
    pub(crate) fn store<F: Fields<R>>(
        &self,
        packed: &[u32],
        _: bool,
        rows: &Block<R>,
        epilogue: &Epilogue,
        (row, channel): (usize, usize),
        out: &mut BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        for (row, z) in (row..).zip(&self.0).take(rows.rows) {
            store(window(z, 0, packed.len())?, epilogue, (row, channel), out)?;
        }
        Ok(())
    }
}

/// Stores the products of consecutive channels of one row.
#[inline(never)]
fn store(
    z: &[i32],
    epilogue: &Epilogue,
    (row, channel): (usize, usize),
    out: &mut BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    match (out, epilogue.headroom()) {
        (BinaryLinearOut::Dense { bias, requant, out, n, .. }, Some(headroom)) => {
            let at = row * *n + channel;
            let bias = window(bias, channel, z.len())?;
            let requant = requant.window(channel, z.len())?;
            match out {
                LinearOut::I8 { out, table } => {
                    let out = window_mut(out, at, z.len())?;
                    if headroom == 0 {
                        finish(z, bias, requant.mantissa, requant.shift, out);
                    } else {
                        let mut wide = [0; CHANNELS];
                        finish_i16((z, bias), headroom, &requant, None, window_mut(&mut wide, 0, z.len())?);
                        out.iter_mut().zip(wide).for_each(|(y, t)| *y = t.clamp(-128, 127) as i8);
                    }
                    if let Some(table) = table {
                        look_up(table, out);
                    }
                    Ok(())
                }
                LinearOut::I16 { out, .. } => {
                    let out = window_mut(out, at, z.len())?;
                    finish_i16((z, bias), headroom, &requant, epilogue.residual(), out);
                    Ok(())
                }
                LinearOut::I32 { .. } => Err(Fault::Instruction),
            }
        }
        (BinaryLinearOut::Bits(out), _) => bits(z, (row, channel), out),
        (out, _) => store_as_reference(z, (row, channel), out),
    }
}

/// Sets the bits of consecutive channels of one row.
fn bits(z: &[i32], (row, channel): (usize, usize), out: &mut BitsOut<'_>) -> Result<(), Fault> {
    for (z, first) in z.chunks(32).zip((channel..).step_by(32)) {
        let masks = match &out.planes {
            Planes::Sign { high, .. } => (at_least(z, window(high, first, z.len())?, 0), 0),
            Planes::Ternary { low, high, .. } => {
                let (low, high) = (window(low, first, z.len())?, window(high, first, z.len())?);
                (at_least(z, high, 0), !at_least(z, low, 1))
            }
        };
        out.set(row, first, z.len() as u32, masks)?;
    }
    Ok(())
}
