//! GEMM over panels of int8 weights, the epilogue fused.

use core::ops::Range;

use quant::Fault;
use quant::ops::{LinearArgs, LinearOut};
use quant::slice::{chunks, window};

use super::isa::{GROUP, Isa, LANES, Lookup, Requantize, STAGE, Staged, Weights};
use super::source::{Input, Source};
use crate::portable::requantize::Multipliers;

/// Panels, and where their sums start: at the bias, less what the turned sign of activations adds.
#[repr(C, align(64))]
pub(super) struct Panels<'a, const P: usize> {
    pub(super) start: [[i32; LANES]; P],
    pub(super) panels: [&'a [Weights]; P],
    /// Where the sums of unsigned activations start, without a bias.
    start_of_unsigned: [[i32; LANES]; P],
}

impl<'a, const P: usize> Panels<'a, P> {
    /// # Safety
    ///
    /// As [`Isa`] says.
    #[inline(always)]
    pub(super) unsafe fn new<I: Isa>(panels: [&'a [Weights]; P], bias: [[i32; LANES]; P]) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            let start_of_unsigned = match I::TAKES_UNSIGNED {
                true => start::<I, P>(&panels, [[0; LANES]; P], I::FLIP ^ 0x80),
                false => [[0; LANES]; P],
            };
            Self { panels, start: start::<I, P>(&panels, bias, I::FLIP), start_of_unsigned }
        }
    }

    /// Panels of `count` channels of `args` from `first` on, of which the last one stands for those that
    /// there are not.
    ///
    /// # Safety
    ///
    /// As [`Isa`] says.
    #[inline(always)]
    pub(super) unsafe fn of<I: Isa>(
        args: &LinearArgs<'a>,
        first: usize,
        count: usize,
    ) -> Result<Self, Fault> {
        let (groups, there) = (args.weights.k.div_ceil(GROUP), count.div_ceil(LANES));
        let (weights, _) = chunks::<{ LANES * GROUP }, _>(args.weights.data);
        let weights = window(weights, first / LANES * groups, there * groups)?;
        let panels = core::array::from_fn(|p| {
            let p = p.min(there.saturating_sub(1));
            weights.get(p * groups..(p + 1) * groups).unwrap_or(&[])
        });
        let mut start = [[0; LANES]; P];
        put_back(start.as_flattened_mut(), window(args.bias, first, count)?);
        // SAFETY: as the caller vouches.
        Ok(unsafe { Self::new::<I>(panels, start) })
    }

    /// For unsigned activations alone, without a bias.
    ///
    /// # Safety
    ///
    /// As [`Isa`] says.
    #[inline(always)]
    pub(super) unsafe fn of_unsigned<I: Isa>(panels: [&'a [Weights]; P]) -> Self {
        const { assert!(I::TAKES_UNSIGNED) };
        // SAFETY: as the caller vouches.
        let start = unsafe { start::<I, P>(&panels, [[0; LANES]; P], I::FLIP ^ 0x80) };
        Self { panels, start, start_of_unsigned: start }
    }

    /// The same panels for unsigned activations, without a bias.
    #[inline(always)]
    pub(super) fn unsigned(&self) -> Self {
        Self { start: self.start_of_unsigned, ..*self }
    }
}

/// `P` panels from channel `first` on, and the multipliers of their channels.
pub(super) struct Block<'a, const P: usize, const C: usize> {
    pub(super) panels: Panels<'a, P>,
    pub(super) bias: [i32; C],
    pub(super) multipliers: Multipliers<C>,
    pub(super) k: usize,
    /// Elements of the result from one row to the next.
    pub(super) n: usize,
    pub(super) first: usize,
    /// Channels that there are, of `C`.
    pub(super) count: usize,
}

impl<'a, const P: usize, const C: usize> Block<'a, P, C> {
    /// Channels from `first` on, and none from `end` on.
    ///
    /// # Safety
    ///
    /// As [`Isa`] says.
    #[inline(always)]
    pub(super) unsafe fn new<I: Isa>(args: &LinearArgs<'a>, first: usize, end: usize) -> Result<Self, Fault> {
        let count = (end - first).min(C);
        let mut bias = [0; C];
        put_back(&mut bias, window(args.bias, first, count)?);
        let multipliers = Multipliers::new(&args.requant, first, count)?;
        // SAFETY: as the caller vouches.
        let panels = unsafe { Panels::of::<I>(args, first, count)? };
        Ok(Self { panels, bias, multipliers, k: args.weights.k, n: args.weights.n, first, count })
    }
}

/// `bias`, less what `flip` adds to the sums of `panels`.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn start<I: Isa, const P: usize>(
    panels: &[&[Weights]; P],
    mut bias: [[i32; LANES]; P],
    flip: u8,
) -> [[i32; LANES]; P] {
    if flip == 0 {
        return bias;
    }
    for (bias, panel) in bias.iter_mut().zip(panels) {
        // SAFETY: as the caller vouches.
        let excess = unsafe {
            let mut sums = I::sums(&[0; LANES]);
            for w in *panel {
                sums = I::dot(sums, [flip; GROUP], w);
            }
            I::values(sums)
        };
        bias.iter_mut().zip(excess).for_each(|(bias, excess)| *bias = bias.wrapping_sub(excess));
    }
    bias
}

/// `count` rows of `input` by all channels of `args`, `R` rows by `P` panels at a time; `C` is
/// `16 · P`.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn linear<I: Isa + Lookup + Requantize, const R: usize, const P: usize, const C: usize>(
    args: &LinearArgs<'_>,
    input: &impl Input,
    count: usize,
    mut out: LinearOut<'_>,
) -> Result<(), Fault> {
    // SAFETY: as the caller vouches.
    unsafe { channels::<I, R, P, C>(args, 0..args.weights.n, input, count, &mut out) }
}

/// The same for some of the channels: whole panels, or up to the last one.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn channels<
    I: Isa + Lookup + Requantize,
    const R: usize,
    const P: usize,
    const C: usize,
>(
    args: &LinearArgs<'_>,
    channels: Range<usize>,
    input: &impl Input,
    count: usize,
    out: &mut LinearOut<'_>,
) -> Result<(), Fault> {
    // SAFETY: as the caller vouches.
    if unsafe { input.channels::<I>(args, channels.clone(), count, out)? } {
        return Ok(());
    }
    let mut staged = [[[0; GROUP]; STAGE / GROUP]; R];
    let mut first = channels.start;
    while first < channels.end {
        // SAFETY: as the caller vouches.
        unsafe {
            if const { P == 1 } || channels.end - first > C - LANES {
                let block = Block::<P, C>::new::<I>(args, first, channels.end)?;
                rows::<I, R, P, C>(&block, input, count, &mut staged, out)?;
                first += C;
            } else {
                let block = Block::<1, LANES>::new::<I>(args, first, channels.end)?;
                rows::<I, R, 1, LANES>(&block, input, count, &mut staged, out)?;
                first += LANES;
            }
        }
    }
    Ok(())
}

/// `count` rows by one block of channels.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn rows<I: Isa + Lookup + Requantize, const R: usize, const P: usize, const C: usize>(
    block: &Block<'_, P, C>,
    input: &impl Input,
    count: usize,
    staged: &mut [Staged; R],
    out: &mut LinearOut<'_>,
) -> Result<(), Fault> {
    let mut row = 0;
    while row < count {
        let rows = (count - row).min(R);
        // SAFETY: as the caller vouches.
        unsafe {
            let mut sums = [[0; C]; R];
            if rows == 1 {
                [sums[0]] = input.sums::<I, 1, P, C>(block, (row, 1), staged)?;
            } else {
                sums = input.sums::<I, R, P, C>(block, (row, rows), staged)?;
            }
            store::<I, P, C>(block, window(&sums, 0, rows)?, row, out)?;
        }
        row += rows;
    }
    Ok(())
}

/// The sums of `rows` rows of `k` inputs from `row` on, at most `R`.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn products<I: Isa, const R: usize, const P: usize, const C: usize>(
    panels: &Panels<'_, P>,
    k: usize,
    source: &impl Source,
    (row, rows): (usize, usize),
    staged: &mut [Staged],
) -> Result<[[i32; C]; R], Fault> {
    // SAFETY: as the caller vouches.
    unsafe {
        let mut sums = [core::array::from_fn(|p| I::sums(&panels.start[p])); R];
        let mut at = 0;
        while at < k {
            let len = (k - at).min(STAGE);
            for (r, staged) in staged.iter_mut().enumerate().take(rows) {
                // The weights behind the last input are zeros.
                let to = staged.as_flattened_mut().get_mut(..len).ok_or(Fault::Bounds)?;
                source.stage(row + r, at, I::FLIP, to)?;
            }
            let groups = at / GROUP..(at + len).div_ceil(GROUP);
            let parts = panels.panels.map(|panel| panel.get(groups.clone()).unwrap_or(&[]));
            I::tile(&mut sums, staged.first_chunk().ok_or(Fault::Bounds)?, parts);
            at += len;
        }
        let mut values = [[0; C]; R];
        for (values, sums) in values.iter_mut().zip(sums) {
            for (values, sums) in values.chunks_exact_mut(LANES).zip(sums) {
                values.copy_from_slice(&I::values(sums));
            }
        }
        Ok(values)
    }
}

/// Requantizes the sums of rows from `row` on and stores them through the epilogue.
///
/// # Safety
///
/// As [`Lookup`] says.
#[inline(always)]
pub(super) unsafe fn store<I: Lookup + Requantize, const P: usize, const C: usize>(
    block: &Block<'_, P, C>,
    sums: &[[i32; C]],
    row: usize,
    out: &mut LinearOut<'_>,
) -> Result<(), Fault> {
    for (r, z) in sums.iter().enumerate() {
        let (at, count) = ((row + r) * block.n + block.first, block.count);
        // SAFETY: as the caller vouches.
        unsafe { put::<I, C>(&block.multipliers, z, &mut out.window(at, count)?) };
    }
    Ok(())
}

/// Requantizes sums and stores the first of them through the epilogue, as many as `out` takes.
///
/// # Safety
///
/// As [`Lookup`] says.
#[inline(always)]
pub(super) unsafe fn put<I: Lookup + Requantize, const C: usize>(
    by: &Multipliers<C>,
    z: &[i32; C],
    out: &mut LinearOut<'_>,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        I::store(&I::requantize(by, z), out);
        if let LinearOut::I8 { out, table: Some(table) } = out {
            I::short_table::<C>(table, out);
        }
    }
}

/// Fills the first of `values` from `from`.
#[inline(always)]
fn put_back<T: Copy>(values: &mut [T], from: &[T]) {
    values.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}
