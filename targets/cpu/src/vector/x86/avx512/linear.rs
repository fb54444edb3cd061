//! GEMM whose sums stay in registers up to the bytes that they become.
//!
//! Activations are staged with their sign turned, many rows at once, before all channels have them.

use core::arch::x86_64::{
    __m512i, _MM_HINT_T1, _mm_cvtsi32_si128, _mm_prefetch, _mm512_loadu_si512, _mm512_setzero_si512,
    _mm512_sll_epi32, _mm512_sub_epi32,
};
use core::mem::MaybeUninit;
use core::ops::Range;

use quant::Fault;
use quant::ops::{LinearArgs, LinearOut};
use quant::slice::{chunks, window};

use super::output::{Added, Int8, Int16, Int32, Looked, Output};
use super::products::{excess, products};
use super::{Avx512, HighHalf, WIDTH};
use crate::portable::requantize::Multipliers;
use crate::vector::isa::{GROUP, Isa, LANES, Weights};
use crate::vector::source::Source;
use crate::vector::x86::room::{is_lifted, room};

/// Channels of a block: four panels.
const CHANNELS: usize = 4 * LANES;
/// Most groups of a panel that a band of rows has at once: those of four stay in the first cache.
const PART: usize = 112;
/// Rows that have one part of the weights after another.
const BAND: usize = 36;
/// Rows that tiles of 6 and of 12 rows make up; those of four panels have 6.
const ROWS: usize = 12;
/// Bytes that are staged at once: more are too many for the stack of a thread.
const STAGE: usize = 72 * 1024;
/// Most inputs of a row, of which [`ROWS`] are staged at once.
const MAX_K: usize = STAGE / ROWS - 2 * WIDTH;

/// `count` rows of `source` by `channels` of `args`, as far as all shifts are high, or become it: says whether
/// it is done.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn linear(
    args: &LinearArgs<'_>,
    channels: Range<usize>,
    source: &impl Source,
    count: usize,
    out: &mut LinearOut<'_>,
) -> Result<bool, Fault> {
    let (n, k) = (args.weights.n, args.weights.k);
    let room = room(args, &channels)?;
    if k > MAX_K || !is_lifted(args, &channels, room)? {
        return Ok(false);
    }
    // An odd number of cache lines, so that the rows of a tile do not compete for the same places.
    let stride = (k.div_ceil(WIDTH) | 1) * WIDTH;
    let most = STAGE / stride;
    let unit = match most >= BAND && k.div_ceil(GROUP) > PART {
        true => BAND,
        false if channels.len().is_multiple_of(CHANNELS) => ROWS / 2,
        false => ROWS,
    };
    let parts = count.div_ceil(most / unit * unit).max(1);
    let height = count.div_ceil(parts).next_multiple_of(unit);
    let mut memory = [const { MaybeUninit::uninit() }; STAGE];
    let staged = zeroed(&mut memory, height * stride);
    let mut row = 0;
    while row < count {
        let rows = (count - row).min(height);
        for (r, to) in staged.chunks_exact_mut(stride).enumerate().take(rows) {
            source.stage(row + r, 0, Avx512::FLIP, window_of(to, k)?)?;
        }
        let end = (row + rows).saturating_mul(n).saturating_sub(n).saturating_add(channels.end);
        if end > out.len() {
            return Err(Fault::Bounds);
        }
        let block = Staged { bytes: staged, stride, row, rows, room };
        // SAFETY: as the caller vouches; `out` has the rows.
        let done = unsafe { to_output(args, channels.clone(), &block, out)? };
        if !done {
            return Ok(false);
        }
        row += rows;
    }
    Ok(true)
}

/// Rows that are staged: from row number `row` on.
struct Staged<'a> {
    /// Whole tiles of rows.
    bytes: &'a [u8],
    stride: usize,
    row: usize,
    rows: usize,
    /// Bits by which sums can be shifted left.
    room: u32,
}

/// The first `len` of `memory`, as zeros.
#[inline(always)]
fn zeroed(memory: &mut [MaybeUninit<u8>; STAGE], len: usize) -> &mut [u8] {
    let memory = &mut memory[..len.min(STAGE)];
    memory.fill(MaybeUninit::new(0));
    // SAFETY: all of them are written.
    unsafe { &mut *(&raw mut *memory as *mut [u8]) }
}

#[inline(always)]
fn window_of(bytes: &mut [u8], len: usize) -> Result<&mut [u8], Fault> {
    bytes.get_mut(..len).ok_or(Fault::Bounds)
}

/// Staged rows by `channels`: says whether there is an output of the type of `out`.
///
/// # Safety
///
/// As [`Isa`] says; `out` has the rows.
#[inline(always)]
unsafe fn to_output(
    args: &LinearArgs<'_>,
    channels: Range<usize>,
    x: &Staged<'_>,
    out: &mut LinearOut<'_>,
) -> Result<bool, Fault> {
    // SAFETY: as the caller vouches.
    unsafe {
        match out {
            LinearOut::I8 { table: Some(_), .. } => blocks(args, channels, x, Looked::new(out)),
            LinearOut::I8 { table: None, .. } => blocks(args, channels, x, Int8::new(out)),
            LinearOut::I16 { residual: Some(_), .. } => blocks(args, channels, x, Added::new(out)),
            LinearOut::I16 { residual: None, .. } => blocks(args, channels, x, Int16::new(out)),
            LinearOut::I32 { .. } => blocks(args, channels, x, Int32::new(out)),
        }
    }
}

/// Blocks of four panels, and of those that are left. One copy for all sources.
///
/// # Safety
///
/// As [`to_output`].
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn blocks<O: Output>(
    args: &LinearArgs<'_>,
    channels: Range<usize>,
    x: &Staged<'_>,
    out: Option<O>,
) -> Result<bool, Fault> {
    let Some(out) = out else { return Ok(false) };
    let mut first = channels.start;
    while first < channels.end {
        let count = (channels.end - first).min(CHANNELS);
        // SAFETY: as the caller vouches.
        unsafe {
            match count.div_ceil(LANES) {
                4 => Block::<4>::new(args, (first, count), x.room)?.rows::<O, 6, 1>(x, out),
                3 => Block::<3>::new(args, (first, count), x.room)?.rows::<O, 6, 2>(x, out),
                2 => Block::<2>::new(args, (first, count), x.room)?.rows::<O, 12, 2>(x, out),
                _ => Block::<1>::new(args, (first, count), x.room)?.rows::<O, 12, 2>(x, out),
            }
        }
        first += CHANNELS;
    }
    Ok(true)
}

/// The sums of a band of rows.
type Sums = [[MaybeUninit<__m512i>; 4]; BAND];

/// Groups of inputs, of so many in all.
#[derive(Clone, Copy)]
struct Part {
    first: usize,
    groups: usize,
    last: usize,
}

/// `P` panels from channel `first` on.
struct Block<'a, const P: usize> {
    panels: [&'a [Weights]; P],
    /// The panels behind them.
    next: &'a [Weights],
    start: [__m512i; P],
    /// Bits by which sums are shifted left before they are requantized.
    up: u32,
    by: [HighHalf; P],
    n: usize,
    first: usize,
    count: usize,
}

impl<'a, const P: usize> Block<'a, P> {
    /// # Safety
    ///
    /// As [`Isa`] says.
    #[inline(always)]
    unsafe fn new(args: &LinearArgs<'a>, (first, count): (usize, usize), room: u32) -> Result<Self, Fault> {
        let groups = args.weights.k.div_ceil(GROUP);
        let (weights, _) = chunks::<{ LANES * GROUP }, _>(args.weights.data);
        let at = first / LANES * groups;
        let here = window(weights, at, P * groups)?;
        let behind = weights.get(at + P * groups..).unwrap_or(&[]);
        let panels = core::array::from_fn(|p| here.get(p * groups..(p + 1) * groups).unwrap_or(&[]));
        let mut bias = [0; CHANNELS];
        bias.iter_mut().zip(window(args.bias, first, count)?).for_each(|(to, from)| *to = *from);
        let mut multipliers = Multipliers::<CHANNELS>::new(&args.requant, first, count)?;
        let up = multipliers.lift(room);
        // SAFETY: as the caller vouches; 64 bytes are read of an array of as many.
        unsafe {
            let mut start = excess(panels);
            for (start, bias) in start.iter_mut().zip(bias.as_chunks::<LANES>().0) {
                *start = _mm512_sub_epi32(_mm512_loadu_si512(bias.as_ptr().cast()), *start);
            }
            let mut by = [HighHalf::uniform(0, 33); P];
            for (panel, by) in by.iter_mut().enumerate() {
                *by = HighHalf::of(&multipliers, panel * LANES);
            }
            let next = behind.get(..4 * groups).unwrap_or(behind);
            Ok(Self { panels, next, start, up, by, n: args.weights.n, first, count })
        }
    }

    /// All staged rows, `R` at a time, and less than `R` as few as `T` at a time.
    ///
    /// # Safety
    ///
    /// As [`to_output`].
    #[inline(always)]
    unsafe fn rows<O: Output, const R: usize, const T: usize>(&self, x: &Staged<'_>, out: O) {
        const { assert!(BAND.is_multiple_of(R) && T <= R) };
        let groups = self.panels.iter().map(|panel| panel.len()).min().unwrap_or(0);
        let parts = groups.div_ceil(PART).max(1);
        let part = groups.div_ceil(parts);
        let mut ahead = Ahead::new(self.next, x.rows.div_ceil(R) * parts);
        let mut sums: Sums = [[const { MaybeUninit::uninit() }; 4]; BAND];
        for top in (0..x.rows).step_by(BAND) {
            let end = (top + BAND).min(x.rows);
            for number in 0..parts {
                let of =
                    Part { first: number * part, groups: part.min(groups - number * part), last: groups };
                let mut row = top;
                while row < end {
                    let sums = &mut sums[row - top..];
                    ahead.fetch();
                    // SAFETY: as the caller vouches; parts come one behind the other.
                    unsafe {
                        if x.rows - row <= T {
                            self.tile::<O, T>(x, row, of, sums, out);
                            row += T;
                        } else {
                            self.tile::<O, R>(x, row, of, sums, out);
                            row += R;
                        }
                    }
                }
            }
        }
    }

    /// Part `of` the inputs of `R` rows from the staged row `row` on. Behind the last part `out` takes as
    /// many of them as there are; before it, `kept` keeps their sums.
    ///
    /// # Safety
    ///
    /// As [`to_output`], and unless `of` is the first part, `kept` has the sums of those before.
    #[inline(always)]
    unsafe fn tile<O: Output, const R: usize>(
        &self,
        x: &Staged<'_>,
        row: usize,
        of: Part,
        kept: &mut [[MaybeUninit<__m512i>; 4]],
        out: O,
    ) {
        // SAFETY: `R` rows are staged, of as many groups; `out` has the rows that are put.
        unsafe {
            let from = x.bytes.as_ptr().add(row * x.stride + of.first * GROUP);
            let mut sums = [self.start; R];
            if of.first > 0 {
                for (sums, kept) in sums.iter_mut().zip(&*kept) {
                    for (sum, kept) in sums.iter_mut().zip(kept) {
                        *sum = kept.assume_init();
                    }
                }
            }
            let rows = core::array::from_fn(|r| from.wrapping_add(r * x.stride));
            let panels = self.panels.each_ref().map(|panel| panel.as_ptr().wrapping_add(of.first));
            let mut sums = products(sums, rows, panels, of.groups);
            if of.first + of.groups < of.last {
                for (sums, kept) in sums.iter().zip(kept) {
                    for (&sum, kept) in sums.iter().zip(kept) {
                        kept.write(sum);
                    }
                }
                return;
            }
            if self.up > 0 {
                let up = _mm_cvtsi32_si128(self.up as i32);
                for sums in &mut sums {
                    for sum in sums {
                        *sum = _mm512_sll_epi32(*sum, up);
                    }
                }
            }
            for (p, by) in self.by.iter().enumerate() {
                for sums in &mut sums {
                    sums[p] = by.apply(sums[p]);
                }
            }
            let at = (x.row + row) * self.n + self.first;
            for (r, sums) in sums.iter().enumerate() {
                if row + r < x.rows {
                    let mut values = [_mm512_setzero_si512(); 4];
                    values[..P].copy_from_slice(sums);
                    out.put(at + r * self.n, self.count, values);
                }
            }
        }
    }
}

/// Weights that are brought from memory to the second cache, a share at a time.
struct Ahead<'a> {
    weights: core::slice::Chunks<'a, Weights>,
}

impl<'a> Ahead<'a> {
    #[inline(always)]
    fn new(weights: &'a [Weights], shares: usize) -> Self {
        Self { weights: weights.chunks(weights.len().div_ceil(shares.max(1)).max(1)) }
    }

    #[inline(always)]
    fn fetch(&mut self) {
        for weights in self.weights.next().unwrap_or(&[]) {
            // SAFETY: nothing but a hint.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(weights.as_ptr()) };
        }
    }
}
