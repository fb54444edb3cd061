//! What the records of binary ops share: activations of one bit and their thresholds.

use serde::{Deserialize, Serialize};

use super::{Consts, Destination, LinearOut, PerChannel};
use crate::bits::{WORD, place, row_words};
use crate::error::{Fault, Reject};
use crate::mem::{Blob, Memory, Rest, Slot, Window};
use crate::operand::{Tiling, Visitor};
use crate::ops::ChannelsRef;
use crate::slice::window_mut;

/// Input activations of a binary layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BitAct {
    /// ±1.
    Sign(Slot<u32>),
    /// ±1 or 0: the value is 0 where `nonzero` is 0.
    Ternary {
        /// Signs.
        sign: Slot<u32>,
        /// Which are not 0.
        nonzero: Slot<u32>,
    },
    /// 8-bit activations.
    I8(Slot<i8>),
    /// 16-bit activations.
    I16(Slot<i16>),
}

impl BitAct {
    pub(crate) fn visit(&mut self, visitor: &mut Visitor<'_>, k: u32, words: u32) {
        match self {
            BitAct::Sign(x) => visitor.read(x, Tiling::rows(words)),
            BitAct::Ternary { sign, nonzero } => {
                visitor.read(sign, Tiling::rows(words));
                visitor.read(nonzero, Tiling::rows(words));
            }
            BitAct::I8(x) => visitor.read(x, Tiling::rows(k)),
            BitAct::I16(x) => visitor.read(x, Tiling::rows(k)),
        }
    }
}

/// Where thresholded integers go: channel `c` of value `z` becomes +1 if `z ≥ high[c]`,
/// −1 if `z ≤ low[c]`, 0 between. A positive scale and a bias in front of a sign fold
/// into the thresholds: `α·z + β ≥ 0` is `z ≥ ⌈−β/α⌉`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BitOut {
    /// ±1, as if `low = high − 1`.
    Sign {
        /// Signs.
        out: Slot<u32>,
        /// Elements that start on a word.
        group: u32,
        /// Smallest value of each channel that is +1.
        high: Blob<i32>,
    },
    /// ±1 or 0.
    Ternary {
        /// Signs, 0 where the value is 0.
        sign: Slot<u32>,
        /// Which are not 0.
        nonzero: Slot<u32>,
        /// Elements that start on a word.
        group: u32,
        /// Largest value of each channel that is −1; below `high`.
        low: Blob<i32>,
        /// Smallest value of each channel that is +1.
        high: Blob<i32>,
    },
}

impl BitOut {
    const fn group(&self) -> u32 {
        match *self {
            BitOut::Sign { group, .. } | BitOut::Ternary { group, .. } => group,
        }
    }

    pub(crate) fn operands(&mut self, visitor: &mut Visitor<'_>, width: u32) {
        // 0 words, which the checker refuses, where `group` does not divide `width`.
        let rows = Tiling::rows(row_words(width, self.group()).unwrap_or(0));
        match self {
            BitOut::Sign { out, high, .. } => {
                visitor.write(out, rows);
                visitor.constant(high);
            }
            BitOut::Ternary { sign, nonzero, low, high, .. } => {
                visitor.write(sign, rows);
                visitor.write(nonzero, rows);
                visitor.constant(low);
                visitor.constant(high);
            }
        }
    }

    /// `group` divides `width`, and `low < high`.
    pub(crate) fn check(&self, consts: &Consts<'_>, width: u32) -> Result<(), Reject> {
        row_words(width, self.group()).ok_or(Reject::Dimension)?;
        match *self {
            BitOut::Sign { high, .. } => consts.get(high, width).map(|_| ()),
            BitOut::Ternary { low, high, .. } => {
                let (low, high) = (consts.get(low, width)?, consts.get(high, width)?);
                let ordered = low.iter().zip(high).all(|(low, high)| low < high);
                if ordered { Ok(()) } else { Err(Reject::Threshold) }
            }
        }
    }

    /// Calls `body` with the writable rows of `window` and the rest of the arena.
    pub(crate) fn with<R>(
        &self,
        memory: &mut Memory<'_>,
        rows: Window,
        width: u32,
        body: impl FnOnce(BitsOut<'_>, &Rest<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let group = self.group();
        let words = row_words(width, group).ok_or(Fault::Instruction)?;
        let (group, row) = (group as usize, words as usize);
        match *self {
            BitOut::Sign { out, high, .. } => {
                let high = memory.blob(high)?;
                let (out, rest) = memory.split(rows.of(out, words, words)?)?;
                body(BitsOut { planes: Planes::Sign { out, high }, group, words: row }, &rest)
            }
            BitOut::Ternary { sign, nonzero, low, high, .. } => {
                let (low, high) = (memory.blob(low)?, memory.blob(high)?);
                let (sign, nonzero) = (rows.of(sign, words, words)?, rows.of(nonzero, words, words)?);
                let (sign, nonzero, rest) = memory.split2(sign, nonzero)?;
                let planes = Planes::Ternary { sign, nonzero, low, high };
                body(BitsOut { planes, group, words: row }, &rest)
            }
        }
    }
}

/// The rows of bits that a kernel writes, and their thresholds.
#[derive(Debug)]
pub struct BitsOut<'a> {
    /// The bits.
    pub planes: Planes<'a>,
    /// Elements that start on a word.
    pub group: usize,
    /// Words of each row.
    pub words: usize,
}

/// See [`BitOut`].
#[derive(Debug)]
pub enum Planes<'a> {
    /// ±1.
    Sign {
        /// Signs.
        out: &'a mut [u32],
        /// Smallest value of each channel that is +1.
        high: &'a [i32],
    },
    /// ±1 or 0.
    Ternary {
        /// Signs.
        sign: &'a mut [u32],
        /// Which are not 0.
        nonzero: &'a mut [u32],
        /// Largest value of each channel that is −1.
        low: &'a [i32],
        /// Smallest value of each channel that is +1.
        high: &'a [i32],
    },
}

impl BitsOut<'_> {
    /// Sets every bit to 0, padding among them: what a kernel does before it stores.
    pub fn clear(&mut self) {
        match &mut self.planes {
            Planes::Sign { out, .. } => out.fill(0),
            Planes::Ternary { sign, nonzero, .. } => {
                sign.fill(0);
                nonzero.fill(0);
            }
        }
    }

    /// Compares `z` with the thresholds of the channels from `channel` on, and sets their
    /// bits in row `row`, which were cleared before.
    // One copy for all callers: it is most of the code of each, and called for many channels.
    #[inline(never)]
    pub fn store(&mut self, row: usize, channel: usize, z: &[i32]) -> Result<(), Fault> {
        let mut first = channel;
        let mut rest = z;
        while !rest.is_empty() {
            let count = rest.len().min(WORD as usize);
            let (z, tail) = rest.split_at_checked(count).ok_or(Fault::Bounds)?;
            let (plus, minus) = match &self.planes {
                Planes::Sign { high, .. } => (mask(z, high, first, |z, high| z >= high)?, 0),
                Planes::Ternary { low, high, .. } => {
                    (mask(z, high, first, |z, high| z >= high)?, mask(z, low, first, |z, low| z <= low)?)
                }
            };
            self.set(row, first, count as u32, (plus, minus))?;
            rest = tail;
            first += count;
        }
        Ok(())
    }

    /// Sets the bits of `count ≤ 32` channels from `channel` on in row `row`, which were
    /// cleared before: bit `i` of `plus` says that channel `channel + i` is +1, of `minus` that
    /// it is −1, where that is not the same as not being +1.
    #[inline]
    pub fn set(
        &mut self,
        row: usize,
        channel: usize,
        count: u32,
        (plus, minus): (u32, u32),
    ) -> Result<(), Fault> {
        let (mut word, mut bit) = place(channel, self.group);
        let mut left = self.group - channel.checked_rem(self.group).ok_or(Fault::Instruction)?;
        let mut done = 0;
        // One word at a time.
        while done < count {
            let part = (count - done).min(WORD - bit).min(u32::try_from(left).unwrap_or(WORD));
            let at = row * self.words + word;
            let bits = |mask: u32| (mask >> done) & (u32::MAX >> (WORD - part));
            match &mut self.planes {
                Planes::Sign { out, .. } => set(out, at, bit, bits(plus))?,
                Planes::Ternary { sign, nonzero, .. } => {
                    set(sign, at, bit, bits(plus))?;
                    set(nonzero, at, bit, bits(plus | minus))?;
                }
            }
            // The word, or the group, is full, or this was the last turn.
            left -= part as usize;
            left = if left == 0 { self.group } else { left };
            (word, bit) = (word + 1, 0);
            done += part;
        }
        Ok(())
    }
}

/// Bit `i` is what `is` says of `z[i]` and the threshold of channel `first + i`.
#[inline(always)]
fn mask(z: &[i32], limits: &[i32], first: usize, is: impl Fn(i32, i32) -> bool) -> Result<u32, Fault> {
    let limits = crate::slice::window(limits, first, z.len())?;
    let bits = z.iter().zip(limits).zip(0u32..32);
    Ok(bits.fold(0, |mask, ((&z, &limit), bit)| mask | u32::from(is(z, limit)) << bit))
}

#[inline(always)]
fn set(words: &mut [u32], at: usize, bit: u32, mask: u32) -> Result<(), Fault> {
    let [word] = window_mut(words, at, 1)? else { return Err(Fault::Bounds) };
    *word |= mask << (bit & 31);
    Ok(())
}

/// Where a binary layer's result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BinaryOut {
    /// Requantized, as [`Linear`](super::Linear).
    Dense {
        /// Bias in units of `z`, and multipliers, which hold the scales of the weights.
        requant: PerChannel,
        /// Output and epilogue.
        out: Destination,
    },
    /// Compared with one or two thresholds a channel.
    Bits(BitOut),
    /// As `Dense` behind `z · 2^up`: sums of few bits leave room for a finer bias.
    Shifted {
        /// Bits that `z` is shifted up by, so that it stays within ±2³⁰.
        up: u8,
        /// Bias in units of `z / 2^up`, and multipliers of that.
        requant: PerChannel,
        /// Output and epilogue.
        out: Destination,
    },
}

/// Largest magnitude of a shifted sum: with it, a bias is less than 2³⁰.
const MAX_SUM: u64 = 1 << 30;

impl BinaryOut {
    pub(crate) fn operands(&mut self, visitor: &mut Visitor<'_>, n: u32) {
        match self {
            BinaryOut::Dense { requant, out } | BinaryOut::Shifted { requant, out, .. } => {
                requant.operands(visitor);
                out.operands(visitor, n);
            }
            BinaryOut::Bits(out) => out.operands(visitor, n),
        }
    }

    /// `largest`: the largest magnitude of a sum, below 2³².
    pub(crate) fn check(&self, consts: &Consts<'_>, n: u32, largest: u64) -> Result<(), Reject> {
        match self {
            BinaryOut::Shifted { up, .. } if *up > 30 || largest << up > MAX_SUM => Err(Reject::Shift),
            BinaryOut::Dense { requant, out } => {
                requant.check(consts, n)?;
                out.check(consts)
            }
            BinaryOut::Shifted { up, requant, out } => {
                requant.check(consts, n)?;
                // The largest sum and the largest bias are together one more than 32 bits hold.
                let room = u64::from(i32::MAX.unsigned_abs()) - (largest << up);
                let exceeds = |&bias: &i32| bias > 0 && u64::from(bias.unsigned_abs()) > room;
                if consts.get(requant.bias, n)?.iter().any(exceeds) {
                    return Err(Reject::Bias);
                }
                out.check(consts)
            }
            BinaryOut::Bits(out) => out.check(consts, n),
        }
    }

    /// Calls `body` with the writable rows of `window` and the rest of the arena.
    pub(crate) fn with<R>(
        &self,
        memory: &mut Memory<'_>,
        rows: Window,
        n: u32,
        body: impl FnOnce(BinaryLinearOut<'_>, &Rest<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let up = if let BinaryOut::Shifted { up, .. } = self { u32::from(*up) } else { 0 };
        match self {
            BinaryOut::Dense { requant, out } | BinaryOut::Shifted { requant, out, .. } => {
                let (bias, scale) = (memory.blob(requant.bias)?, requant.scale.load(memory)?);
                out.with(memory, rows, n, |out, rest| {
                    body(BinaryLinearOut::Dense { up, bias, requant: scale, out, n: n as usize }, rest)
                })
            }
            BinaryOut::Bits(out) => {
                out.with(memory, rows, n, |out, rest| body(BinaryLinearOut::Bits(out), rest))
            }
        }
    }
}

/// The rows that a binary layer writes, and what it does to its sums.
#[derive(Debug)]
pub enum BinaryLinearOut<'a> {
    /// See [`BinaryOut::Dense`] and [`BinaryOut::Shifted`].
    Dense {
        /// Bits that sums are shifted up by.
        up: u32,
        /// Bias of each channel.
        bias: &'a [i32],
        /// Multiplier of each channel.
        requant: ChannelsRef<'a>,
        /// Output rows.
        out: LinearOut<'a>,
        /// Channels of each row.
        n: usize,
    },
    /// See [`BinaryOut::Bits`].
    Bits(BitsOut<'a>),
}

impl BinaryLinearOut<'_> {
    /// What a kernel does before it stores.
    pub fn clear(&mut self) {
        match self {
            BinaryLinearOut::Dense { .. } => {}
            BinaryLinearOut::Bits(out) => out.clear(),
        }
    }

    /// Finishes the sums `z` of consecutive channels of row `row`, from `channel` on; at
    /// most 16. Each channel of a row is stored once.
    // One copy for all callers: it is most of the code of each, and called for many channels.
    #[inline(never)]
    pub fn store(&mut self, row: usize, channel: usize, z: &[i32]) -> Result<(), Fault> {
        match self {
            BinaryLinearOut::Dense { up, bias, requant, out, n } => {
                let mut acc = [0; BLOCK];
                let acc = window_mut(&mut acc, 0, z.len())?;
                let bias = crate::slice::window(bias, channel, z.len())?;
                for ((acc, &z), &bias) in acc.iter_mut().zip(z).zip(bias) {
                    *acc = (z << (*up & 31)) + bias;
                }
                out.store(row * *n + channel, acc, &requant.window(channel, z.len())?)
            }
            BinaryLinearOut::Bits(out) => out.store(row, channel, z),
        }
    }
}

/// Channels finished together.
pub(crate) const BLOCK: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::BitPack;
    use crate::ops::testing::{Buffer, run};
    use crate::ops::{BinaryLinear, BitAct, Channels};

    /// One int8 of −128 by a weight of −1, shifted up to 2³⁰.
    #[test]
    fn a_bias_beside_the_largest_shifted_sum_is_less_than_its_limit() {
        let most = 1 << 30;
        // Half of what the sum and the bias are together, rounded half up.
        for (bias, half) in [(most - 1, Ok(most)), (most, Err(Reject::Bias)), (-most, Ok(0))] {
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let scale = Channels { mantissa: consts.blob(&[1 << 30]), shift: consts.blob(&[31u8]) };
            let requant = PerChannel { bias: consts.blob(&[bias]), scale };
            let x = BitAct::I8(arena.slot(&[i8::MIN]));
            let slot: Slot<i32> = arena.slot(&[0]);
            let out = BinaryOut::Shifted { up: 23, requant, out: Destination::I32 { out: slot } };
            let weights = consts.blob(&[0u32]);
            let op = BinaryLinear { rows: 1, k: 1, n: 1, group: 1, x, weights, pack: BitPack::Rows, out };
            assert_eq!(op.check(&Consts::new(consts.bytes())), half.map(|_| ()), "{bias}");
            if let Ok(half) = half {
                assert_eq!(run(op, &arena, &consts, 1).unwrap().get(slot), [half], "{bias}");
            }
        }
    }
}
