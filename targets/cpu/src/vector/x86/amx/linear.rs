//! GEMM by tiles: sixteen rows by four panels at a time, and meanwhile the epilogue of the block before.
//!
//! A tile of weights is 1,024 bytes of a panel as it lies in memory, and activations are read where
//! they lie, wherever those are whole tiles.

use quant::Fault;
use quant::ops::{LinearArgs, LinearOut};

use super::tiles::{BYTES, CHANNELS, GROUPS, ROWS, Rows, Sums, Tile, Tiles};
use crate::vector::isa::{GROUP, LANES, Weights};
use crate::vector::linear::{Block, store};
use crate::vector::source::Source;
use crate::vector::x86::avx2::Avx2;
use crate::vector::x86::avx512::Avx512;

/// Inputs that are staged at once, in whole tiles.
const STAGE: usize = 2048;
/// Bytes from one staged row to the next: an odd number of cache lines, so that the rows of a tile do
/// not compete for the same places of a cache.
const STRIDE: usize = STAGE + 64;

/// Four panels of weights.
type Four<'a> = Block<'a, 4, CHANNELS>;

/// As many rows of `source` as `out` takes by all channels of `args`.
///
/// # Safety
///
/// Where [`is_permitted`](super::tiles::is_permitted) says so, in a function that is compiled for
/// AVX-512 as [`Avx512`] has it.
#[inline(always)]
pub(super) unsafe fn linear(
    args: &LinearArgs<'_>,
    source: &impl Source,
    mut out: LinearOut<'_>,
) -> Result<(), Fault> {
    let n = args.weights.n;
    let rows = out.len().checked_div(n).unwrap_or(0);
    let (columns, blocks) = (n.div_ceil(CHANNELS), rows.div_ceil(ROWS));
    // What is outside stays in the first cache: weights, unless activations have to be staged.
    let is_in_memory = source.in_memory(0).is_some();
    let mut staged = Staged::new();
    let mut sums = [Sums::ZERO; 2];
    let mut fours = [const { None }; 2];
    let mut waiting: Option<Waiting> = None;
    // SAFETY: as the caller vouches.
    let mut tiles = unsafe { Tiles::new() };
    for number in 0..columns * blocks {
        let (column, block) = match is_in_memory {
            true => (number / blocks, number % blocks),
            false => (number % columns, number / columns),
        };
        let rows = (block * ROWS, (rows - block * ROWS).min(ROWS));
        let (slot, is_new) = match &waiting {
            Some(waiting) if waiting.column == column => (waiting.slot, false),
            waiting => (waiting.as_ref().map_or(0, |waiting| 1 - waiting.slot), true),
        };
        if is_new {
            // The sign of activations is not turned, as for tiles.
            // SAFETY: as the caller vouches.
            fours[slot] = Some(unsafe { Four::new::<Avx2>(args, column * CHANNELS)? });
        }
        let [even, odd] = &mut sums;
        let (now, before) = if number % 2 == 0 { (even, odd) } else { (odd, even) };
        let four = fours[slot].as_ref().ok_or(Fault::Bounds)?;
        tiles.begin(&four.panels.start);
        let mut meanwhile = Epilogue { fours: &fours, waiting: &mut waiting, sums: before, out: &mut out };
        // SAFETY: as the caller vouches.
        unsafe { products(&mut tiles, four, (source, rows), &mut staged, &mut meanwhile)? };
        tiles.store(now);
        waiting = Some(Waiting { column, slot, rows, stored: 0 });
        if number + 1 == columns * blocks {
            let mut last = Epilogue { fours: &fours, waiting: &mut waiting, sums: now, out: &mut out };
            // SAFETY: as the caller vouches.
            unsafe { last.store((1, 1))? };
        }
    }
    Ok(())
}

/// A block of sums that waits for its epilogue.
struct Waiting {
    /// The number of its four panels, and the slot where they are.
    column: usize,
    slot: usize,
    /// The first row, and how many there are.
    rows: (usize, usize),
    stored: usize,
}

/// What waits, its sums, and where they are stored.
struct Epilogue<'e, 'a, 'o> {
    fours: &'e [Option<Four<'a>>; 2],
    waiting: &'e mut Option<Waiting>,
    sums: &'e Sums,
    out: &'e mut LinearOut<'o>,
}

impl Epilogue<'_, '_, '_> {
    /// Stores rows up to part `part` of `parts`.
    ///
    /// # Safety
    ///
    /// In a function that is compiled for AVX-512 as [`Avx512`] has it.
    #[inline(always)]
    unsafe fn store(&mut self, (part, parts): (usize, usize)) -> Result<(), Fault> {
        let Some(Waiting { slot, rows: (row, rows), stored, .. }) = self.waiting else { return Ok(()) };
        let end = *rows * part / parts;
        let ready = self.sums.0.get(*stored..end).unwrap_or(&[]);
        let four = self.fours[*slot].as_ref().ok_or(Fault::Bounds)?;
        // SAFETY: as the caller vouches.
        unsafe { store::<Avx512, 4, CHANNELS>(four, ready, *row + *stored, self.out)? };
        *stored = end.max(*stored);
        Ok(())
    }
}

/// What does not lie in memory as whole tiles.
#[repr(align(64))]
struct Staged {
    rows: [[u8; STRIDE]; ROWS],
    /// The first row and the first input of what is there.
    at: Option<(usize, usize)>,
    /// The last groups of four panels, and zeros behind them.
    weights: [Tile; 4],
}

impl Staged {
    #[inline(always)]
    fn new() -> Self {
        Self { rows: [[0; STRIDE]; ROWS], at: None, weights: [[[0; LANES * GROUP]; GROUPS]; 4] }
    }

    /// Stages inputs `first .. first + len` of `rows` rows from `row` on.
    #[inline(always)]
    fn stage(
        &mut self,
        source: &impl Source,
        (row, rows): (usize, usize),
        (first, len): (usize, usize),
    ) -> Result<(), Fault> {
        if self.at != Some((row, first)) {
            for (r, to) in self.rows.iter_mut().enumerate().take(rows) {
                source.stage(row + r, first, 0, to.get_mut(..len).ok_or(Fault::Bounds)?)?;
            }
            self.at = Some((row, first));
        }
        Ok(())
    }
}

/// Adds the products of `rows` rows of `source` from `row` on with four panels, and meanwhile stores
/// what waits.
///
/// # Safety
///
/// As [`linear`].
#[inline(always)]
unsafe fn products<S: Source>(
    tiles: &mut Tiles,
    four: &Four<'_>,
    (source, (row, rows)): (&S, (usize, usize)),
    staged: &mut Staged,
    meanwhile: &mut Epilogue<'_, '_, '_>,
) -> Result<(), Fault> {
    let (whole, steps) = (four.k / BYTES, four.k.div_ceil(BYTES));
    let in_memory = match source.in_memory(row) {
        Some((x, stride)) if rows == ROWS => Rows::new(bytemuck::cast_slice(x), stride, ROWS, whole),
        _ => None,
    };
    let [a, b, c, d] = four.panels.panels;
    for step in 0..steps {
        let at = step * BYTES;
        match &in_memory {
            Some(x) if step < whole => {
                let tile = |panel| whole_tile(panel, step).ok_or(Fault::Bounds);
                let w = [tile(a)?, tile(b)?, tile(c)?, tile(d)?];
                // SAFETY: `x` has 16 rows of `whole` steps.
                unsafe { tiles.multiply(x, step, w) };
            }
            _ => {
                // The rest of a row alone, where all else is read where it lies.
                let first = if in_memory.is_some() { at } else { at - at % STAGE };
                staged.stage(source, (row, rows), (first, (four.k - first).min(STAGE)))?;
                let x = staged.rows.as_flattened();
                let x = Rows::new(x, STRIDE, ROWS, STAGE / BYTES).ok_or(Fault::Bounds)?;
                let [e, f, g, h] = &mut staged.weights;
                let w = [tile(a, step, e), tile(b, step, f), tile(c, step, g), tile(d, step, h)];
                // SAFETY: `x` has 16 rows of as many steps as are staged at once.
                unsafe { tiles.multiply(&x, (at - first) / BYTES, w) };
            }
        }
        // SAFETY: as the caller vouches.
        unsafe { meanwhile.store((step + 1, steps))? };
    }
    // Without inputs there is no step.
    // SAFETY: as the caller vouches.
    unsafe { meanwhile.store((1, 1)) }
}

/// The weights of step `step` of a panel where they lie, if they are a whole tile.
#[inline(always)]
fn whole_tile(panel: &[Weights], step: usize) -> Option<&Tile> {
    panel.get(step * GROUPS..)?.first_chunk()
}

/// The same where they are not: copied to what holds zeros behind them.
#[inline(always)]
fn tile<'a>(panel: &'a [Weights], step: usize, copy: &'a mut Tile) -> &'a Tile {
    match whole_tile(panel, step) {
        Some(tile) => tile,
        None => {
            let rest = panel.get(step * GROUPS..).unwrap_or(&[]);
            copy.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            copy
        }
    }
}
