//! GEMM: rows of activations are laid out once for all channels, then tiles of them by 32 channels go
//! from their first product to memory in registers.

use core::arch::x86_64::{_mm256_setzero_si256, _mm256_sub_epi32};
use core::ops::Range;

use quant::Fault;
use quant::ops::{LinearArgs, LinearOut};
use quant::slice::{chunks, window, window_mut};

use super::layout::{DEPTH, Layout, Panels, Widened};
use super::output::{Added, Int8, Int16, Int32, Looked, Output};
use super::requantize::{CHANNELS, HighHalf, by_any, load, values};
use super::tile::{Finish, Row};
use crate::portable::requantize::Multipliers;
use crate::vector::isa::{GROUP, LANES, STAGE};
use crate::vector::source::Source;
use crate::vector::x86::room::room;

/// Steps of all rows that are laid out at once.
const STAGED: usize = 12 << 10;
/// Most rows that are laid out at once: whole tiles.
const ROWS: usize = 66;

/// `rows` rows of `source` by `channels` of `args`, where they are all channels, and the rows a tile at
/// least, of at most [`STAGE`] inputs, and the epilogue is one of these: says whether they are.
///
/// # Safety
///
/// As [`Layout`] says.
#[inline(always)]
pub(super) unsafe fn linear<T: Layout<R>, const R: usize>(
    args: &LinearArgs<'_>,
    channels: Range<usize>,
    source: &impl Source,
    rows: usize,
    out: &mut LinearOut<'_>,
) -> Result<bool, Fault> {
    const { assert!(ROWS.is_multiple_of(R)) };
    if channels != (0..args.weights.n) || rows < R || args.weights.k > STAGE {
        return Ok(false);
    }
    if out.len() < rows.saturating_mul(args.weights.n) {
        return Err(Fault::Bounds);
    }
    let steps = args.weights.k.div_ceil(GROUP) * T::STEPS;
    let most = STAGED.checked_div(steps).unwrap_or(ROWS).min(ROWS) / R * R;
    let size = rows.div_ceil(rows.div_ceil(most)).next_multiple_of(R);
    let mut staged = [0; STAGED];
    for row in (0..rows).step_by(size) {
        let count = (rows - row).min(size);
        for r in 0..count {
            T::stage(source, row + r, args.weights.k, window_mut(&mut staged, r * steps, steps)?)?;
        }
        let rows = Rows { staged: &staged, steps, row, count };
        // SAFETY: as the caller vouches; `out` has the rows.
        let done = unsafe {
            match out {
                LinearOut::I8 { table: Some(_), .. } => blocks::<T, Looked, R>(args, &rows, out)?,
                LinearOut::I8 { table: None, .. } => blocks::<T, Int8, R>(args, &rows, out)?,
                LinearOut::I16 { residual: Some(_), .. } => blocks::<T, Added, R>(args, &rows, out)?,
                LinearOut::I16 { residual: None, .. } => blocks::<T, Int16, R>(args, &rows, out)?,
                LinearOut::I32 { .. } => blocks::<T, Int32, R>(args, &rows, out)?,
            }
        };
        if !done {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Rows that are laid out, by all channels: says whether there is an output of the type `O` for `out`. One copy
/// for all sources.
///
/// # Safety
///
/// As [`linear`]; `out` has the rows.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn blocks<T: Layout<R>, O: Output, const R: usize>(
    args: &LinearArgs<'_>,
    rows: &Rows<'_>,
    out: &mut LinearOut<'_>,
) -> Result<bool, Fault> {
    // SAFETY: as the caller vouches.
    let Some(to) = (unsafe { O::new(out) }) else { return Ok(false) };
    let mut widened = Widened::new();
    let mut partial = [[_mm256_setzero_si256(); 4]; ROWS];
    for channel in (0..args.weights.n).step_by(CHANNELS) {
        // SAFETY: `out` is borrowed until the end; and as the caller vouches.
        unsafe {
            let block = Block::new::<T, R>(args, channel)?;
            block.put::<T, O, R>(rows, &to, args.weights.n, &mut partial, &mut widened)?;
        }
    }
    Ok(true)
}

/// Rows that are laid out.
struct Rows<'s> {
    staged: &'s [u32],
    /// From one row to the next.
    steps: usize,
    /// The first one's number, and how many there are.
    row: usize,
    count: usize,
}

impl<'s> Rows<'s> {
    /// `len` steps from `step` on of `R` rows from the one on that is the `first` here; those behind the
    /// last one are that one.
    #[inline(always)]
    fn get<const R: usize>(&self, first: usize, step: usize, len: usize) -> Result<[&'s [u32]; R], Fault> {
        let mut found: [&[u32]; R] = [&[]; R];
        for (r, found) in found.iter_mut().enumerate() {
            let row = (first + r).min(self.count - 1);
            *found = window(self.staged, row * self.steps + step, len)?;
        }
        Ok(found)
    }
}

/// 32 channels.
struct Block<'a> {
    panels: Panels<'a>,
    start: [i32; CHANNELS],
    by: Multipliers<CHANNELS>,
    /// Bits by which sums are shifted left before they are requantized.
    up: u32,
    channel: usize,
    count: usize,
}

impl<'a> Block<'a> {
    /// Those from `channel` on; a panel that there is not is the one before.
    ///
    /// # Safety
    ///
    /// As [`Layout`] says.
    #[inline(always)]
    unsafe fn new<T: Layout<R>, const R: usize>(
        args: &LinearArgs<'a>,
        channel: usize,
    ) -> Result<Self, Fault> {
        let count = (args.weights.n - channel).min(CHANNELS);
        let groups = args.weights.k.div_ceil(GROUP);
        let (weights, _) = chunks::<{ LANES * GROUP }, _>(args.weights.data);
        let first = window(weights, channel / LANES * groups, groups)?;
        let second = match count > LANES {
            true => window(weights, (channel / LANES + 1) * groups, groups)?,
            false => first,
        };
        let panels = [first, second];
        let mut start = [0; CHANNELS];
        start[..count].copy_from_slice(window(args.bias, channel, count)?);
        // SAFETY: as the caller vouches.
        unsafe {
            let mut sums = load(&start);
            for (sum, excess) in sums.iter_mut().zip(T::excess(panels)) {
                *sum = _mm256_sub_epi32(*sum, excess);
            }
            start = values(sums);
        }
        let mut by = Multipliers::new(&args.requant, channel, count)?;
        let up = by.lift(room(args, &(channel..channel + count))?);
        Ok(Self { panels, start, by, up, channel, count })
    }

    /// Puts all of `rows`, which has `n` channels, to `to`. `partial` has room for the sums of all rows.
    ///
    /// # Safety
    ///
    /// `to` has them; and as [`Layout`] says.
    #[inline(always)]
    unsafe fn put<T: Layout<R>, O: Output, const R: usize>(
        &self,
        rows: &Rows<'_>,
        to: &O,
        n: usize,
        partial: &mut [Row; ROWS],
        widened: &mut Widened,
    ) -> Result<(), Fault> {
        let groups = self.panels[0].len();
        let parts = (groups * T::STEPS).div_ceil(DEPTH).max(1);
        let size = groups.div_ceil(parts).max(1);
        // SAFETY: as the caller vouches.
        unsafe {
            let (starts, by) = ([load(&self.start); R], HighHalf::of(&self.by));
            for part in 0..parts {
                let (begin, end) = (part * size, ((part + 1) * size).min(groups));
                let (weights, is_last) = (T::weights(self.panels, begin..end, widened), part + 1 == parts);
                for (number, partial) in partial.as_chunks_mut::<R>().0.iter_mut().enumerate() {
                    let first = number * R;
                    if first >= rows.count {
                        break;
                    }
                    let x = rows.get::<R>(first, begin * T::STEPS, (end - begin) * T::STEPS)?;
                    let at = (rows.row + first) * n + self.channel;
                    let count = (rows.count - first).min(R);
                    if is_last && self.by.is_high {
                        let sums = if part > 0 { &*partial } else { &starts };
                        let (out, channels) = (to, self.count);
                        let (by, up) = (&by, self.up);
                        let to = Finish { by, up, out, at, stride: n, rows: count, channels };
                        T::finish(sums, x, weights, &to);
                        continue;
                    }
                    if part == 0 {
                        *partial = starts;
                    }
                    T::tile(partial, x, weights);
                    if is_last {
                        for (r, &sums) in partial.iter().enumerate().take(count) {
                            let row = load(&by_any(&self.by, &values(sums)));
                            to.put(at + r * n, self.count, row);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
