//! ShiftGELU: where there are many values, by a look-up table for each maximum that rows have.

use quant::Fault;
use quant::ops::ShiftGeluArgs;
use quant::slice::rows_mut;

/// Maxima: 0 to 127.
const MAXIMA: usize = 128;

/// `look_up` does `x ← table[x + 128]`.
#[inline(always)]
pub(crate) fn shift_gelu(
    args: &ShiftGeluArgs<'_>,
    x: &mut [i8],
    look_up: impl Fn(&[i8; 256], &mut [i8]),
) -> Result<(), Fault> {
    let many = x.len() >= MAXIMA * 256;
    let mut tables = [[0; 256]; MAXIMA];
    let mut made = 0u128;
    for row in rows_mut(x, args.width) {
        let max = row.iter().fold(0, |max, &v| v.max(max));
        if !many {
            row.iter_mut().for_each(|v| *v = args.eval(max, *v));
            continue;
        }
        let table = &mut tables[usize::from(max as u8 & 127)];
        if made & 1 << max == 0 {
            made |= 1 << max;
            (i8::MIN..=max).zip(table.iter_mut()).for_each(|(v, place)| *place = args.eval(max, v));
        }
        look_up(table, row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use quant::Kernels;
    use quant::arith::{Multiplier, ShiftExp};

    use super::*;

    /// Enough values for tables, in rows of every maximum.
    #[test]
    fn tables_are_the_reference() {
        let exp = ShiftExp { unit: 19, bits: 21 }.table();
        let args = ShiftGeluArgs { width: 300, exp: &exp, out: Multiplier { mantissa: 1 << 30, shift: 36 } };
        let mut x: Vec<i8> = Vec::new();
        for row in 0..200 {
            let most = row % 200 - 60;
            x.extend((0..300).map(|column| ((column * 37) % 256 - 128).min(most).clamp(-128, 127) as i8));
        }
        let mut want = x.clone();
        quant::Reference.shift_gelu(&args, &mut want).unwrap();
        crate::Portable.shift_gelu(&args, &mut x).unwrap();
        assert!(x == want && want.iter().any(|&v| v > 0) && want.iter().any(|&v| v < 0));
    }
}
