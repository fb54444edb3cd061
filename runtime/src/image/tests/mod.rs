use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

mod antialias;
mod interpolate;

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

/// A model's image that takes `channels` channels as they are.
fn image(height: u16, width: u16, channels: u8, fit: Fit) -> Image {
    let bits = [FloatBits::default(); 4];
    Image { height, width, channels, order: ChannelOrder::Other, fit, mean: bits, std: bits }
}

/// The frame of `image`, with exactly the scratch that it asks for.
fn filled(image: &Image, src: Frame<'_>) -> Result<Vec<u8>, FitError> {
    let mut dst = vec![0xa5; image.len()];
    let mut scratch = vec![0x5a; image.scratch_len(src.height(), src.width(), src.channels())];
    image.fill(src, &mut dst, &mut scratch)?;
    Ok(dst)
}

fn fitted(src: Frame<'_>, height: u16, width: u16, rule: Fit) -> Vec<u8> {
    filled(&image(height, width, src.channels(), rule), src).unwrap()
}

/// The size before the crop.
fn resized(rule: Fit, (h, w): (i128, i128), (height, width): (u16, u16)) -> (i128, i128) {
    match rule.resize(height, width) {
        Resize::Sides { height, width } => (height.into(), width.into()),
        Resize::ShortSide(short) => {
            let short = i128::from(short);
            (short * h / h.min(w), short * w / h.min(w))
        }
    }
}

/// The first of `kept` pixels in the middle of `resized`.
fn offset(resized: i128, kept: i128) -> i128 {
    let (half, odd) = ((resized - kept) / 2, (resized - kept) % 2);
    half + if odd == 1 { half % 2 } else { 0 }
}

/// One of the two rules.
#[derive(Clone, Copy)]
enum Family {
    Interpolated,
    Antialiased,
}

fn any_rule(height: u16, width: u16, family: Family) -> BoxedStrategy<Fit> {
    let least = height.max(width);
    let short = least..=3 * least;
    match family {
        Family::Interpolated => {
            prop_oneof![Just(Fit::Stretch), short.prop_map(|short_side| Fit::CenterCrop { short_side })]
                .boxed()
        }
        Family::Antialiased => {
            let sides = (height..=2 * height, width..=2 * width);
            let sides = sides.prop_map(|(height, width)| Resize::Sides { height, width });
            let resize = prop_oneof![sides, short.prop_map(Resize::ShortSide)];
            let filter = prop_oneof![Just(Filter::Bilinear), Just(Filter::Bicubic)];
            (resize, filter).prop_map(|(resize, filter)| Fit::antialiased(resize, filter)).boxed()
        }
    }
}

/// Size and channels of a source, the size of a frame, and a rule.
fn any_case(family: Family) -> impl Strategy<Value = ((u16, u16, u8), (u16, u16), Fit)> {
    let from = (1..60_u16, 1..60_u16, 1..=MAX_CHANNELS);
    (from, 1..40_u16, 1..40_u16).prop_flat_map(move |(from, height, width)| {
        any_rule(height, width, family).prop_map(move |rule| (from, (height, width), rule))
    })
}

/// Every kind of rule for frames of `height` × `width` pixels, cropped from `short_side`.
fn rules(height: u16, width: u16, short_side: u16) -> Vec<Fit> {
    let mut rules = vec![Fit::Stretch, Fit::CenterCrop { short_side }];
    for filter in [Filter::Bilinear, Filter::Bicubic] {
        for resize in [Resize::Sides { height, width }, Resize::ShortSide(short_side)] {
            rules.push(Fit::antialiased(resize, filter));
        }
    }
    rules
}

#[test]
fn equal_sizes_are_the_identity() {
    for (height, width, channels) in [(1, 1, 1), (28, 28, 1), (5, 31, 3), (64, 2, 4)] {
        let pixels = noise(height, width, channels);
        let src = Frame::new(&pixels, height, width, channels).unwrap();
        assert_eq!(fitted(src, height, width, Fit::Stretch), pixels);
        assert_eq!(fitted(src, height, width, Fit::stretched(height, width)), pixels);
    }
    let pixels = noise(32, 32, 3);
    let src = Frame::new(&pixels, 32, 32, 3).unwrap();
    for rule in rules(32, 32, 32) {
        assert_eq!(image(32, 32, 3, rule).scratch_len(32, 32, 3), 0);
        assert_eq!(fitted(src, 32, 32, rule), pixels, "{rule:?}");
    }
}

#[test]
fn a_crop_keeps_the_centre() {
    let pixels: Vec<u8> = (0..35).collect();
    let src = Frame::new(&pixels, 5, 7, 1).unwrap();
    let resize = Resize::Sides { height: 5, width: 7 };
    let whole = Fit::antialiased(resize, Filter::Bicubic);
    // Margins 2 and 4, then 1 and 3, whose halves round to even: 0 and 2.
    for crop in rules(4, 4, 5).into_iter().filter(|rule| matches!(rule.resize(4, 4), Resize::ShortSide(_))) {
        assert_eq!(fitted(src, 3, 3, crop), [9, 10, 11, 16, 17, 18, 23, 24, 25]);
        assert_eq!(fitted(src, 4, 4, crop)[..4], [2, 3, 4, 5]);
    }
    assert_eq!(fitted(src, 3, 3, whole), [9, 10, 11, 16, 17, 18, 23, 24, 25]);
}

#[test]
fn a_constant_frame_stays_constant() {
    let pixels = [255; 6 * 5];
    let src = Frame::new(&pixels, 6, 5, 1).unwrap();
    for rule in rules(50, 37, 50).into_iter().chain(rules(3, 2, 4)) {
        let (height, width) = if rule.check(50, 37).is_ok() { (50, 37) } else { (3, 2) };
        assert!(fitted(src, height, width, rule).iter().all(|&p| p == 255), "{rule:?}");
    }
}

#[test]
fn channels_follow_the_rule() {
    let convert = |pixels: &[u8], from: u8, to: u8, order| {
        let width = (pixels.len() / usize::from(from)) as u16;
        let src = Frame::new(pixels, 1, width, from).unwrap();
        let fits = [Fit::Stretch, Fit::stretched(1, width)];
        let [one, other] = fits.map(|fit| filled(&Image { order, ..image(1, width, to, fit) }, src));
        assert_eq!(one, other);
        one
    };
    let other = ChannelOrder::Other;
    assert_eq!(convert(&[7, 9], 1, 3, other).unwrap(), [7, 7, 7, 9, 9, 9]);
    assert_eq!(convert(&[7, 200], 2, 3, other).unwrap(), [7, 7, 7]);
    assert_eq!(convert(&[7, 200], 2, 1, ChannelOrder::Gray).unwrap(), [7]);
    assert_eq!(convert(&[1, 2, 3, 200], 4, 3, ChannelOrder::Rgb).unwrap(), [1, 2, 3]);
    assert_eq!(convert(&[255, 255, 255], 3, 1, other).unwrap(), [255]);
    assert_eq!(convert(&[255, 0, 0, 9], 4, 1, other).unwrap(), [77]);
    assert_eq!(convert(&[0, 10, 100, 0, 255, 0], 3, 1, other).unwrap(), [17, 149]);
    assert_eq!(convert(&[1, 2, 3, 4], 4, 4, other).unwrap(), [1, 2, 3, 4]);
    assert_eq!(convert(&[1, 2, 3, 200], 4, 3, ChannelOrder::Bgr).unwrap(), [3, 2, 1]);
    assert_eq!(convert(&[1, 2, 3, 4, 5, 6], 3, 3, ChannelOrder::Bgr).unwrap(), [3, 2, 1, 6, 5, 4]);
    for (from, to) in [(1, 2), (3, 4), (3, 2), (1, 4)] {
        assert_eq!(convert(&[0; 12], from, to, other).unwrap_err(), FitError::Conversion { from, to });
    }
    for to in [0, 5] {
        assert_eq!(convert(&[0; 12], 4, to, other).unwrap_err(), FitError::Channels(to));
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
    assert_eq!(image(4, 4, 1, Fit::Stretch).fill(src, &mut [0; 15], &mut []), Err(length));
    let refused = FitError::Crop { resized: 5, needed: 6 };
    for rule in rules(5, 5, 5).into_iter().filter(|rule| *rule != Fit::Stretch) {
        assert_eq!(filled(&image(4, 6, 1, rule), src), Err(refused), "{rule:?}");
    }
    let crop = Fit::CenterCrop { short_side: 16385 };
    assert!(crop.check(4, 6).is_err());
    assert_eq!(crop.check(0, 6), Err(FitError::Size(0)));
    assert!(Fit::stretched(16384, 1).check(16384, 1).is_ok());
    assert!(Fit::stretched(16385, 1).check(16384, 1).is_err());

    let shrunk = image(2, 2, 1, Fit::stretched(2, 2));
    let needed = shrunk.scratch_len(4, 4, 1);
    let refused = Err(FitError::Scratch { needed, actual: needed - 1 });
    assert_eq!(shrunk.fill(src, &mut [0; 4], &mut vec![0; needed - 1]), refused);
    assert_eq!(shrunk.scratch_len(0, 4, 1), 0);
}
