//! Products of matrices.
//!
//! An element is the sum of its products in ascending order, each product rounded before it is
//! added: the same bits on every machine, however many elements it sums at once.

/// Rows and columns of elements that are summed at once.
const ROWS: usize = 4;
const COLUMNS: usize = 8;

/// A matrix in a slice: element (i, j) is at `i · row + j · column`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub row: usize,
    pub column: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of consecutive elements, `row` apart.
    pub fn rows(values: &'a [f32], row: usize) -> Self {
        Self { values, row, column: 1 }
    }

    pub fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
}

/// The size of a product: `m × k` times `k × n`.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// Adds `scale · A · B` to the matrix whose rows are `row` apart in `out`. The rows of `a` are of
/// consecutive elements.
pub(super) fn add(size: Size, scale: f32, a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], row: usize) {
    let Size { m, n, k } = size;
    let mut panel = Vec::with_capacity(k);
    for first in (0..n).step_by(COLUMNS) {
        let columns = COLUMNS.min(n - first);
        panel.clear();
        panel.extend((0..k).map(|p| columns_of(b, p, first, columns)));
        for top in (0..m).step_by(ROWS) {
            // Rows beyond the last repeat it.
            let line = |i: usize| &a.values[(top + i).min(m - 1) * a.row..][..k];
            let sums = tile([line(0), line(1), line(2), line(3)], &panel);
            for (i, sums) in (top..m).zip(sums) {
                let made = &mut out[i * row + first..][..columns];
                made.iter_mut().zip(sums).for_each(|(made, sum)| *made += scale * sum);
            }
        }
    }
}

/// Row `p` of `b`, `columns` elements from `first` on, then zeros.
fn columns_of(b: Matrix<'_>, p: usize, first: usize, columns: usize) -> [f32; COLUMNS] {
    let at = p * b.row + first * b.column;
    let mut row = [0.0; COLUMNS];
    for (j, value) in row[..columns].iter_mut().enumerate() {
        *value = b.values[at + j * b.column];
    }
    row
}

/// The sums of rows of A with the columns of B in `panel`.
fn tile(a: [&[f32]; ROWS], panel: &[[f32; COLUMNS]]) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[0.0f32; COLUMNS]; ROWS];
    let [a0, a1, a2, a3] = a;
    for ((((b, x0), x1), x2), x3) in panel.iter().zip(a0).zip(a1).zip(a2).zip(a3) {
        for (sums, x) in sums.iter_mut().zip([x0, x1, x2, x3]) {
            for (sum, y) in sums.iter_mut().zip(b) {
                *sum += x * y;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every element by its definition, at sizes around those of a tile and with strides.
    #[test]
    fn elements_are_sums_in_ascending_order() {
        let value = |i: usize| ((i * 7919 + 13) % 101) as f32 / 7.0 - 6.9;
        for (m, n, k) in [(1, 1, 1), (3, 9, 5), (4, 8, 16), (5, 17, 33), (9, 7, 2)] {
            let a: Vec<f32> = (0..m * (k + 3)).map(value).collect();
            let b: Vec<f32> = (0..n * (k + 1)).map(|i| value(i + 50)).collect();
            let row = n + 2;
            let mut out: Vec<f32> = (0..m * row).map(|i| value(i + 9)).collect();
            let mut expected = out.clone();
            let right = Matrix::rows(&b, k + 1).transposed();
            add(Size { m, n, k }, 0.3, Matrix::rows(&a, k + 3), right, &mut out, row);
            for i in 0..m {
                for j in 0..n {
                    let products = (0..k).map(|p| a[i * (k + 3) + p] * b[j * (k + 1) + p]);
                    expected[i * row + j] += 0.3 * products.fold(0.0, |sum, product| sum + product);
                }
            }
            assert_eq!(out, expected, "{m} × {k} × {n}");
        }
    }
}
