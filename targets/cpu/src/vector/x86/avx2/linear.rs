//! GEMM: rows of activations are laid out once for all channels, then tiles of them by 32 channels go
//! from their first product to memory in registers.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_dpbusd_avx_epi32, _mm256_set1_epi8, _mm256_setr_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srai_epi16, _mm256_storeu_si256, _mm256_sub_epi32,
};
use core::ops::Range;

use quant::Fault;
use quant::ops::{LinearArgs, LinearOut};
use quant::slice::{chunks, window, window_mut};

use super::halves;
use super::output::{Added, Int8, Int16, Int32, Looked, Output};
use super::requantize::{CHANNELS, HighHalf, by_any, load, values};
use super::tile::{Fours, Pairs, Row, Tile};
use crate::portable::requantize::Multipliers;
use crate::vector::isa::{GROUP, LANES, STAGE, Weights};
use crate::vector::source::Source;

/// Steps of a tile whose weights stay in the first cache.
const DEPTH: usize = 224;
/// Steps of all rows that are laid out at once.
const STAGED: usize = 12 << 10;
/// Most rows that are laid out at once: whole tiles.
const ROWS: usize = 66;

/// Weights of two panels.
type Panels<'a> = [&'a [Weights]; 2];
/// Room for the weights of a tile.
#[repr(align(64))]
pub(super) struct Widened([[Weights; DEPTH]; 2]);

/// How activations and weights of bytes become those of products.
///
/// # Safety
///
/// As [`Tile`] says.
pub(super) unsafe trait Layout<const R: usize>: Tile<R> {
    /// Steps of a group of inputs.
    const STEPS: usize;

    /// Lays out inputs of row `row` of `source`, which are `k`.
    fn stage(source: &impl Source, row: usize, k: usize, to: &mut [u32]) -> Result<(), Fault>;

    /// The weights of `groups`, which are at most `DEPTH / STEPS`.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn weights<'a>(panels: Panels<'a>, groups: Range<usize>, room: &'a mut Widened) -> Panels<'a>;

    /// What is to be taken from the sums of `panels`.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn excess(panels: Panels<'_>) -> Row;
}

// SAFETY: every instruction is one of AVX2 or AVX-VNNI.
unsafe impl Layout<3> for Fours {
    const STEPS: usize = 1;

    /// `x + 128`, unsigned.
    #[inline(always)]
    fn stage(source: &impl Source, row: usize, k: usize, to: &mut [u32]) -> Result<(), Fault> {
        source.stage(row, 0, 0x80, window_mut(bytemuck::cast_slice_mut(to), 0, k)?)
    }

    #[inline(always)]
    unsafe fn weights<'a>(panels: Panels<'a>, groups: Range<usize>, _room: &'a mut Widened) -> Panels<'a> {
        panels.map(|panel| panel.get(groups.clone()).unwrap_or(&[]))
    }

    #[inline(always)]
    unsafe fn excess(panels: Panels<'_>) -> Row {
        // SAFETY: as the caller vouches.
        unsafe {
            let flip = _mm256_set1_epi8(i8::MIN);
            // Two steps at once, whose sums do not wait for each other.
            let mut sums = [[_mm256_setzero_si256(); 4]; 2];
            let [first, second] = panels;
            let pairs = first.as_chunks::<2>().0.iter().zip(second.as_chunks::<2>().0);
            for (first, second) in pairs {
                for step in 0..2 {
                    add_excess(&mut sums[step], flip, [&first[step], &second[step]]);
                }
            }
            if let ([first], [second]) = (first.as_chunks::<2>().1, second.as_chunks::<2>().1) {
                add_excess(&mut sums[0], flip, [first, second]);
            }
            let [mut total, more] = sums;
            for (sum, more) in total.iter_mut().zip(more) {
                *sum = _mm256_add_epi32(*sum, more);
            }
            total
        }
    }
}

/// Adds the products of `flip` and a step of both panels.
///
/// # Safety
///
/// Where AVX-VNNI is.
#[inline(always)]
unsafe fn add_excess(sums: &mut Row, flip: __m256i, panels: [&Weights; 2]) {
    for panel in 0..2 {
        // SAFETY: 64 bytes are read, of an array of as many.
        let w = unsafe { halves(panels[panel].as_ptr()) };
        for half in 0..2 {
            let sum = &mut sums[2 * panel + half];
            // SAFETY: as the caller vouches.
            *sum = unsafe { _mm256_dpbusd_avx_epi32(*sum, flip, w[half]) };
        }
    }
}

// SAFETY: every instruction is one of AVX2.
unsafe impl Layout<2> for Pairs {
    const STEPS: usize = 2;

    /// As words.
    #[inline(always)]
    fn stage(source: &impl Source, row: usize, k: usize, to: &mut [u32]) -> Result<(), Fault> {
        let mut bytes = [0u8; STAGE];
        let bytes = window_mut(&mut bytes, 0, k)?;
        source.stage(row, 0, 0, bytes)?;
        let words: &mut [i16] = bytemuck::cast_slice_mut(to);
        words.iter_mut().zip(&*bytes).for_each(|(to, &x)| *to = i16::from(x as i8));
        Ok(())
    }

    /// The first two inputs of a group as words, then the other two.
    #[inline(always)]
    unsafe fn weights<'a>(panels: Panels<'a>, groups: Range<usize>, room: &'a mut Widened) -> Panels<'a> {
        let [first, second] = &mut room.0;
        let mut widened: Panels<'a> = [&[]; 2];
        for ((panel, room), widened) in panels.into_iter().zip([first, second]).zip(&mut widened) {
            let panel = panel.get(groups.clone()).unwrap_or(&[]);
            for (weights, to) in panel.iter().zip(room.as_chunks_mut::<2>().0) {
                // SAFETY: 64 bytes are read, of an array of as many, and twice as many written.
                unsafe {
                    let to = to.as_mut_ptr().cast::<__m256i>();
                    for (half, weights) in halves(weights.as_ptr()).into_iter().enumerate() {
                        _mm256_storeu_si256(to.add(half), words_of(weights, 0));
                        _mm256_storeu_si256(to.add(2 + half), words_of(weights, 2));
                    }
                }
            }
            *widened = room.get(..2 * panel.len()).unwrap_or(&[]);
        }
        widened
    }

    #[inline(always)]
    unsafe fn excess(_panels: Panels<'_>) -> Row {
        // SAFETY: as the caller vouches.
        unsafe { [_mm256_setzero_si256(); 4] }
    }
}

/// Bytes `byte` and `byte + 1` of each 32 bits as words.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn words_of(x: __m256i, byte: i8) -> __m256i {
    // SAFETY: as the caller vouches.
    unsafe {
        let (a, b, c, d) = (byte, byte + 4, byte + 8, byte + 12);
        // Each to the upper half of a word.
        let places = _mm256_setr_epi8(
            -1,
            a,
            -1,
            a + 1,
            -1,
            b,
            -1,
            b + 1,
            -1,
            c,
            -1,
            c + 1,
            -1,
            d,
            -1,
            d + 1, //
            -1,
            a,
            -1,
            a + 1,
            -1,
            b,
            -1,
            b + 1,
            -1,
            c,
            -1,
            c + 1,
            -1,
            d,
            -1,
            d + 1,
        );
        _mm256_srai_epi16::<8>(_mm256_shuffle_epi8(x, places))
    }
}

/// `rows` rows of `source` by `channels` of `args`, where they are all channels, and the rows a tile at
/// least, of at most [`STAGE`] inputs, and the epilogue is one of these: says whether they are.
///
/// # Safety
///
/// As [`Tile`] says.
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
    // SAFETY: as the caller vouches.
    unsafe {
        match out {
            LinearOut::I8 { table: Some(_), .. } => blocks::<T, Looked, R>(args, source, rows, out),
            LinearOut::I8 { table: None, .. } => blocks::<T, Int8, R>(args, source, rows, out),
            LinearOut::I16 { residual: Some(_), .. } => blocks::<T, Added, R>(args, source, rows, out),
            LinearOut::I16 { residual: None, .. } => blocks::<T, Int16, R>(args, source, rows, out),
            LinearOut::I32 { .. } => blocks::<T, Int32, R>(args, source, rows, out),
        }
    }
}

/// As [`linear`], to an output of the type `O`, which has `rows` rows.
///
/// # Safety
///
/// As [`linear`].
#[inline(always)]
unsafe fn blocks<T: Layout<R>, O: Output, const R: usize>(
    args: &LinearArgs<'_>,
    source: &impl Source,
    rows: usize,
    out: &mut LinearOut<'_>,
) -> Result<bool, Fault> {
    // SAFETY: as the caller vouches.
    let Some(to) = (unsafe { O::new(out) }) else { return Ok(false) };
    let steps = args.weights.k.div_ceil(GROUP) * T::STEPS;
    let most = STAGED.checked_div(steps).unwrap_or(ROWS).min(ROWS) / R * R;
    let size = rows.div_ceil(rows.div_ceil(most)).next_multiple_of(R);
    let mut staged = [0; STAGED];
    // SAFETY: as the caller vouches.
    let (zero, mut widened) = (unsafe { _mm256_setzero_si256() }, Widened([[[0; LANES * GROUP]; DEPTH]; 2]));
    let mut partial = [[zero; 4]; ROWS];
    for row in (0..rows).step_by(size) {
        let count = (rows - row).min(size);
        for r in 0..count {
            T::stage(source, row + r, args.weights.k, window_mut(&mut staged, r * steps, steps)?)?;
        }
        for channel in (0..args.weights.n).step_by(CHANNELS) {
            // SAFETY: `out` is borrowed until the end, and has `rows` rows; and as the caller vouches.
            unsafe {
                let block = Block::new::<T, R>(args, channel)?;
                let rows = Rows { staged: &staged, steps, row, count };
                block.put::<T, O, R>(&rows, &to, args.weights.n, &mut partial, &mut widened)?;
            }
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
    channel: usize,
    count: usize,
}

impl<'a> Block<'a> {
    /// Those from `channel` on; a panel that there is not is the one before.
    ///
    /// # Safety
    ///
    /// As [`Tile`] says.
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
        Ok(Self { panels, start, by: Multipliers::new(&args.requant, channel, count)?, channel, count })
    }

    /// Puts all of `rows`, which has `n` channels, to `to`. `partial` has room for the sums of all rows.
    ///
    /// # Safety
    ///
    /// `to` has them; and as [`Products`] says.
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
            let (start, high) = (load(&self.start), HighHalf::of(&self.by));
            for part in 0..parts {
                let (begin, end) = (part * size, ((part + 1) * size).min(groups));
                let weights = T::weights(self.panels, begin..end, widened);
                for (number, partial) in partial.chunks_exact_mut(R).enumerate() {
                    let first = number * R;
                    if first >= rows.count {
                        break;
                    }
                    let x = rows.get::<R>(first, begin * T::STEPS, (end - begin) * T::STEPS)?;
                    let mut sums = [start; R];
                    if part > 0 {
                        sums.copy_from_slice(partial);
                    }
                    T::tile(&mut sums, x, weights);
                    if part + 1 < parts {
                        partial.copy_from_slice(&sums);
                        continue;
                    }
                    for (r, sums) in sums.into_iter().enumerate().take(rows.count - first) {
                        let at = (rows.row + first + r) * n + self.channel;
                        to.put(at, self.count, self.requantized(&high, sums));
                    }
                }
            }
        }
        Ok(())
    }

    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    unsafe fn requantized(&self, high: &[HighHalf; 4], sums: Row) -> Row {
        // SAFETY: as the caller vouches.
        unsafe {
            match self.by.is_high {
                true => HighHalf::apply_all(high, sums),
                false => load(&by_any(&self.by, &values(sums))),
            }
        }
    }
}
