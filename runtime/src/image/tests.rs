use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// The fitted frame, computed from the documented formula alone in `i128`.
fn expected(src: Frame<'_>, height: u16, width: u16, rule: Fit) -> Vec<u8> {
    let (h, w) = (i128::from(src.height()), i128::from(src.width()));
    let (resized_h, resized_w) = match rule {
        Fit::Stretch => (i128::from(height), i128::from(width)),
        Fit::CenterCrop { short_side } => {
            let short = i128::from(short_side);
            (short * h / h.min(w), short * w / h.min(w))
        }
    };
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
    let margin = resized - kept;
    let half = margin / 2;
    let offset = half + if margin % 2 == 1 { half % 2 } else { 0 };
    let r = offset + i;
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

/// A frame of reproducible noise.
fn noise(height: u16, width: u16, channels: u8) -> Vec<u8> {
    let len = usize::from(height) * usize::from(width) * usize::from(channels);
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn fitted(src: Frame<'_>, height: u16, width: u16, rule: Fit) -> Vec<u8> {
    let len = usize::from(height) * usize::from(width) * usize::from(src.channels());
    let mut dst = vec![0xa5; len];
    fit(src, &mut dst, height, width, rule).unwrap();
    dst
}

#[track_caller]
fn assert_exact(from: (u16, u16, u8), to: (u16, u16), rule: Fit) {
    let pixels = noise(from.0, from.1, from.2);
    let src = Frame::new(&pixels, from.0, from.1, from.2).unwrap();
    assert_eq!(fitted(src, to.0, to.1, rule), expected(src, to.0, to.1, rule));
}

#[test]
fn equal_sizes_are_the_identity() {
    for (height, width, channels) in [(1, 1, 1), (28, 28, 1), (5, 31, 3), (64, 2, 4)] {
        let pixels = noise(height, width, channels);
        let src = Frame::new(&pixels, height, width, channels).unwrap();
        assert_eq!(fitted(src, height, width, Fit::Stretch), pixels);
    }
    let pixels = noise(32, 32, 3);
    let src = Frame::new(&pixels, 32, 32, 3).unwrap();
    let crop = Fit::CenterCrop { short_side: 32 };
    assert_eq!(fitted(src, 32, 32, crop), pixels);
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
fn a_crop_keeps_the_centre() {
    let pixels: Vec<u8> = (0..35).collect();
    let src = Frame::new(&pixels, 5, 7, 1).unwrap();
    // Margins 2 and 4, then 1 and 3, whose halves round to even: 0 and 2.
    let crop = Fit::CenterCrop { short_side: 5 };
    assert_eq!(fitted(src, 3, 3, crop), [9, 10, 11, 16, 17, 18, 23, 24, 25]);
    assert_eq!(fitted(src, 4, 4, crop)[..4], [2, 3, 4, 5]);
}

#[test]
fn a_doubled_pair_has_quarter_weights() {
    let src = Frame::new(&[0, 100], 1, 2, 1).unwrap();
    assert_eq!(fitted(src, 1, 4, Fit::Stretch), [0, 25, 75, 100]);
    let src = Frame::new(&[0, 1], 1, 2, 1).unwrap();
    assert_eq!(fitted(src, 1, 1, Fit::Stretch), [1], "half rounds up");
}

#[test]
fn a_constant_frame_stays_constant() {
    let pixels = [255; 6 * 5];
    let src = Frame::new(&pixels, 6, 5, 1).unwrap();
    let crop = Fit::CenterCrop { short_side: 50 };
    assert!(fitted(src, 50, 37, crop).iter().all(|&p| p == 255));
}

#[test]
fn channels_follow_the_rule() {
    let convert = |pixels: &[u8], from: u8, to: u8| {
        let src = Frame::new(pixels, 1, (pixels.len() / usize::from(from)) as u16, from).unwrap();
        let mut dst = vec![0; pixels.len() / usize::from(from) * usize::from(to)];
        convert_channels(src, &mut dst, to).map(|()| dst)
    };
    assert_eq!(convert(&[7, 9], 1, 3).unwrap(), [7, 7, 7, 9, 9, 9]);
    assert_eq!(convert(&[7, 200], 2, 3).unwrap(), [7, 7, 7]);
    assert_eq!(convert(&[7, 200], 2, 1).unwrap(), [7]);
    assert_eq!(convert(&[1, 2, 3, 200], 4, 3).unwrap(), [1, 2, 3]);
    assert_eq!(convert(&[255, 255, 255], 3, 1).unwrap(), [255]);
    assert_eq!(convert(&[255, 0, 0, 9], 4, 1).unwrap(), [77]);
    assert_eq!(convert(&[0, 10, 100, 0, 255, 0], 3, 1).unwrap(), [17, 149]);
    assert_eq!(convert(&[1, 2, 3, 4], 4, 4).unwrap(), [1, 2, 3, 4]);
    for (from, to) in [(1, 2), (3, 4), (3, 2), (1, 0), (4, 5)] {
        let refused = FitError::Conversion { from, to };
        assert_eq!(convert(&[0; 12], from, to).unwrap_err(), refused);
    }
}

#[test]
fn bad_frames_and_rules_are_refused() {
    let frame =
        |len, height, width, channels| Frame::new(&[0; 64][..len], height, width, channels).map(|_| ());
    assert_eq!(frame(0, 0, 4, 1), Err(FitError::Size(0)));
    assert_eq!(frame(4, 4, 16385, 1), Err(FitError::Size(16385)));
    assert_eq!(frame(0, 4, 4, 0), Err(FitError::Channels(0)));
    assert_eq!(frame(64, 4, 4, 5), Err(FitError::Channels(5)));
    let (expected, actual) = (16, 15);
    let length = FitError::Length { expected, actual };
    assert_eq!(frame(15, 4, 4, 1), Err(length));

    let src = Frame::new(&[0; 16], 4, 4, 1).unwrap();
    assert_eq!(fit(src, &mut [0; 15], 4, 4, Fit::Stretch), Err(length));
    let crop = Fit::CenterCrop { short_side: 5 };
    let refused = FitError::ShortSide { short_side: 5, needed: 6 };
    assert_eq!(fit(src, &mut [0; 24], 4, 6, crop), Err(refused));
    let crop = Fit::CenterCrop { short_side: 16385 };
    assert!(crop.check(4, 6).is_err());
    assert_eq!(crop.check(0, 6), Err(FitError::Size(0)));
}

fn any_rule(height: u16, width: u16) -> impl Strategy<Value = Fit> {
    let least = height.max(width);
    prop_oneof![Just(Fit::Stretch), (least..=3 * least).prop_map(|short_side| Fit::CenterCrop { short_side }),]
}

fn any_case() -> impl Strategy<Value = ((u16, u16, u8), (u16, u16), Fit)> {
    let from = (1..60_u16, 1..60_u16, 1..=MAX_CHANNELS);
    (from, 1..40_u16, 1..40_u16).prop_flat_map(|(from, height, width)| {
        any_rule(height, width).prop_map(move |rule| (from, (height, width), rule))
    })
}

proptest! {
    #[test]
    fn every_fit_is_exact((from, to, rule) in any_case()) {
        assert_exact(from, to, rule);
    }

    /// The two roundings stay within 1/2 + 255·2·2⁻¹² of real bilinear values.
    #[test]
    fn a_stretch_is_close_to_real_bilinear(
        (from, to, _) in any_case(),
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
