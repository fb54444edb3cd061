//! Instructions that are run by several threads.

mod cut;
mod kernels;
mod sharing;

use core::ops::Range;

use quant::ops::{BinaryLinearArgs, BinaryLinearOut, LinearArgs, LinearOut, Spread, Tensor, TensorMut};
use quant::pack::Weights;
use quant::slice::window;
use quant::{Fault, Kernels};

use cut::{Cut, Rows, in_parts};
use sharing::Work;
pub use sharing::{Part, shared};

/// Multiply-accumulates that take as long as another value.
const MACS: usize = 64;
/// The same where every weight is read for one row: memory is what takes the time.
const MACS_OF_ONE_ROW: usize = 8;
/// Values of a row where an op has no rows of its own.
const PIECE: usize = 512;
/// Output channels of a row where a layer has one row: a whole number of panels of every pack.
const CHANNELS: usize = 16;

/// The kernels `K`, which inside of [`shared`] run in parts, on the threads of the rayon pool that they
/// are called in. Parts are rows of the result, so every value is computed as `K` does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Split<K>(K);

/// Values that a result of `width` values takes as long as, if each is a sum of `k` products.
fn sums(width: usize, k: usize) -> usize {
    width.saturating_mul(1 + k / MACS)
}

/// The bounds of `rows` rows of `width` elements.
fn elements(rows: &Range<usize>, width: usize) -> (usize, usize) {
    (rows.start * width, rows.len() * width)
}

impl<K: Kernels + Copy + Sync> Split<K> {
    /// Runs `run` on all rows of `out`, which take `work`, in as many parts as pay.
    fn rows<O: Cut>(
        &self,
        work: Work,
        out: O,
        run: impl Fn(K, Range<usize>, O) -> Result<(), Fault> + Sync,
    ) -> Result<(), Fault> {
        in_parts(0..work.rows, sharing::parts(&work), out, &|rows, out| run(self.0, rows, out))
    }

    /// The same of a tensor that has rows of `width`.
    fn tensor(
        &self,
        width: usize,
        out: &mut TensorMut<'_>,
        run: impl Fn(K, Range<usize>, &mut TensorMut<'_>) -> Result<(), Fault> + Sync,
    ) -> Result<(), Fault> {
        let len = out.len();
        let out = Rows { elements: out.window(0, len)?, width };
        let rows = len.checked_div(width).unwrap_or(0);
        self.rows(Work { rows, cost: width, tiled: false }, out, |kernels, rows, mut out| {
            run(kernels, rows, &mut out.elements)
        })
    }

    /// The same of values that are replaced where they are, in rows of `width`.
    fn in_place<T: Send>(
        &self,
        width: usize,
        x: &mut [T],
        run: impl Fn(K, Range<usize>, &mut [T]) -> Result<(), Fault> + Sync,
    ) -> Result<(), Fault> {
        let rows = x.len().div_ceil(width.max(1));
        self.rows(
            Work { rows, cost: width, tiled: false },
            Rows { elements: x, width },
            |kernels, rows, x| run(kernels, rows, x.elements),
        )
    }

    /// The same of a layer of `k` inputs: its rows, or, where it has one, its channels.
    fn linear<T: Sync>(
        &self,
        args: &LinearArgs<'_>,
        x: &[T],
        out: LinearOut<'_>,
        run: impl Fn(K, &LinearArgs<'_>, &[T], LinearOut<'_>) -> Result<(), Fault> + Sync,
    ) -> Result<(), Fault> {
        let Weights { n, k, .. } = args.weights;
        if out.len() == n {
            let cost = CHANNELS * (1 + k / MACS_OF_ONE_ROW);
            let work = Work { rows: n.div_ceil(CHANNELS), cost, tiled: false };
            let out = Rows { elements: out, width: CHANNELS };
            return self.rows(work, out, |kernels, rows, out| {
                let (first, _) = elements(&rows, CHANNELS);
                run(kernels, &channels(args, first, out.elements.len())?, x, out.elements)
            });
        }
        let rows = out.len().checked_div(n).unwrap_or(0);
        let work = Work { rows, cost: sums(n, k), tiled: true };
        self.rows(work, Rows { elements: out, width: n }, |kernels, rows, out| {
            let (start, len) = elements(&rows, k);
            run(kernels, args, window(x, start, len)?, out.elements)
        })
    }

    /// The same of a binary layer, with the numbers of the rows in hand.
    fn binary_linear(
        &self,
        args: &BinaryLinearArgs<'_>,
        rows: usize,
        out: BinaryLinearOut<'_>,
        run: impl Fn(K, Range<usize>, BinaryLinearOut<'_>) -> Result<(), Fault> + Sync,
    ) -> Result<(), Fault> {
        self.rows(Work { rows, cost: sums(args.weights.n, args.k), tiled: true }, out, run)
    }
}

/// The layer of `count` channels of `args` from `first` on, which is the first of a panel.
fn channels<'a>(args: &LinearArgs<'a>, first: usize, count: usize) -> Result<LinearArgs<'a>, Fault> {
    let Weights { data, pack, k, .. } = args.weights;
    let start = pack.index(k, first, 0);
    let (panel, _) = pack.panel();
    let end = pack.index(k, (first + count).next_multiple_of(panel), 0);
    Ok(LinearArgs {
        weights: Weights { data: window(data, start, end - start)?, pack, n: count, k },
        bias: window(args.bias, first, count)?,
        requant: args.requant.window(first, count)?,
    })
}

/// What stands beside the rows `rows` of `width`.
fn beside<'a>(y: Tensor<'a>, spread: Spread, rows: &Range<usize>, width: usize) -> Result<Tensor<'a>, Fault> {
    match spread {
        Spread::Element => {
            let (start, len) = elements(rows, width);
            y.window(start, len)
        }
        Spread::Channel => Ok(y),
        Spread::Row => y.window(rows.start, rows.len()),
    }
}
