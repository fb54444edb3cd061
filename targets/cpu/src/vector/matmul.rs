//! Products of activations: the panels of B are packed on the way.

use quant::Fault;
use quant::ops::{LinearOut, MatMulArgs, Tensor, TensorMut};
use quant::slice::window;

use super::isa::{GROUP, Isa, LANES, Lookup, Requantize, STAGE, Staged, Weights};
use super::linear::{Block, Panels, rows, store};
use super::source::{Bytes, Dense, Input, Words};
use crate::portable::requantize::Multipliers;

/// Groups of a packed panel.
const DEPTH: usize = 64;
/// Inputs that are packed at once. Their products sum to at most 2³⁰ for int16 A.
const SPAN: usize = DEPTH * GROUP;
/// Rows whose sums are kept while inputs are packed.
const ROWS: usize = 64;

/// A panel of `SPAN` inputs.
type Panel = [Weights; DEPTH];

/// Rows of A, from any of their elements on.
trait Rows {
    /// The rows from element `first` on.
    fn from(&self, first: usize) -> Result<impl Input, Fault>;
}

/// int8 rows, `stride` elements apart.
struct Narrow<'a>(Dense<'a>);
/// int16 rows.
struct Wide<'a>(Words<'a>);

impl Rows for Narrow<'_> {
    #[inline(always)]
    fn from(&self, first: usize) -> Result<impl Input, Fault> {
        Ok(Bytes(Dense { x: self.0.x.get(first..).ok_or(Fault::Bounds)?, stride: self.0.stride }))
    }
}

impl Rows for Wide<'_> {
    #[inline(always)]
    fn from(&self, first: usize) -> Result<impl Input, Fault> {
        Ok(Words { x: self.0.x.get(first..).ok_or(Fault::Bounds)?, stride: self.0.stride })
    }
}

/// One batch element; `I` takes unsigned activations and any weights.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn matmul<I: Isa + Lookup + Requantize, const R: usize, const P: usize, const C: usize>(
    args: &MatMulArgs,
    a: Tensor<'_>,
    b: &[i8],
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    let stride = args.a_row;
    // SAFETY: as the caller vouches.
    unsafe {
        if I::matmul(args, a, b, out)? {
            return Ok(());
        }
        match a {
            Tensor::I8(x) => columns::<I, R, P, C>(args, &Narrow(Dense { x, stride }), b, out),
            Tensor::I16(x) => columns::<I, R, P, C>(args, &Wide(Words { x, stride }), b, out),
            Tensor::I32(_) => Err(Fault::Instruction),
        }
    }
}

/// All columns: `P` panels at a time, then two and one.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn columns<I: Isa + Lookup + Requantize, const R: usize, const P: usize, const C: usize>(
    args: &MatMulArgs,
    a: &impl Rows,
    b: &[i8],
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    let mut out = match out {
        TensorMut::I8(out) => LinearOut::I8 { out, table: None },
        TensorMut::I16(out) => LinearOut::I16 { out, residual: None },
        TensorMut::I32(out) => LinearOut::I32 { out },
    };
    let mut staged = [[[0; GROUP]; STAGE / GROUP]; R];
    let mut packed: [Panel; P] = [[[0; LANES * GROUP]; DEPTH]; P];
    let mut first = 0;
    while first < args.n {
        // SAFETY: as the caller vouches.
        unsafe {
            if const { P == 1 } || args.n - first > C - LANES {
                block::<I, R, P, C>(args, a, (b, first), (&mut packed, &mut staged), &mut out)?;
                first += C;
            } else if const { P > 2 } && args.n - first > LANES {
                block::<I, R, 2, { 2 * LANES }>(args, a, (b, first), (&mut packed, &mut staged), &mut out)?;
                first += 2 * LANES;
            } else {
                block::<I, R, 1, LANES>(args, a, (b, first), (&mut packed, &mut staged), &mut out)?;
                first += LANES;
            }
        }
    }
    Ok(())
}

/// The columns from `first` on, at most `C`.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn block<I: Isa + Lookup + Requantize, const R: usize, const P: usize, const C: usize>(
    args: &MatMulArgs,
    a: &impl Rows,
    (b, first): (&[i8], usize),
    (packed, staged): (&mut [Panel], &mut [Staged; R]),
    out: &mut LinearOut<'_>,
) -> Result<(), Fault> {
    let packed: &mut [Panel; P] = packed.first_chunk_mut().ok_or(Fault::Bounds)?;
    let columns = (first, (args.n - first).min(C));
    if args.k <= SPAN {
        pack(args, b, (0, args.k), columns, packed)?;
        // SAFETY: as the caller vouches.
        return unsafe {
            let block = of_panels::<I, P, C>(args, packed, args.k, columns);
            rows::<I, R, P, C>(&block, &a.from(0)?, args.m, staged, out)
        };
    }
    let mut row = 0;
    while row < args.m {
        let count = (args.m - row).min(ROWS);
        let mut sums = [[0i64; C]; ROWS];
        let mut input = 0;
        while input < args.k {
            let len = (args.k - input).min(SPAN);
            pack(args, b, (input, len), columns, packed)?;
            // SAFETY: as the caller vouches.
            unsafe {
                let block = of_panels::<I, P, C>(args, packed, len, columns);
                let source = a.from(row * args.a_row + input)?;
                add::<I, R, P, C>(&block, &source, &mut sums[..count], staged)?;
            }
            input += len;
        }
        // SAFETY: as the caller vouches.
        unsafe {
            let block = of_panels::<I, P, C>(args, packed, 0, columns);
            for (row, sums) in (row..).zip(&sums[..count]) {
                let mut saturated = [0; C];
                for c in 0..C {
                    saturated[c] = sums[c].clamp(i32::MIN.into(), i32::MAX.into()) as i32;
                }
                store::<I, P, C>(&block, &[saturated], row, out)?;
            }
        }
        row += count;
    }
    Ok(())
}

/// The first `k` inputs of `packed`, as weights of the columns.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn of_panels<'a, I: Isa, const P: usize, const C: usize>(
    args: &MatMulArgs,
    packed: &'a [Panel; P],
    k: usize,
    (first, count): (usize, usize),
) -> Block<'a, P, C> {
    let panels = core::array::from_fn(|p| &packed[p][..k.div_ceil(GROUP)]);
    Block {
        // SAFETY: as the caller vouches.
        panels: unsafe { Panels::new::<I>(panels, [[0; LANES]; P]) },
        bias: [0; C],
        multipliers: Multipliers::uniform(args.requant.mantissa, args.requant.shift),
        k,
        n: args.out_row,
        first,
        count,
    }
}

/// `sums[r] += source[r] · block`.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn add<I: Isa, const R: usize, const P: usize, const C: usize>(
    block: &Block<'_, P, C>,
    source: &impl Input,
    sums: &mut [[i64; C]],
    staged: &mut [Staged; R],
) -> Result<(), Fault> {
    for (index, sums) in sums.chunks_mut(R).enumerate() {
        // SAFETY: as the caller vouches.
        let products = unsafe { source.sums::<I, R, P, C>(block, (index * R, sums.len()), staged)? };
        for (sums, products) in sums.iter_mut().zip(&products) {
            for (sum, &product) in sums.iter_mut().zip(products) {
                *sum += i64::from(product);
            }
        }
    }
    Ok(())
}

/// Packs inputs `input .. input + len` of `count` columns from `first` on; what is behind them is 0.
#[inline(always)]
fn pack<const P: usize>(
    args: &MatMulArgs,
    b: &[i8],
    (input, len): (usize, usize),
    (first, count): (usize, usize),
    packed: &mut [Panel; P],
) -> Result<(), Fault> {
    for (p, panel) in packed.iter_mut().enumerate() {
        let found = count.saturating_sub(p * LANES).min(LANES);
        let column = first + p * LANES;
        if args.transpose_b {
            for lane in 0..found {
                let values = window(b, (column + lane) * args.b_row + input, len)?;
                pack_column(panel, lane, values);
            }
        } else {
            for (group, place) in panel.iter_mut().enumerate().take(len.div_ceil(GROUP)) {
                let mut rows = [[0; LANES]; GROUP];
                for (row, at) in rows.iter_mut().zip(GROUP * group..len) {
                    let values = window(b, (input + at) * args.b_row + column, found)?;
                    row[..found].copy_from_slice(values);
                }
                interleave(&rows, place);
            }
        }
    }
    Ok(())
}

/// Writes `values` as column `lane` of a panel; what is behind them in their last group is 0.
#[inline(always)]
fn pack_column(panel: &mut Panel, lane: usize, values: &[i8]) {
    let (groups, rest) = values.as_chunks::<GROUP>();
    for (group, values) in panel.iter_mut().zip(groups) {
        put(group, lane, *values);
    }
    if let (Some(group), false) = (panel.get_mut(groups.len()), rest.is_empty()) {
        let mut values = [0; GROUP];
        values[..rest.len()].copy_from_slice(rest);
        put(group, lane, values);
    }
}

/// Writes the inputs of column `lane` of a group.
#[inline(always)]
fn put(group: &mut Weights, lane: usize, values: [i8; GROUP]) {
    if let Some(place) = group.as_chunks_mut().0.get_mut(lane) {
        *place = values;
    }
}

/// `to[4·lane + i] = rows[i][lane]`.
#[inline(always)]
fn interleave(rows: &[[i8; LANES]; GROUP], to: &mut Weights) {
    let [a, b, c, d] = rows;
    for lane in 0..LANES {
        let word = [a[lane], b[lane], c[lane], d[lane]].map(|byte| u32::from(byte as u8));
        let word = word[0] | word[1] << 8 | word[2] << 16 | word[3] << 24;
        for (to, byte) in to[GROUP * lane..GROUP * lane + GROUP].iter_mut().zip(word.to_le_bytes()) {
            *to = byte as i8;
        }
    }
}
