//! Sums of several rows in one word: taken out, and on to what is done to them.

use quant::Fault;
use quant::ops::{BinaryLinearOut, ChannelsRef, LinearOut, Planes};
use quant::slice::{window, window_mut};

use crate::binary::epilogue::{Epilogue, store_as_reference};
use crate::binary::fields::{Block, Fields};
use crate::binary::linear::CHANNELS;
use crate::binary::signs::{Negatives, near};
use crate::requantize::requantize;

/// Channels that are finished at once: a word of bits.
const BLOCK: usize = 32;

/// The sums of the rows of a block.
pub(crate) struct Sums<const R: usize>([[i32; R]; CHANNELS]);

impl<const R: usize> Sums<R> {
    pub(crate) fn new() -> Self {
        Self([[0; R]; CHANNELS])
    }

    /// Takes the sums out of `packed`, where they are not the last ones: those stay there.
    #[inline(always)]
    pub(crate) fn take<F: Fields<R>>(
        &mut self,
        packed: &[u32],
        (first, last): (bool, bool),
        _: &Block<R>,
    ) -> Result<(), Fault> {
        if last {
            return Ok(());
        }
        for (sums, &entry) in window_mut(&mut self.0, 0, packed.len())?.iter_mut().zip(packed) {
            let before = if first { [0; R] } else { *sums };
            for ((sum, before), field) in sums.iter_mut().zip(before).zip(F::fields(entry)) {
                *sum = before + field;
            }
        }
        Ok(())
    }

    /// Stores the sums of consecutive channels, from `(row, channel)` on: the last ones in
    /// `packed`, and what was taken before, if those are not the `only` ones.
    pub(crate) fn store<F: Fields<R>>(
        &self,
        packed: &[u32],
        only: bool,
        rows: &Block<R>,
        epilogue: &Epilogue,
        (row, channel): (usize, usize),
        out: &mut BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        let before = if only { None } else { Some(window(&self.0, 0, packed.len())?) };
        let sums = View { packed, before };
        let mut block = [[0i32; BLOCK]; R];
        let mut start = 0;
        while start < packed.len() {
            let channel = channel + start;
            let sums = sums.window(start)?;
            let count = sums.packed.len();
            match (&mut *out, epilogue.headroom()) {
                (BinaryLinearOut::Dense { bias, requant, out, n, .. }, Some(headroom)) => {
                    let bias = (window(bias, channel, count)?, headroom & 31);
                    let requant = requant.window(channel, count)?;
                    requantize_block::<F, R>(&sums, rows, bias, &requant, &mut block);
                    for (lane, block) in block.iter().enumerate().take(rows.rows) {
                        write(epilogue, window(block, 0, count)?, (row + lane) * *n + channel, out)?;
                    }
                }
                (BinaryLinearOut::Bits(out), _) => {
                    let masks = masks::<F, R>(&sums, &rows.offsets, &out.planes, channel)?;
                    for (lane, masks) in masks.into_iter().enumerate().take(rows.rows) {
                        out.set(row + lane, channel, count as u32, masks)?;
                    }
                }
                (out, _) => {
                    sums.for_each::<F, _>(0..BLOCK, |sums, i| {
                        for ((place, sum), offset) in block.iter_mut().zip(sums).zip(rows.offsets) {
                            if let Some(place) = place.get_mut(i) {
                                *place = sum * F::FACTOR + offset;
                            }
                        }
                    });
                    for (lane, block) in block.iter().enumerate().take(rows.rows) {
                        store_as_reference(window(block, 0, count)?, (row + lane, channel), out)?;
                    }
                }
            }
            start += count;
        }
        Ok(())
    }
}

/// The sums of consecutive channels.
struct View<'a, const R: usize> {
    /// In fields.
    packed: &'a [u32],
    /// What is to be added, if there is something.
    before: Option<&'a [[i32; R]]>,
}

impl<'a, const R: usize> View<'a, R> {
    /// Up to [`BLOCK`] channels from `start` on.
    fn window(&self, start: usize) -> Result<Self, Fault> {
        let count = BLOCK.min(self.packed.len() - start);
        let packed = window(self.packed, start, count)?;
        let before = self.before.map(|before| window(before, start, count)).transpose()?;
        Ok(Self { packed, before })
    }

    /// Calls `each` with the sums of every channel. A loop for each case keeps what `each` holds
    /// in registers.
    #[inline(always)]
    fn for_each<F: Fields<R>, C>(
        &self,
        constants: impl Iterator<Item = C>,
        mut each: impl FnMut([i32; R], C),
    ) {
        match self.before {
            None => self.packed.iter().zip(constants).for_each(|(&entry, c)| each(F::fields(entry), c)),
            Some(before) => {
                for ((&entry, before), c) in self.packed.iter().zip(before).zip(constants) {
                    let mut sums = F::fields(entry);
                    sums.iter_mut().zip(before).for_each(|(sum, before)| *sum += before);
                    each(sums, c);
                }
            }
        }
    }
}

/// Requantizes the sums of up to [`BLOCK`] channels.
// On its own, so that its constants stay in registers.
#[inline(never)]
fn requantize_block<F: Fields<R>, const R: usize>(
    sums: &View<'_, R>,
    rows: &Block<R>,
    (bias, headroom): (&[i32], u32),
    requant: &ChannelsRef<'_>,
    block: &mut [[i32; BLOCK]; R],
) {
    let up = (rows.up + headroom) & 31;
    let (factor, offsets) = (F::FACTOR << up, rows.offsets.map(|offset| offset << up));
    let constants = bias.iter().zip(requant.mantissa.iter().zip(requant.shift));
    sums.for_each::<F, _>((0..BLOCK).zip(constants), |sums, (i, (&b, (&m, &e)))| {
        let (b, e) = (b << headroom, e.wrapping_add(headroom as u8));
        for ((place, sum), offset) in block.iter_mut().zip(sums).zip(offsets) {
            let z = sum.wrapping_mul(factor).wrapping_add(b).wrapping_add(offset);
            place[i] = requantize(z, m, e);
        }
    });
}

/// Saturates and writes what was requantized.
#[inline(never)]
fn write(epilogue: &Epilogue, from: &[i32], at: usize, to: &mut LinearOut<'_>) -> Result<(), Fault> {
    match (to, epilogue.residual()) {
        (LinearOut::I8 { out, table: None }, _) => {
            let out = window_mut(out, at, from.len())?;
            out.iter_mut().zip(from).for_each(|(y, &t)| *y = t.clamp(-128, 127) as i8);
        }
        (LinearOut::I8 { out, table: Some(table) }, _) => {
            let out = window_mut(out, at, from.len())?;
            let index = |t: i32| (t.clamp(-128, 127) + 128) as u8;
            out.iter_mut().zip(from).for_each(|(y, &t)| *y = table[usize::from(index(t))]);
        }
        (LinearOut::I16 { out, residual: None }, _) => {
            let out = window_mut(out, at, from.len())?;
            out.iter_mut().zip(from).for_each(|(y, &t)| *y = t.clamp(-32768, 32767) as i16);
        }
        (LinearOut::I16 { out, residual: Some(_) }, Some(sum)) => {
            let out = window_mut(out, at, from.len())?;
            let branch = |t: i32| t.clamp(-32768, 32767) as i16;
            out.iter_mut().zip(from).for_each(|(y, &t)| *y = sum.apply(*y, branch(t)));
        }
        (LinearOut::I16 { .. } | LinearOut::I32 { .. }, _) => return Err(Fault::Instruction),
    }
    Ok(())
}

/// For each row, which of up to 32 channels from `channel` on are +1, and which −1.
// As above.
#[inline(never)]
fn masks<F: Fields<R>, const R: usize>(
    sums: &View<'_, R>,
    offsets: &[i32; R],
    planes: &Planes<'_>,
    channel: usize,
) -> Result<[(u32, u32); R], Fault> {
    let count = sums.packed.len();
    let mut masks = [(0, 0); R];
    let (high, low) = match planes {
        Planes::Sign { high, .. } => (high, None),
        Planes::Ternary { low, high, .. } => (high, Some(low)),
    };
    // At least `high`; and not at least one more than `low`.
    for (limits, more) in [(Some(high), 0), (low, 1)] {
        let Some(limits) = limits else { break };
        let mut signs = [Negatives::default(); R];
        sums.for_each::<F, _>(window(limits, channel, count)?.iter(), |sums, &limit| {
            let limit = near(limit) + more - 1;
            for ((signs, sum), &offset) in signs.iter_mut().zip(sums).zip(offsets) {
                signs.push(limit - (sum * F::FACTOR + offset));
            }
        });
        for ((plus, minus), signs) in masks.iter_mut().zip(signs) {
            match more {
                0 => *plus = signs.mask(count),
                _ => *minus = !signs.mask(count),
            }
        }
    }
    Ok(masks)
}
