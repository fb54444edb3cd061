//! Interpolation between the four nearest pixels.

use std::vec::Vec;

use proptest::prelude::*;

use super::{Family, any_case, fitted, noise, offset, resized};
use crate::image::{Fit, Frame, MAX_SIDE};

/// The fitted frame, computed from the documented formula alone in `i128`.
fn expected(src: Frame<'_>, height: u16, width: u16, rule: Fit) -> Vec<u8> {
    let (h, w) = (i128::from(src.height()), i128::from(src.width()));
    let (resized_h, resized_w) = resized(rule, (h, w), (height, width));
    let mut out = Vec::new();
    for i in 0..i128::from(height) {
        let row = position(i, h, resized_h, i128::from(height));
        for j in 0..i128::from(width) {
            let column = position(j, w, resized_w, i128::from(width));
            for channel in 0..usize::from(src.channels()) {
                out.push(bilinear(src, row, column, channel));
            }
        }
    }
    out
}

/// Where model pixel `i` lies in the source, in 1/2048 of a pixel.
fn position(i: i128, source: i128, resized: i128, kept: i128) -> i128 {
    let r = offset(resized, kept) + i;
    let centre = ((2 * r + 1) * source * 2048 + resized).div_euclid(2 * resized) - 1024;
    centre.clamp(0, (source - 1) * 2048)
}

fn bilinear(src: Frame<'_>, row: i128, column: i128, channel: usize) -> u8 {
    let mut sum = 0;
    for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let y = (row / 2048 + dy).min(i128::from(src.height()) - 1) as usize;
        let x = (column / 2048 + dx).min(i128::from(src.width()) - 1) as usize;
        let weight = |p: i128, d| if d == 1 { p % 2048 } else { 2048 - p % 2048 };
        let index = (y * usize::from(src.width()) + x) * usize::from(src.channels()) + channel;
        sum += weight(row, dy) * weight(column, dx) * i128::from(src.pixels()[index]);
    }
    ((sum + (1 << 21)) >> 22) as u8
}

#[track_caller]
fn assert_exact(from: (u16, u16, u8), to: (u16, u16), rule: Fit) {
    let pixels = noise(from.0, from.1, from.2);
    let src = Frame::new(&pixels, from.0, from.1, from.2).unwrap();
    assert_eq!(fitted(src, to.0, to.1, rule), expected(src, to.0, to.1, rule));
}

#[test]
#[cfg_attr(miri, ignore = "16384 pixels a side take many minutes")]
fn extreme_ratios_are_exact() {
    assert_exact((1, 1, 3), (64, 64), Fit::Stretch);
    assert_exact((4000, 3, 2), (7, 9), Fit::Stretch);
    assert_exact((2, MAX_SIDE, 1), (3, 5), Fit::Stretch);
    assert_exact((2, 3, 1), (1, MAX_SIDE), Fit::Stretch);
    let crop = Fit::CenterCrop { short_side: MAX_SIDE };
    assert_exact((MAX_SIDE, 1, 1), (7, 9), crop);
    assert_exact((1, MAX_SIDE, 1), (3, MAX_SIDE), crop);
}

#[test]
fn a_doubled_pair_has_quarter_weights() {
    let src = Frame::new(&[0, 100], 1, 2, 1).unwrap();
    assert_eq!(fitted(src, 1, 4, Fit::Stretch), [0, 25, 75, 100]);
    let src = Frame::new(&[0, 1], 1, 2, 1).unwrap();
    assert_eq!(fitted(src, 1, 1, Fit::Stretch), [1], "half rounds up");
}

proptest! {
    #[test]
    fn every_fit_is_exact((from, to, rule) in any_case(Family::Interpolated)) {
        assert_exact(from, to, rule);
    }

    /// The two roundings stay within 1/2 + 255·2·2⁻¹² of real bilinear values.
    #[test]
    fn a_stretch_is_close_to_real_bilinear(
        (from, to, _) in any_case(Family::Interpolated),
    ) {
        let pixels = noise(from.0, from.1, from.2);
        let src = Frame::new(&pixels, from.0, from.1, from.2).unwrap();
        let got = fitted(src, to.0, to.1, Fit::Stretch);
        let (dy, dx) = (2 * i128::from(to.0), 2 * i128::from(to.1));
        let mut got = got.iter();
        for i in 0..i128::from(to.0) {
            let y = ((2 * i + 1) * i128::from(from.0) - i128::from(to.0)).clamp(0, (i128::from(from.0) - 1) * dy);
            for j in 0..i128::from(to.1) {
                let x = ((2 * j + 1) * i128::from(from.1) - i128::from(to.1)).clamp(0, (i128::from(from.1) - 1) * dx);
                for c in 0..usize::from(from.2) {
                    let mut sum = 0;
                    for (oy, ox) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                        let wy = if oy == 1 { y % dy } else { dy - y % dy };
                        let wx = if ox == 1 { x % dx } else { dx - x % dx };
                        let row = (y / dy + oy).min(i128::from(from.0) - 1) as usize;
                        let column = (x / dx + ox).min(i128::from(from.1) - 1) as usize;
                        let index = (row * usize::from(from.1) + column) * usize::from(from.2) + c;
                        sum += wy * wx * i128::from(pixels[index]);
                    }
                    let error = (i128::from(*got.next().unwrap()) * dy * dx - sum).abs();
                    prop_assert!(error * 4096 <= (2048 + 510) * dy * dx);
                }
            }
        }
    }
}
