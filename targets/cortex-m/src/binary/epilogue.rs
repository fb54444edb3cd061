//! What is done to the sums of a binary layer, in 32-bit registers where their bounds allow.

use quant::Fault;
use quant::ops::{BinaryLinearOut, ChannelsRef, LinearOut, Planes};
use quant::slice::{window, window_mut};

use super::signs::{Signs, near};
use crate::gemm::headroom;
use crate::requantize::{Sum, requantize};

/// Channels that are finished at once: a word of bits.
const BLOCK: usize = 32;
/// Most sums that the reference stores at once.
const STORED: usize = 16;

/// Sums of `R` rows in one word.
pub(super) trait Fields<const R: usize> {
    /// What sums are multiplied with.
    const FACTOR: i32;

    /// The sums in an entry.
    fn fields(entry: u32) -> [i32; R];
}

/// The sums of consecutive channels.
pub(super) struct Sums<'a, const R: usize> {
    /// In fields.
    pub(super) packed: &'a [u32],
    /// What is to be added, if there is something.
    pub(super) before: Option<&'a [[i32; R]]>,
}

impl<'a, const R: usize> Sums<'a, R> {
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

/// How the sums of one layer are stored.
pub(super) struct Epilogue {
    /// Bits that sums with their bias are shifted up for shifts of at least 33; `None` where
    /// there is no room, or another reason to store them as the reference does.
    headroom: Option<u32>,
    /// The multipliers of stream and branch.
    residual: Option<Sum>,
}

impl Epilogue {
    /// For sums of at most `largest`.
    pub(super) fn new(out: &BinaryLinearOut<'_>, largest: u64) -> Self {
        let BinaryLinearOut::Dense { up, bias, requant, out, .. } = out else {
            return Self { headroom: None, residual: None };
        };
        let (fits, residual) = match out {
            LinearOut::I16 { residual: Some(r), .. } => {
                let sum = Sum::new(r.stream, r.branch);
                (sum.is_some(), sum)
            }
            LinearOut::I8 { .. } | LinearOut::I16 { residual: None, .. } => (true, None),
            LinearOut::I32 { .. } => (false, None),
        };
        let headroom = headroom(bias, requant.shift, largest << (up & 31)).filter(|_| fits);
        Self { headroom, residual }
    }

    /// Stores `rows` of consecutive channels, from `(row, channel)` on: their sums times a
    /// factor, and an offset of each row.
    pub(super) fn store<F: Fields<R>, const R: usize>(
        &self,
        sums: &Sums<'_, R>,
        offsets: [i32; R],
        rows: usize,
        (row, channel): (usize, usize),
        out: &mut BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        let mut block = [[0i32; BLOCK]; R];
        let mut start = 0;
        while start < sums.packed.len() {
            let channel = channel + start;
            let sums = sums.window(start)?;
            let count = sums.packed.len();
            match (&mut *out, self.headroom) {
                (BinaryLinearOut::Dense { up, bias, requant, out, n }, Some(headroom)) => {
                    let bias = (window(bias, channel, count)?, headroom & 31);
                    let up = (*up + headroom) & 31;
                    let requant = requant.window(channel, count)?;
                    requantize_block::<F, R>(&sums, &offsets, up, bias, &requant, &mut block);
                    for (lane, block) in block.iter().enumerate().take(rows) {
                        self.write(window(block, 0, count)?, (row + lane) * *n + channel, out)?;
                    }
                }
                (BinaryLinearOut::Bits(out), _) => {
                    let masks = masks::<F, R>(&sums, &offsets, &out.planes, channel)?;
                    for (lane, masks) in masks.into_iter().enumerate().take(rows) {
                        out.set(row + lane, channel, count as u32, masks)?;
                    }
                }
                (out, _) => {
                    sums.for_each::<F, _>(0..BLOCK, |sums, i| {
                        for ((place, sum), offset) in block.iter_mut().zip(sums).zip(offsets) {
                            place[i] = sum * F::FACTOR + offset;
                        }
                    });
                    for (lane, block) in block.iter().enumerate().take(rows) {
                        let parts = window(block, 0, count)?.chunks(STORED);
                        for (part, channel) in parts.zip((channel..).step_by(STORED)) {
                            out.store(row + lane, channel, part)?;
                        }
                    }
                }
            }
            start += count;
        }
        Ok(())
    }

    /// Saturates and writes what was requantized.
    #[inline(never)]
    fn write(&self, from: &[i32], at: usize, to: &mut LinearOut<'_>) -> Result<(), Fault> {
        match (to, self.residual) {
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
}

/// Requantizes the sums of up to [`BLOCK`] channels, shifted up by `up`.
// On its own, so that its constants stay in registers.
#[inline(never)]
fn requantize_block<F: Fields<R>, const R: usize>(
    sums: &Sums<'_, R>,
    offsets: &[i32; R],
    up: u32,
    (bias, headroom): (&[i32], u32),
    requant: &ChannelsRef<'_>,
    block: &mut [[i32; BLOCK]; R],
) {
    let (factor, offsets) = (F::FACTOR << up, offsets.map(|offset| offset << up));
    let constants = bias.iter().zip(requant.mantissa.iter().zip(requant.shift));
    sums.for_each::<F, _>((0..BLOCK).zip(constants), |sums, (i, (&b, (&m, &e)))| {
        let (b, e) = (b << headroom, e.wrapping_add(headroom as u8));
        for ((place, sum), offset) in block.iter_mut().zip(sums).zip(offsets) {
            let z = sum.wrapping_mul(factor).wrapping_add(b).wrapping_add(offset);
            place[i] = requantize(z, m, e);
        }
    });
}

/// For each row, which of up to 32 channels from `channel` on are +1, and which −1.
// As above.
#[inline(never)]
fn masks<F: Fields<R>, const R: usize>(
    sums: &Sums<'_, R>,
    offsets: &[i32; R],
    planes: &Planes<'_>,
    channel: usize,
) -> Result<[(u32, u32); R], Fault> {
    let count = sums.packed.len();
    let z = |sum: i32, offset: i32| sum * F::FACTOR + offset;
    let mut plus = [Signs::default(); R];
    let mut minus = [Signs::default(); R];
    let high = match planes {
        Planes::Sign { high, .. } | Planes::Ternary { high, .. } => window(high, channel, count)?,
    };
    sums.for_each::<F, _>(high.iter(), |sums, &high| {
        let limit = near(high) - 1;
        for ((signs, sum), &offset) in plus.iter_mut().zip(sums).zip(offsets) {
            signs.push(limit - z(sum, offset));
        }
    });
    if let Planes::Ternary { low, .. } = planes {
        sums.for_each::<F, _>(window(low, channel, count)?.iter(), |sums, &low| {
            let limit = near(low) + 1;
            for ((signs, sum), &offset) in minus.iter_mut().zip(sums).zip(offsets) {
                signs.push(z(sum, offset) - limit);
            }
        });
    }
    Ok(core::array::from_fn(|lane| (plus[lane].mask(count), minus[lane].mask(count))))
}
