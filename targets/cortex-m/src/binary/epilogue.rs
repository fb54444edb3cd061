//! What is done to the sums of a binary layer, in 32-bit registers where their bounds allow.

use quant::Fault;
use quant::ops::{BinaryLinearOut, ChannelsRef, LinearOut, Planes};
use quant::slice::{window, window_mut};

use super::signs::{Signs, near};
use crate::gemm::headroom;
use crate::requantize::{Sum, requantize};

/// Sums stored at once.
const BLOCK: usize = 16;

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

    #[inline(always)]
    fn iter<F: Fields<R>>(&self) -> impl Iterator<Item = [i32; R]> {
        let before = self.before.unwrap_or(&[]).iter().copied().chain(core::iter::repeat([0; R]));
        self.packed.iter().zip(before).map(|(&entry, before)| {
            let fields = F::fields(entry);
            core::array::from_fn(|lane| fields[lane] + before[lane])
        })
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
                    for (i, sums) in sums.iter::<F>().enumerate().take(BLOCK) {
                        for ((place, sum), offset) in block.iter_mut().zip(sums).zip(offsets) {
                            place[i] = sum * F::FACTOR + offset;
                        }
                    }
                    for (lane, block) in block.iter().enumerate().take(rows) {
                        out.store(row + lane, channel, window(block, 0, count)?)?;
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
    let mut one = |i: usize, sums: [i32; R], b: i32, m: i32, e: u8| {
        let (b, e) = (b << headroom, e.wrapping_add(headroom as u8));
        for ((place, sum), offset) in block.iter_mut().zip(sums).zip(offsets) {
            let z = sum.wrapping_mul(factor).wrapping_add(b).wrapping_add(offset);
            place[i] = requantize(z, m, e);
        }
    };
    match sums.before {
        None => {
            for (i, (&entry, (&b, (&m, &e)))) in sums.packed.iter().zip(constants).enumerate().take(BLOCK) {
                one(i, F::fields(entry), b, m, e);
            }
        }
        Some(_) => {
            for (i, (sums, (&b, (&m, &e)))) in sums.iter::<F>().zip(constants).enumerate().take(BLOCK) {
                one(i, sums, b, m, e);
            }
        }
    }
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
    let mut push = |sums: [i32; R], high: i32| {
        let limit = near(high) - 1;
        for ((signs, sum), &offset) in plus.iter_mut().zip(sums).zip(offsets) {
            signs.push(limit - z(sum, offset));
        }
    };
    match sums.before {
        None => sums.packed.iter().zip(high).for_each(|(&entry, &high)| push(F::fields(entry), high)),
        Some(_) => sums.iter::<F>().zip(high).for_each(|(sums, &high)| push(sums, high)),
    }
    if let Planes::Ternary { low, .. } = planes {
        for (sums, &low) in sums.iter::<F>().zip(window(low, channel, count)?) {
            let limit = near(low) + 1;
            for ((signs, sum), &offset) in minus.iter_mut().zip(sums).zip(offsets) {
                signs.push(z(sum, offset) - limit);
            }
        }
    }
    Ok(core::array::from_fn(|lane| (plus[lane].mask(count), minus[lane].mask(count))))
}
