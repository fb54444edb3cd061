//! Which rows and columns of a value an access reads.

use std::ops::Range;

use super::{Access, Rows, Value, View};

/// What `access` reads of value number `index`; `listed` are the only rows that it uses, where
/// it does not use all. Both offsets are of the same memory, and the two meet.
pub(super) fn view(access: &Access, value: &Value, index: usize, listed: Option<&[u32]>) -> View {
    let width = i64::from(value.width);
    // The access's first element, from the value's first: negative where others come before it.
    let first = (i64::from(access.offset) - i64::from(value.offset)) / i64::from(value.dtype.size());
    let end = (first + i64::from(access.len)).min(i64::from(value.rows) * width);
    let (start, column) = (first.max(0), first.rem_euclid(width));
    let touched = (start / width) as u32..(end as u64).div_ceil(value.width.into()) as u32;
    let in_rows = column + i64::from(access.width) <= width;
    if !in_rows || (access.stride != value.width && access.width != access.len) {
        // Rows of another width: all columns of whatever is touched.
        return View { value: index, rows: Rows::Range(touched), columns: 0..value.width };
    }
    let columns = column as u32..column as u32 + access.width;
    let shift = (first - column) / width;
    let rows = match listed {
        None => Rows::Range(touched),
        Some(rows) => Rows::Listed(rows.iter().filter_map(|&row| own(row, shift, &touched)).collect()),
    };
    View { value: index, rows, columns }
}

/// Row `row` of an access as a row of the value that it meets `shift` rows further, if that is
/// among `touched`.
fn own(row: u32, shift: i64, touched: &Range<u32>) -> Option<u32> {
    u32::try_from(i64::from(row) + shift).ok().filter(|row| touched.contains(row))
}

#[cfg(test)]
mod tests {
    use quant::mem::DType;
    use quant::operand::Role;

    use super::super::Definition;
    use super::*;

    /// Ten rows of 12 int16 values at byte 48.
    fn value() -> Value {
        Value {
            dtype: DType::I16,
            rows: 10,
            width: 12,
            defined_by: Definition::Input(0),
            updates: Vec::new(),
            used_by: Vec::new(),
            storage: 0,
            offset: 48,
        }
    }

    fn read(
        offset: u32,
        (len, stride, width): (u32, u32, u32),
        listed: Option<&[u32]>,
    ) -> (Rows, Range<u32>) {
        let (role, dtype) = (Role::Read, DType::I16);
        let access =
            Access { role, dtype, storage: 0, offset, len, stride, width, reads: vec![], defines: None };
        let View { rows, columns, .. } = view(&access, &value(), 0, listed);
        (rows, columns)
    }

    #[test]
    fn parts_of_rows_are_columns() {
        assert_eq!(read(48, (120, 12, 12), None), (Rows::Range(0..10), 0..12));
        // The second third of each row, as keys in a product of queries, keys and values.
        assert_eq!(read(48 + 8, (112, 12, 4), None), (Rows::Range(0..10), 4..8));
        // One row, and a part of one.
        assert_eq!(read(48 + 24, (12, 12, 12), None), (Rows::Range(1..2), 0..12));
        assert_eq!(read(48 + 26, (3, 3, 3), None), (Rows::Range(1..2), 1..4));
    }

    #[test]
    fn other_rows_than_the_values_touch_all_columns() {
        assert_eq!(read(48, (120, 20, 20), None), (Rows::Range(0..10), 0..12));
        assert_eq!(read(48 + 26, (24, 24, 24), None), (Rows::Range(1..4), 0..12));
    }

    #[test]
    fn a_read_may_begin_before_the_value_and_end_behind_it() {
        assert_eq!(read(0, (48, 12, 12), None), (Rows::Range(0..2), 0..12));
        assert_eq!(read(48 + 9 * 24, (36, 12, 12), None), (Rows::Range(9..10), 0..12));
    }

    #[test]
    fn listed_rows_are_counted_from_the_value() {
        assert_eq!(read(48, (120, 12, 12), Some(&[0, 7])), (Rows::Listed(vec![0, 7]), 0..12));
        // The access begins two rows before the value.
        assert_eq!(read(0, (48, 12, 12), Some(&[1, 3])), (Rows::Listed(vec![1]), 0..12));
    }
}
