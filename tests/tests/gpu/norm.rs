//! Normalisation of rows as models have them, in both ways.

use quant::Op;
use quant::mem::DType;
use quant::ops::{LayerNorm, RmsNorm};
use shiftformer_tests::case::Builder;
use shiftformer_tests::source::Source;

use super::{gpu, products};

/// 11 rows of `width` channels, of which some are all one value.
fn op(b: &mut Builder, width: u32, eps: u64) -> LayerNorm {
    let s = &mut Source::new(u64::from(width));
    let mut values = s.values::<i16>(11 * width);
    for (row, value) in [(1, 0), (4, i16::MAX), (7, i16::MIN)] {
        values[row * width as usize..][..width as usize].fill(value);
    }
    // Extremes in one row: the greatest sum of squares that there is, and the smallest.
    for (at, value) in values[9 * width as usize..][..width as usize].iter_mut().enumerate() {
        *value = if at % 2 == 0 { i16::MAX } else { i16::MIN };
    }
    values[10 * width as usize..][..width as usize].fill(3);
    values[10 * width as usize] = 4;
    LayerNorm {
        rows: 11,
        width,
        eps,
        x: b.input(&values),
        scale: b.channels(s, width, 33),
        offset: b.blob(&s.biases(width)),
        out: b.act_out(DType::I8, 11 * width),
    }
}

#[test]
fn of_rows_of_any_width() {
    let words = gpu().clone().with_matrices(None);
    for gpu in [gpu(), &words] {
        for (width, eps) in
            [(4, 0), (96, 1), (192, 0), (260, 1 << 48), (384, 7), (768, 0), (1024, 1 << 20), (1028, 0)]
        {
            products::check(gpu, &format!("LayerNorm of {width}"), &[1, 9], move |b| {
                Op::LayerNorm(op(b, width, eps))
            });
            products::check(gpu, &format!("RmsNorm of {width}"), &[1, 9], move |b| {
                Op::RmsNorm(RmsNorm(op(b, width, eps)))
            });
        }
    }
}
