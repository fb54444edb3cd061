//! Strided copies: rows that lie together are copied at once, and columns that do a tile at a time.

use quant::Fault;
use quant::ops::{PermuteArgs, Tensor, TensorMut};
use quant::slice::{at, rows_mut, window};

/// Rows and columns of a tile that is transposed at once.
const TILE: usize = 16;

#[inline(always)]
pub(crate) fn permute(args: &PermuteArgs, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match (x, out) {
        (Tensor::I8(x), TensorMut::I8(out)) => typed(args, x, out),
        (Tensor::I16(x), TensorMut::I16(out)) => typed(args, x, out),
        // Transposes of int32 are rare, and phones would carry their code.
        (Tensor::I32(x), TensorMut::I32(out)) => copy(args, x, out),
        (Tensor::I8(_) | Tensor::I16(_) | Tensor::I32(_), _) => Err(Fault::Instruction),
    }
}

#[inline(always)]
fn typed<T: Copy + Default>(args: &PermuteArgs, x: &[T], out: &mut [T]) -> Result<(), Fault> {
    // The compact set for AArch64 is too small for tiles.
    if cfg!(all(target_arch = "aarch64", not(feature = "every-set"))) {
        return copy(args, x, out);
    }
    let [_, size_b, size_c, size_d] = args.shape;
    let rows = out.len().checked_div(size_b * size_c * size_d).unwrap_or(0);
    let args = &PermuteArgs { shape: [rows, size_b, size_c, size_d], ..*args };
    if args.strides[3] != 1 {
        for axis in 0..3 {
            let (lanes, inner) = (args.shape[axis], args.shape[axis + 1..].iter().product());
            if args.strides[axis] == 1 && lanes >= TILE && (inner == 2 || inner >= TILE) {
                return transpose(args, axis, (lanes, inner), x, out);
            }
        }
    }
    copy(args, x, out)
}

/// Row by row.
#[inline(always)]
fn copy<T: Copy>(args: &PermuteArgs, x: &[T], out: &mut [T]) -> Result<(), Fault> {
    let [_, size_b, size_c, size_d] = args.shape;
    let [stride_a, stride_b, stride_c, stride_d] = args.strides;
    for (a, out) in rows_mut(out, size_b * size_c * size_d).enumerate() {
        for (b, out) in rows_mut(out, size_c * size_d).enumerate() {
            let x = x.get((args.first + a) * stride_a + b * stride_b..).ok_or(Fault::Bounds)?;
            if stride_d == 1 {
                for (c, out) in rows_mut(out, size_d).enumerate() {
                    out.copy_from_slice(window(x, c * stride_c, size_d)?);
                }
            } else {
                for (c, out) in rows_mut(out, size_d).enumerate() {
                    for (d, y) in out.iter_mut().enumerate() {
                        *y = at(x, c * stride_c + d * stride_d)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Where the `lanes` indices of dimension `axis` lie together in the input, and `inner` elements of the
/// output belong to each of them: two, or at least as many as a tile has.
#[inline(always)]
fn transpose<T: Copy + Default>(
    args: &PermuteArgs,
    axis: usize,
    (lanes, inner): (usize, usize),
    x: &[T],
    out: &mut [T],
) -> Result<(), Fault> {
    let (outer_shape, inner_shape) = (&args.shape[..axis], &args.shape[axis + 1..]);
    let (outer_strides, inner_strides) = (&args.strides[..axis], &args.strides[axis + 1..]);
    for (number, out) in rows_mut(out, lanes * inner).enumerate() {
        let start = args.first * args.strides[0] + offset(number, outer_shape, outer_strides);
        let row = |index: usize| start + offset(index, inner_shape, inner_strides);
        if inner == 2 {
            pairs(window(x, row(0), lanes)?, window(x, row(1), lanes)?, out);
            continue;
        }
        for column in tiles(inner) {
            let mut starts = [0; TILE];
            for (place, start) in starts.iter_mut().enumerate() {
                *start = row(column + place);
            }
            for lane in tiles(lanes) {
                let mut tile = [[T::default(); TILE]; TILE];
                for (row, start) in tile.iter_mut().zip(starts) {
                    let values = x.get(start + lane..).and_then(|x| x.first_chunk());
                    *row = *values.ok_or(Fault::Bounds)?;
                }
                for (row, values) in transposed(tile).iter().enumerate() {
                    let at = (lane + row) * inner + column;
                    let place = out.get_mut(at..).and_then(|out| out.first_chunk_mut());
                    *place.ok_or(Fault::Bounds)? = *values;
                }
            }
        }
    }
    Ok(())
}

/// Where tiles of `len` begin, of at least one: the last one may overlap the one before.
#[inline(always)]
fn tiles(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(TILE).map(move |start| start.min(len - TILE))
}

/// Where element `index` of a view lies, counted in the order of `shape`.
#[inline(always)]
fn offset(mut index: usize, shape: &[usize], strides: &[usize]) -> usize {
    let mut offset = 0;
    for (&size, &stride) in shape.iter().zip(strides).rev() {
        let outer = index.checked_div(size).unwrap_or(0);
        offset += (index - outer * size) * stride;
        index = outer;
    }
    offset
}

/// The elements of both in turn.
#[inline(always)]
fn pairs<T: Copy>(first: &[T], second: &[T], out: &mut [T]) {
    for (out, (&first, &second)) in out.as_chunks_mut().0.iter_mut().zip(first.iter().zip(second)) {
        *out = [first, second];
    }
}

/// Rows as columns: four times the upper half and the lower half are shuffled like cards.
#[inline(always)]
fn transposed<T: Copy + Default>(mut rows: [[T; TILE]; TILE]) -> [[T; TILE]; TILE] {
    for _ in 0..TILE.ilog2() {
        let mut shuffled = [[T::default(); TILE]; TILE];
        for i in 0..TILE / 2 {
            [shuffled[2 * i], shuffled[2 * i + 1]] = in_turn(&rows[i], &rows[TILE / 2 + i]);
        }
        rows = shuffled;
    }
    rows
}

/// The elements of both rows in turn.
#[inline(always)]
fn in_turn<T: Copy + Default>(a: &[T; TILE], b: &[T; TILE]) -> [[T; TILE]; 2] {
    let mut both = [[T::default(); TILE]; 2];
    for i in 0..TILE / 2 {
        (both[0][2 * i], both[0][2 * i + 1]) = (a[i], b[i]);
        (both[1][2 * i], both[1][2 * i + 1]) = (a[TILE / 2 + i], b[TILE / 2 + i]);
    }
    both
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use quant::Kernels;

    use super::*;

    /// Transposes over every dimension, in tiles that overlap and in pairs, from a later row on.
    #[test]
    fn transposes_are_the_reference() {
        for (shape, strides) in [
            ([35, 1, 3, 19], [1, 0, 37, 111]),
            ([3, 16, 5, 7], [2000, 1, 17, 90]),
            ([2, 3, 40, 16], [5000, 700, 1, 43]),
            ([3, 2, 33, 2], [900, 300, 1, 150]),
            ([2, 3, 17, 5], [900, 300, 1, 50]),
        ] {
            for first in [0, 1] {
                let args = PermuteArgs { shape, strides, first };
                let x: Vec<i16> = (0..20_000).map(|i| (i * 7919) as i16).collect();
                let len = (shape[0] - first) * shape[1] * shape[2] * shape[3];
                let (mut want, mut got) = (vec![0; len], vec![0; len]);
                let (x, bytes) = (Tensor::I16(&x), x.iter().map(|&v| v as i8).collect::<Vec<_>>());
                quant::Reference.permute(&args, x, &mut TensorMut::I16(&mut want)).unwrap();
                permute(&args, x, &mut TensorMut::I16(&mut got)).unwrap();
                assert_eq!(got, want);
                let (mut want, mut got) = (vec![0; len], vec![0; len]);
                let x = Tensor::I8(&bytes);
                quant::Reference.permute(&args, x, &mut TensorMut::I8(&mut want)).unwrap();
                permute(&args, x, &mut TensorMut::I8(&mut got)).unwrap();
                assert_eq!(got, want);
            }
        }
    }
}
