//! Binary layers on 128-bit vectors: tables made, and sums taken out of words, by four.

use quant::Fault;
use quant::bits::{BitPack, BitWeights, place};
use quant::ops::{BinaryLinearOut, BitsOut, LinearOut, Planes};
use quant::slice::{chunks, rows, window, window_mut};

use super::asm::{
    self, Field, PRODUCT, Product, Products, add_panels, below, counts_below, finish, finish_i16,
};
use crate::binary::epilogue::{Epilogue, store_as_reference};
use crate::binary::fields::{Block, Fields};
use crate::binary::linear::{CHANNELS, LANES};
use crate::binary::subsets::{Inputs, Tables};
use crate::plain;
use crate::requantize::look_up;

pub(crate) use super::binary_attention::{select, signs, sum};
pub(crate) use asm::{at_least, distances, fill, fill_low, shorten};

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
pub(crate) struct Sums<const R: usize> {
    products: [[Product; CHANNELS]; R],
    /// The offset and the first channel for which the first two rows hold limits of counts instead, in
    /// bytes: of the channels that are +1, and of those that are not −1.
    limits: Option<(i32, usize)>,
}

impl<const R: usize> Sums<R> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { products: [[PRODUCT; CHANNELS]; R], limits: None }
    }

    /// Takes the sums out of `packed`, where they are not the last ones: those stay there.
    #[inline(always)]
    pub(crate) fn take<F: Fields<R>>(
        &mut self,
        packed: &[u32],
        (first, last): (bool, bool),
        rows: &Block<R>,
    ) -> Result<(), Fault> {
        self.limits = self.limits.filter(|_| last);
        for (lane, z) in self.products.iter_mut().enumerate().take(if last { 0 } else { rows.rows }) {
            take_row::<F, R>(packed, lane, first, rows, z);
        }
        Ok(())
    }

    /// Stores the products of consecutive channels, from `(row, channel)` on: the last ones in
    /// `packed`, and what was taken before, if those are not the `only` ones.
    pub(crate) fn store<F: Fields<R>>(
        &mut self,
        packed: &[u32],
        only: bool,
        rows: &Block<R>,
        epilogue: &Epilogue,
        (row, channel): (usize, usize),
        out: &mut BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        if let (true, false, BinaryLinearOut::Bits(out)) = (only, F::SIGNED, &mut *out) {
            let whole = packed.len() % LANES == 0 && out.group % LANES == 0;
            if whole && rows.offsets.iter().all(|&offset| offset == rows.offsets[0]) {
                let offset = rows.offsets[0];
                return self.compare(packed, offset, (row, rows.rows), channel, out);
            }
        }
        self.limits = None;
        for (lane, z) in self.products.iter_mut().enumerate().take(rows.rows) {
            let z = take_row::<F, R>(packed, lane, only, rows, z);
            store(z, epilogue, (row + lane, channel), out)?;
        }
        Ok(())
    }
}

/// Adds the sums of row `lane` in `packed`, times their factor, to `z`, which it returns; to the
/// offset of the row, if they are the `first` ones.
#[inline(always)]
fn take_row<'z, F: Fields<R>, const R: usize>(
    packed: &[u32],
    lane: usize,
    first: bool,
    rows: &Block<R>,
    z: &'z mut [Product],
) -> &'z [i32] {
    let (bits, at) = (32 / R as u32, lane as u32);
    let field = Field {
        // A negative field has borrowed from the next one.
        carry: if F::SIGNED && lane > 0 { 1 << (bits * at - 1) } else { 0 },
        left: 32 - bits * (at + 1),
        right: bits as i32 - 32,
        factor: F::FACTOR << rows.up,
        offset: rows.offsets.get(lane).map_or(0, |offset| offset << rows.up),
    };
    Products::new(F::SIGNED, first).add(packed, z, &field)
}

impl<const R: usize> Sums<R> {
    /// Sets the bits of whole panels of channels from `channel` on, in four rows of which the first
    /// `count`, from `row` on, are there. Each of these has the same `offset`.
    #[inline(never)]
    fn compare(
        &mut self,
        packed: &[u32],
        offset: i32,
        (row, count): (usize, usize),
        channel: usize,
        out: &mut BitsOut<'_>,
    ) -> Result<(), Fault> {
        let [upper, lower, ..] = self.products.as_mut_slice() else { return Err(Fault::Bounds) };
        if self.limits != Some((offset, channel)) {
            self.limits = Some((offset, channel));
            match &out.planes {
                Planes::Sign { high, .. } => {
                    counts_below(offset, window(high, channel, packed.len())?, upper);
                }
                Planes::Ternary { low, high, .. } => {
                    counts_below(offset, window(high, channel, packed.len())?, upper);
                    // At least one more than `low`.
                    counts_below(offset - 1, window(low, channel, packed.len())?, lower);
                }
            }
        }
        let limits = rows(upper, LANES / 4).zip(rows(lower, LANES / 4));
        for ((counts, (high, low)), channel) in
            chunks::<LANES, _>(packed).0.iter().zip(limits).zip((channel..).step_by(LANES))
        {
            let (word, bit) = place(channel, out.group);
            let high = below(counts, high.try_into().map_err(|_| Fault::Bounds)?);
            let set = |words: &mut [u32], masks: [u16; 4]| -> Result<(), Fault> {
                for (row, mask) in (row..).zip(masks).take(count) {
                    *words.get_mut(row * out.words + word).ok_or(Fault::Bounds)? |=
                        u32::from(mask) << (bit & 31);
                }
                Ok(())
            };
            match &mut out.planes {
                Planes::Sign { out, .. } => set(out, high)?,
                Planes::Ternary { sign, nonzero, .. } => {
                    let mut any = below(counts, low.try_into().map_err(|_| Fault::Bounds)?);
                    any.iter_mut().zip(high).for_each(|(any, high)| *any = !*any | high);
                    set(sign, high)?;
                    set(nonzero, any)?;
                }
            }
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
