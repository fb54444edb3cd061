//! Resizing with antialiasing.

use std::vec::Vec;

use proptest::prelude::*;

use super::{Family, any_case, fitted, image, noise, offset, resized};
use crate::image::{Filter, Fit, Frame, MAX_SIDE, Resize};

const UNIT: i128 = 1 << 20;

/// The coefficients of resized pixel `r`, and the source pixel of the first, from the documented
/// formula alone.
fn coefficients(filter: Filter, source: i128, resized: i128, r: i128) -> (i128, Vec<i128>) {
    let d = 2 * source.max(resized);
    let distance = |j: i128| ((2 * j + 1) * resized - (2 * r + 1) * source).abs();
    let reach = if filter == Filter::Bilinear { d } else { 2 * d };
    let covered: Vec<i128> = (0..source).filter(|&j| distance(j) < reach).collect();
    let weight = |&j: &i128| {
        let t = (UNIT * distance(j) + d / 2) / d;
        match filter {
            Filter::Bilinear => UNIT - t,
            Filter::Bicubic if t <= UNIT => ((UNIT - t) * (2 * UNIT * UNIT + 2 * UNIT * t - 3 * t * t)) >> 36,
            Filter::Bicubic => -(((t - UNIT) * (2 * UNIT - t) * (2 * UNIT - t)) >> 36),
        }
    };
    let total: i128 = covered.iter().map(weight).sum();
    let (mut sum, mut before) = (total, 1 << 22);
    let share = |j: &i128| {
        sum += weight(j);
        let upto = ((sum << 22) + total / 2) / total;
        let coefficient = upto - before;
        before = upto;
        coefficient
    };
    (covered[0], covered.iter().map(share).collect())
}

/// Rows of `width` pixels of `channels`, each resized and cropped.
fn pass(src: &[u8], width: u16, channels: u8, (resized, kept): (i128, u16), filter: Filter) -> Vec<u8> {
    let channels = usize::from(channels);
    let first = offset(resized, kept.into());
    let mut out = Vec::new();
    for row in src.chunks(usize::from(width) * channels) {
        for i in 0..i128::from(kept) {
            let (start, coefficients) = coefficients(filter, width.into(), resized, first + i);
            for channel in 0..channels {
                let value = |j: usize| i128::from(row[(start as usize + j) * channels + channel]);
                let sum: i128 = coefficients.iter().enumerate().map(|(j, k)| k * value(j)).sum();
                out.push(((sum + (1 << 21)) >> 22).clamp(0, 255) as u8);
            }
        }
    }
    out
}

/// `src` with rows and columns exchanged.
fn transposed(src: &[u8], width: u16, channels: u8) -> Vec<u8> {
    let rows: Vec<&[u8]> = src.chunks(usize::from(width) * usize::from(channels)).collect();
    let pixel = |column: usize| column * usize::from(channels)..(column + 1) * usize::from(channels);
    let columns = (0..usize::from(width)).flat_map(|column| rows.iter().map(move |row| &row[pixel(column)]));
    columns.flatten().copied().collect()
}

/// Both passes over the whole frame.
fn expected(src: Frame<'_>, height: u16, width: u16, rule: Fit) -> Vec<u8> {
    let filter = rule.filter().unwrap();
    let size = resized(rule, (src.height().into(), src.width().into()), (height, width));
    let channels = src.channels();
    let rows = pass(src.pixels(), src.width(), channels, (size.1, width), filter);
    let columns = transposed(&rows, width, channels);
    let fitted = pass(&columns, src.height(), channels, (size.0, height), filter);
    transposed(&fitted, height, channels)
}

#[track_caller]
fn assert_exact(from: (u16, u16, u8), to: (u16, u16), rule: Fit) {
    let pixels = noise(from.0, from.1, from.2);
    let src = Frame::new(&pixels, from.0, from.1, from.2).unwrap();
    assert!(fitted(src, to.0, to.1, rule) == expected(src, to.0, to.1, rule), "{from:?} {to:?} {rule:?}");
}

fn antialiased(resize: Resize) -> [Fit; 2] {
    [Filter::Bilinear, Filter::Bicubic].map(|filter| Fit::antialiased(resize, filter))
}

#[test]
#[cfg_attr(miri, ignore = "16384 pixels a side take many minutes")]
fn extreme_ratios_are_exact() {
    for (from, to) in [
        ((1, 1, 3), (64, 64)),
        ((4000, 3, 2), (7, 9)),
        ((2, MAX_SIDE, 1), (3, 5)),
        ((2, 3, 1), (1, MAX_SIDE)),
        ((MAX_SIDE, 2, 1), (1, 1)),
    ] {
        let (height, width) = to;
        for rule in antialiased(Resize::Sides { height, width }) {
            assert_exact(from, to, rule);
        }
    }
    for rule in antialiased(Resize::ShortSide(MAX_SIDE)) {
        assert_exact((MAX_SIDE, 1, 1), (7, 9), rule);
    }
}

/// Magnitudes of coefficients times 255 fit 31 bits, wherever a pixel lies between others.
#[test]
fn sums_of_bytes_fit() {
    let most = |source: i128, resized: i128| {
        let sums = (0..resized).map(|r| {
            let (_, coefficients) = coefficients(Filter::Bicubic, source, resized, r);
            assert_eq!(coefficients.iter().sum::<i128>(), 1 << 22);
            coefficients.iter().map(|k| k.abs()).sum::<i128>()
        });
        sums.max().unwrap()
    };
    for source in (1..24).chain([97, 320]) {
        for resized in 1..64 {
            let most = most(source, resized);
            assert!(10 * most < 13 << 22 && 255 * most + (1 << 21) < 1 << 31, "{source} {resized}: {most}");
        }
    }
}

#[test]
fn scratch_is_of_the_size_that_is_documented() {
    let image = image(96, 96, 3, Fit::stretched(96, 96));
    // 7 taps of 10/3 columns, 5 of 5/2 rows.
    assert_eq!(image.scratch_len(240, 320, 3), 96 * 8 * 4 + 6 * 4 + 5 * 96 * 3);
}

/// What Pillow 13 makes of [`noise`], cut in the middle; in Python:
///
/// ```text
/// state, pixels = 0x2545f491, []
/// for _ in range(height * width * channels):
///     state = (state * 1664525 + 1013904223) % 2**32
///     pixels.append(state >> 24)
/// picture = Image.frombytes("RGB" if channels == 3 else "L", (width, height), bytes(pixels))
/// list(picture.resize((resized_width, resized_height), Image.BICUBIC).crop(box).tobytes())
/// ```
#[test]
fn pictures_are_those_of_pillow() {
    use Filter::{Bicubic, Bilinear};
    type Case<'a> = ((u16, u16, u8), Resize, (u16, u16), Filter, &'a [u8]);
    let sides = |height, width| Resize::Sides { height, width };
    let cases: [Case<'_>; 6] = [
        (
            (12, 16, 3),
            sides(5, 7),
            (5, 7),
            Bilinear,
            &[
                151, 167, 103, 129, 164, 122, 131, 121, 99, 83, 112, 126, 95, 128, 138, 107, 153, 152, 116,
                96, 149, 145, 96, 137, 157, 112, 117, 151, 113, 121, 116, 110, 116, 130, 110, 117, 81, 126,
                132, 71, 130, 175, 122, 147, 131, 93, 155, 127, 146, 125, 148, 145, 127, 149, 132, 118, 97,
                123, 101, 100, 107, 122, 110, 111, 100, 116, 114, 97, 96, 154, 104, 120, 109, 108, 139, 137,
                107, 134, 109, 111, 90, 129, 124, 105, 86, 111, 152, 88, 106, 159, 149, 136, 133, 135, 101,
                103, 120, 119, 115, 110, 106, 116, 110, 113, 107,
            ],
        ),
        (
            (12, 16, 3),
            sides(5, 7),
            (5, 7),
            Bicubic,
            &[
                154, 173, 100, 127, 171, 123, 132, 117, 95, 78, 113, 126, 95, 131, 141, 110, 157, 155, 120,
                92, 145, 142, 87, 140, 165, 109, 111, 154, 111, 122, 110, 105, 111, 134, 111, 114, 73, 123,
                134, 63, 133, 187, 122, 150, 133, 83, 161, 124, 150, 125, 154, 153, 133, 157, 131, 117, 93,
                126, 98, 96, 107, 122, 105, 117, 101, 117, 116, 92, 86, 156, 100, 117, 99, 107, 143, 141,
                102, 141, 107, 114, 82, 133, 127, 103, 82, 110, 152, 83, 103, 168, 153, 146, 132, 140, 97,
                97, 119, 122, 117, 109, 108, 115, 110, 109, 109,
            ],
        ),
        (
            (3, 4, 1),
            sides(7, 9),
            (7, 9),
            Bicubic,
            &[
                248, 230, 190, 139, 70, 22, 62, 131, 157, 221, 206, 174, 131, 71, 30, 74, 144, 172, 156, 148,
                132, 107, 66, 43, 100, 180, 213, 93, 93, 95, 93, 77, 74, 132, 204, 235, 79, 86, 101, 118,
                132, 145, 159, 170, 176, 83, 94, 119, 150, 189, 214, 179, 126, 104, 82, 95, 125, 162, 213,
                243, 188, 109, 76,
            ],
        ),
        (
            (20, 27, 1),
            Resize::ShortSide(9),
            (8, 8),
            Bicubic,
            &[
                110, 176, 167, 111, 125, 114, 109, 155, 129, 128, 96, 118, 61, 115, 123, 102, 121, 143, 118,
                125, 115, 134, 121, 107, 117, 135, 99, 98, 112, 141, 122, 131, 81, 138, 87, 141, 178, 150,
                107, 117, 91, 119, 118, 115, 194, 145, 125, 124, 144, 79, 91, 94, 74, 115, 97, 118, 138, 110,
                99, 91, 124, 169, 120, 125,
            ],
        ),
        (
            (27, 20, 1),
            Resize::ShortSide(9),
            (8, 8),
            Bilinear,
            &[
                109, 142, 148, 165, 106, 102, 91, 72, 122, 150, 131, 127, 118, 131, 135, 120, 80, 102, 134,
                140, 122, 140, 89, 91, 150, 150, 127, 116, 139, 123, 117, 141, 108, 112, 136, 104, 122, 131,
                122, 116, 119, 113, 136, 138, 115, 126, 98, 131, 106, 102, 95, 92, 112, 79, 93, 118, 115,
                107, 99, 136, 122, 148, 147, 132,
            ],
        ),
        (
            (40, 50, 1),
            sides(3, 4),
            (3, 4),
            Bicubic,
            &[126, 116, 115, 126, 124, 124, 127, 131, 121, 130, 120, 124],
        ),
    ];
    for (from, resize, to, filter, pillow) in cases {
        let pixels = noise(from.0, from.1, from.2);
        let src = Frame::new(&pixels, from.0, from.1, from.2).unwrap();
        let found = fitted(src, to.0, to.1, Fit::antialiased(resize, filter));
        assert_eq!(found.len(), pillow.len());
        let most = found.iter().zip(pillow).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(1), "{from:?} {resize:?} {filter:?}: {found:?}");
    }
}

proptest! {
    #[test]
    fn every_fit_is_exact((from, to, rule) in any_case(Family::Antialiased)) {
        assert_exact(from, to, rule);
    }
}
