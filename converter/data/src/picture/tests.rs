//! `fixtures` are pictures of four colours, 16 rows of 32 pixels, that Pillow 13 wrote. Those called
//! `turned` are stored as a camera held another way stores them, with the orientation in the
//! metadata; `ImageOps.exif_transpose` makes the same picture of each.

use super::*;

/// Red and green above blue and yellow.
const COLOURS: [[u8; 3]; 4] = [[200, 30, 30], [30, 200, 30], [30, 30, 200], [200, 200, 30]];

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/picture/fixtures").join(name);
    std::fs::read(path).unwrap()
}

fn decoded(name: &str) -> Image {
    parse(&fixture(name), &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The pixel in the middle of each quarter.
fn quarters(image: &Image) -> [&[u8]; 4] {
    [(4, 8), (4, 24), (12, 8), (12, 24)].map(|(row, column)| {
        let start = (row * usize::from(image.width) + column) * usize::from(image.channels);
        &image.pixels[start..][..usize::from(image.channels)]
    })
}

/// Whether `name` has the four colours, each value at most `off` away.
#[track_caller]
fn assert_colours(name: &str, off: u8) {
    let image = decoded(name);
    assert_eq!((image.height, image.width, image.channels), (16, 32, 3), "{name}");
    let found = quarters(&image);
    let near =
        |(found, colour): (&&[u8], &[u8; 3])| found.iter().zip(colour).all(|(a, b)| a.abs_diff(*b) <= off);
    assert!(found.iter().zip(&COLOURS).all(near), "{name}: {found:?}");
}

#[test]
fn pictures_of_every_format_have_their_colours() {
    for name in ["lossless.webp", "lzw.tiff", "deflate.tif", "palette.png", "cmyk.tiff"] {
        assert_colours(name, 0);
    }
    for name in ["lossy.webp", "cmyk.jpg"] {
        assert_colours(name, 6);
    }
}

#[test]
fn pictures_are_turned_as_their_metadata_says() {
    for orientation in 2..=8 {
        assert_colours(&format!("turned{orientation}.jpg"), 6);
    }
    for name in ["turned6.png", "turned6.webp", "turned6.tiff"] {
        assert_colours(name, 0);
    }
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    for name in ["gray16.png", "gray16.tiff"] {
        let image = decoded(name);
        assert_eq!((image.height, image.width, image.channels), (16, 32, 1), "{name}");
        // 100·257 + 128 is nearer to 100 than to 101.
        assert_eq!(quarters(&image).concat(), [30, 200, 100, 255], "{name}");
    }
}

#[test]
fn samples_without_a_white_are_refused() {
    for name in ["float.tiff", "palette.tiff"] {
        assert!(matches!(parse(&fixture(name), &Limits::default()), Err(FormatError::Image(_))), "{name}");
    }
}

#[test]
fn half_a_picture_is_refused() {
    for name in ["lossless.webp", "lossy.webp", "lzw.tiff", "deflate.tif", "cmyk.jpg", "gray16.png"] {
        let bytes = fixture(name);
        let half = parse(&bytes[..bytes.len() / 2], &Limits::default());
        assert!(matches!(half, Err(FormatError::Image(_))), "{name}: {half:?}");
    }
}

#[test]
fn memory_is_limited() {
    for name in ["lossless.webp", "lzw.tiff", "cmyk.jpg", "palette.png"] {
        let bytes = fixture(name);
        let least = |max_bytes| parse(&bytes, &Limits { max_bytes });
        assert!(matches!(least(bytes.len() as u64 - 1), Err(FormatError::TooLarge { .. })), "{name}");
        assert!(least(16 * 32 * 3 - 1).is_err(), "{name}");
    }
}
