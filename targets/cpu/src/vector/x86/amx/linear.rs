//! GEMM by tiles: blocks of 64 channels, and between their products the epilogue of the block before.
//!
//! A tile of weights is 1,024 bytes of a panel as it lies in memory, and activations are read where
//! they lie, wherever those are whole tiles.

use quant::Fault;
use quant::ops::{LinearArgs, LinearOut};
use quant::slice::{chunks, window};

use super::epilogue::{Block, CHANNELS, ChannelMultipliers, Epilogue, Place};
use super::products::{flat, square};
use super::tiles::{BYTES, GROUPS, ROWS, Rows, Tile, Tiles};
use crate::vector::isa::{GROUP, LANES, Weights};
use crate::vector::linear::Panels;
use crate::vector::source::Source;
use crate::vector::x86::avx2::Avx2;
use crate::vector::x86::avx512::{Added, Int8, Int16, Int32, Looked, Output};
use crate::vector::x86::room::room;

/// Inputs that are staged at once, in whole tiles.
const STAGE: usize = 2048;
/// Bytes from one staged row to the next: an odd number of cache lines, so that the rows of a tile do
/// not compete for the same places of a cache.
const STRIDE: usize = STAGE + 64;
/// Inputs from which on the weights of four panels leave no place in the first cache: then blocks have
/// 32 rows, for which each of them is loaded once.
const DEEP: usize = 640;

/// As many rows of `source` as `out` takes by all channels of `args`.
///
/// # Safety
///
/// Where [`is_permitted`](super::tiles::is_permitted) says so, in a function that is compiled for
/// AVX-512 as [`Avx512`](crate::vector::x86::avx512::Avx512) has it.
#[inline(always)]
pub(super) unsafe fn linear(
    args: &LinearArgs<'_>,
    source: &impl Source,
    out: LinearOut<'_>,
) -> Result<(), Fault> {
    // SAFETY: as the caller vouches.
    unsafe {
        match out {
            LinearOut::I8 { table: Some(_), .. } => blocks::<Looked>(args, source, out),
            LinearOut::I8 { table: None, .. } => blocks::<Int8>(args, source, out),
            LinearOut::I16 { residual: Some(_), .. } => blocks::<Added>(args, source, out),
            LinearOut::I16 { residual: None, .. } => blocks::<Int16>(args, source, out),
            LinearOut::I32 { .. } => blocks::<Int32>(args, source, out),
        }
    }
}

/// The rows of one block.
#[derive(Clone, Copy)]
struct Span {
    row: usize,
    rows: usize,
    /// Rows that a block before has done, too.
    done: usize,
}

/// How rows are divided into blocks.
struct Spans {
    rows: usize,
    /// Blocks of 32 rows, before those of 16.
    tall: usize,
    count: usize,
    /// Whether the last block begins as early as to have all rows that blocks have.
    is_full: bool,
}

impl Spans {
    /// `is_in_place`: activations are read where they lie, as whole tiles.
    #[inline(always)]
    fn new(rows: usize, k: usize, is_in_place: bool) -> Self {
        let tall = if is_in_place && k >= DEEP { rows / (2 * ROWS) } else { 0 };
        let count = tall + (rows - tall * 2 * ROWS).div_ceil(ROWS);
        Self { rows, tall, count, is_full: is_in_place && rows >= ROWS }
    }

    #[inline(always)]
    fn get(&self, number: usize) -> Span {
        if number < self.tall {
            return Span { row: number * 2 * ROWS, rows: 2 * ROWS, done: 0 };
        }
        let row = (self.tall + number) * ROWS;
        let rows = (self.rows - row).min(ROWS);
        let done = if self.is_full { ROWS - rows } else { 0 };
        Span { row: row - done, rows: rows + done, done }
    }
}

/// The weights of a block.
struct Column<'a> {
    channel: usize,
    panels: Panels<'a, 4>,
    /// Those behind the last whole step, and zeros behind them.
    rest: [Tile; 4],
}

impl<'a> Column<'a> {
    /// Those of `count` channels from `channel` on.
    ///
    /// # Safety
    ///
    /// As [`linear`].
    #[inline(always)]
    unsafe fn new(args: &LinearArgs<'a>, channel: usize, count: usize) -> Result<Self, Fault> {
        // The sign of activations is not turned, as for tiles.
        // SAFETY: as the caller vouches.
        let panels = unsafe { Panels::of::<Avx2>(args, channel, count)? };
        let mut rest: [Tile; 4] = [[[0; LANES * GROUP]; GROUPS]; 4];
        for (panel, rest) in panels.panels.iter().zip(&mut rest) {
            let weights = panel.as_chunks::<GROUPS>().1;
            rest.iter_mut().zip(weights).for_each(|(to, from)| *to = *from);
        }
        Ok(Self { channel, panels, rest })
    }
}

/// As [`linear`], to an output of the type `O`.
///
/// # Safety
///
/// As [`linear`].
#[inline(always)]
unsafe fn blocks<O: Output>(
    args: &LinearArgs<'_>,
    source: &impl Source,
    mut out: LinearOut<'_>,
) -> Result<(), Fault> {
    let (n, k) = (args.weights.n, args.weights.k);
    let (rows, steps) = (out.len().checked_div(n).unwrap_or(0), k.div_ceil(BYTES));
    let (is_in_memory, room) = (source.in_memory(0).is_some(), room(args, &(0..n))?);
    let spans = Spans::new(rows, k, is_in_memory && k.is_multiple_of(BYTES));
    let columns = n.div_ceil(CHANNELS);
    let mut staged = None;
    let mut sums = [Block::ZERO; 2];
    let mut here: Option<Column<'_>> = None;
    let mut before: Option<Place> = None;
    // SAFETY: as the caller vouches.
    let (mut tiles, mut multipliers) =
        unsafe { (Tiles::new(), ChannelMultipliers::new(&args.requant, room)) };
    for number in 0..columns * spans.count {
        // What is outside stays in the first cache: weights, unless activations have to be staged.
        let (place, span) = match is_in_memory {
            true => (number / spans.count, spans.get(number % spans.count)),
            false => (number % columns, spans.get(number / columns)),
        };
        let channel = place * CHANNELS;
        let count = (n - channel).min(CHANNELS);
        let column = match &mut here {
            Some(column) if column.channel == channel => &*column,
            // SAFETY: as the caller vouches.
            here => &*here.insert(unsafe { Column::new(args, channel, count)? }),
        };
        let [even, odd] = &mut sums;
        let (now, last) = if number % 2 == 0 { (even, odd) } else { (odd, even) };
        let is_tall = span.rows > ROWS;
        let products = steps * if is_tall { 8 } else { 4 };
        // SAFETY: as the caller vouches.
        unsafe {
            let mut epilogue = Epilogue::<O>::new((last, before), &mut multipliers, (&mut out, n), products)?;
            // The next panels, where all rows are done with these first.
            let next = if is_in_memory { four_panels(args, place + 1) } else { &[] };
            let ahead = share(next, number % spans.count, spans.count);
            if is_tall {
                tall(&mut tiles, (source, span.row, steps), (column, ahead), &mut epilogue, now)?;
            } else {
                let staged = &mut staged;
                short(&mut tiles, (source, span, k), staged, (column, ahead), &mut epilogue, now)?;
            }
        }
        before = Some(Place { channel, count, row: span.row, done: span.done, rows: span.rows });
    }
    let last = &sums[(columns * spans.count + 1) % 2];
    // SAFETY: as the caller vouches; all is due at once.
    unsafe { Epilogue::<O>::new((last, before), &mut multipliers, (&mut out, n), 1)?.finish() };
    Ok(())
}

/// [`flat`] for this epilogue.
///
/// # Safety
///
/// As [`flat`].
#[inline(always)]
unsafe fn by_four<O: Output>(
    tiles: &mut Tiles,
    x: (&Rows<'_>, usize),
    panels: [&[Tile]; 4],
    ahead: &[Weights],
    epilogue: &mut Epilogue<'_, O>,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        if epilogue.is_lifted() {
            flat::<O, true>(tiles, x, panels, ahead, epilogue);
        } else {
            flat::<O, false>(tiles, x, panels, ahead, epilogue);
        }
    }
}

/// The sums of twice sixteen rows from `row` on by four panels.
///
/// # Safety
///
/// As [`linear`], and `epilogue` was told of eight products for each step.
#[inline(always)]
unsafe fn tall<O: Output>(
    tiles: &mut Tiles,
    (source, row, steps): (&impl Source, usize, usize),
    (column, ahead): (&Column<'_>, &[Weights]),
    epilogue: &mut Epilogue<'_, O>,
    sums: &mut Block,
) -> Result<(), Fault> {
    let (upper, lower) = (in_place(source, row, steps), in_place(source, row + ROWS, steps));
    let (Some(upper), Some(lower)) = (upper, lower) else { return Err(Fault::Bounds) };
    let Panels { start: [a, b, c, d], panels: [e, f, g, h], .. } = &column.panels;
    let Block([[i, j, k, l], [m, n, o, p]]) = sums;
    let halves = [([a, b], [e, f], [i, j, m, n]), ([c, d], [g, h], [k, l, o, p])];
    for (half, (starts, panels, sums)) in halves.into_iter().enumerate() {
        tiles.begin::<0>(starts[0]);
        tiles.begin::<1>(starts[1]);
        tiles.begin::<2>(starts[0]);
        tiles.begin::<3>(starts[1]);
        let panels = [whole(panels[0], 0, steps)?, whole(panels[1], 0, steps)?];
        // SAFETY: both have `steps` steps; the rest as the caller vouches.
        unsafe {
            if epilogue.is_lifted() {
                square::<O, true>(tiles, [&upper, &lower], panels, share(ahead, half, 2), epilogue);
            } else {
                square::<O, false>(tiles, [&upper, &lower], panels, share(ahead, half, 2), epilogue);
            }
        };
        let [a, b, c, d] = sums;
        tiles.store::<0>(a);
        tiles.store::<1>(b);
        tiles.store::<2>(c);
        tiles.store::<3>(d);
    }
    Ok(())
}

/// The sums of at most sixteen rows by four panels.
///
/// # Safety
///
/// As [`linear`], and `epilogue` was told of four products for each step.
#[inline(always)]
unsafe fn short<O: Output>(
    tiles: &mut Tiles,
    (source, span, k): (&impl Source, Span, usize),
    staged: &mut Option<Staged>,
    (column, ahead): (&Column<'_>, &[Weights]),
    epilogue: &mut Epilogue<'_, O>,
    sums: &mut Block,
) -> Result<(), Fault> {
    let steps = k / BYTES;
    let rows = (span.row, span.rows);
    let lying = if span.rows == ROWS { in_place(source, span.row, steps) } else { None };
    let Panels { start: [a, b, c, d], panels: [e, f, g, h], .. } = &column.panels;
    tiles.begin::<0>(a);
    tiles.begin::<1>(b);
    tiles.begin::<2>(c);
    tiles.begin::<3>(d);
    let of = |first, steps| {
        Ok([
            whole(e, first, steps)?,
            whole(f, first, steps)?,
            whole(g, first, steps)?,
            whole(h, first, steps)?,
        ])
    };
    if let Some(x) = &lying {
        // SAFETY: `x` has `steps` steps; the rest as the caller vouches.
        unsafe { by_four(tiles, (x, 0), of(0, steps)?, ahead, epilogue) };
    } else {
        for first in (0..steps).step_by(STAGE / BYTES) {
            let staged = staged.get_or_insert_with(Staged::new);
            let inputs = (first * BYTES, (k - first * BYTES).min(STAGE));
            let panels = of(first, (steps - first).min(STAGE / BYTES))?;
            let x = staged.stage(source, rows, inputs)?;
            // SAFETY: `x` has as many steps as are staged at once; the rest as the caller vouches.
            unsafe { by_four(tiles, (&x, 0), panels, &[], epilogue) };
        }
    }
    if steps * BYTES < k {
        let rest = column.rest.each_ref().map(core::slice::from_ref);
        // What lies behind a row is multiplied by the zeros behind its weights.
        let longer = if lying.is_some() { in_place(source, span.row, steps + 1) } else { None };
        if let Some(x) = &longer {
            // SAFETY: `x` has one step more; the rest as the caller vouches.
            unsafe { by_four(tiles, (x, steps), rest, &[], epilogue) };
        } else {
            // The rest of a row alone, where all else is read where it lies.
            let staged = staged.get_or_insert_with(Staged::new);
            let before = if lying.is_some() { 0 } else { steps % (STAGE / BYTES) };
            let first = (steps - before) * BYTES;
            let x = staged.stage(source, rows, (first, k - first))?;
            // SAFETY: `x` has as many steps as are staged at once; the rest as the caller vouches.
            unsafe { by_four(tiles, (&x, before), rest, &[], epilogue) };
        }
    }
    let Block([[a, b, c, d], _]) = sums;
    tiles.store::<0>(a);
    tiles.store::<1>(b);
    tiles.store::<2>(c);
    tiles.store::<3>(d);
    Ok(())
}

/// The weights of column `number` of four panels, as far as there are.
#[inline(always)]
fn four_panels<'a>(args: &LinearArgs<'a>, number: usize) -> &'a [Weights] {
    let (weights, _) = chunks::<{ LANES * GROUP }, _>(args.weights.data);
    let groups = 4 * args.weights.k.div_ceil(GROUP);
    let rest = weights.get(number * groups..).unwrap_or(&[]);
    rest.get(..groups).unwrap_or(rest)
}

/// Part `number` of `count` of `weights`.
#[inline(always)]
fn share(weights: &[Weights], number: usize, count: usize) -> &[Weights] {
    let (start, end) = (weights.len() * number / count, weights.len() * (number + 1) / count);
    weights.get(start..end).unwrap_or(&[])
}

/// The weights of `steps` steps of a panel from step `first` on, where they lie.
#[inline(always)]
fn whole(panel: &[Weights], first: usize, steps: usize) -> Result<&[Tile], Fault> {
    window(panel.as_chunks::<GROUPS>().0, first, steps)
}

/// Sixteen rows from `row` on where they lie, of `steps` whole tiles.
#[inline(always)]
fn in_place(source: &impl Source, row: usize, steps: usize) -> Option<Rows<'_>> {
    let (x, stride) = source.in_memory(row)?;
    Rows::new(bytemuck::cast_slice(x), stride, steps)
}

/// Activations that do not lie in memory as whole tiles.
#[repr(align(64))]
struct Staged {
    rows: [[u8; STRIDE]; ROWS],
    /// The first row and the first input of what is there.
    at: Option<(usize, usize)>,
}

impl Staged {
    #[inline(always)]
    fn new() -> Self {
        Self { rows: [[0; STRIDE]; ROWS], at: None }
    }

    /// Inputs `first .. first + len` of `rows` rows from `row` on.
    #[inline(always)]
    fn stage(
        &mut self,
        source: &impl Source,
        (row, rows): (usize, usize),
        (first, len): (usize, usize),
    ) -> Result<Rows<'_>, Fault> {
        if self.at != Some((row, first)) {
            for (r, to) in self.rows.iter_mut().enumerate().take(rows) {
                source.stage(row + r, first, 0, to.get_mut(..len).ok_or(Fault::Bounds)?)?;
            }
            self.at = Some((row, first));
        }
        Rows::new(self.rows.as_flattened(), STRIDE, STAGE / BYTES).ok_or(Fault::Bounds)
    }
}
