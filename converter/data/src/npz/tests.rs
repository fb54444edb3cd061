use std::io::Write;

use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::npy::tests::npy as array;

fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let name = format!("{name}.npy");
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Two images of 3×1×2, labelled.
fn sample() -> Vec<u8> {
    let pixels: Vec<u8> = (0..12).collect();
    archive(&[
        ("images", array("|u1", "(2, 3, 1, 2)", &pixels)),
        ("labels", array("<i8", "(2,)", &[[7; 1].as_slice(), &[0; 7], &[1], &[0; 7]].concat())),
    ])
}

fn parsed(members: &[(&str, Vec<u8>)]) -> Result<Arrays, FormatError> {
    parse(&archive(members), &Limits::default())
}

#[track_caller]
fn assert_problem(members: &[(&str, Vec<u8>)], name: &str, fits: fn(&FormatError) -> bool) {
    match parsed(members) {
        Err(FormatError::Member { name: found, problem }) => {
            assert_eq!(found, name);
            assert!(fits(&problem), "{problem}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn images_come_interleaved() {
    let arrays = parse(&sample(), &Limits::default()).unwrap();
    assert_eq!(arrays.labels.unwrap(), [7, 1]);
    let image = arrays.images.image(1).unwrap();
    assert_eq!((image.height, image.width, image.channels), (1, 2, 3));
    assert_eq!(image.pixels, [6, 8, 10, 7, 9, 11]);
    assert_eq!(arrays.images.image(2), None);
}

#[test]
fn labels_are_optional_and_may_be_a_column() {
    let images = || ("images", array("|u1", "(2, 1, 1, 1)", &[5, 6]));
    assert_eq!(parsed(&[images()]).unwrap().labels, None);
    let column = ("labels", array("|u1", "(2, 1)", &[3, 4]));
    assert_eq!(parsed(&[images(), column]).unwrap().labels, Some(vec![3, 4]));
}

#[test]
fn labels_of_other_shapes_and_types_are_targets() {
    let images = || ("images", array("|u1", "(2, 1, 1, 1)", &[5, 6]));
    let targets = |labels| {
        let arrays = parsed(&[images(), ("labels", labels)]).unwrap();
        assert_eq!(arrays.labels, None);
        arrays.targets.unwrap()
    };
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let ages = targets(array("<f4", "(2,)", &bytes(&[31.5, -2.0])));
    assert_eq!((ages.len(), ages.shape()), (2, &[][..]));
    assert_eq!([0, 1, 2].map(|image| ages.image(image)), [Some(vec![31.5]), Some(vec![-2.0]), None]);
    let marks = targets(array("|b1", "(2, 3)", &[1, 0, 1, 0, 0, 1]));
    assert_eq!((marks.shape(), marks.image(1)), (&[3][..], Some(vec![0.0, 0.0, 1.0])));
    let maps = targets(array(">i2", "(2, 1, 2)", &[0, 7, 0xff, 0xff, 0, 0, 1, 0]));
    assert_eq!((maps.shape(), maps.image(0)), (&[1, 2][..], Some(vec![7.0, -1.0])));
    assert_eq!(maps.image(1), Some(vec![0.0, 256.0]));
    let doubles = targets(array("<f8", "(2,)", &[0.1_f64.to_le_bytes(), f64::MAX.to_le_bytes()].concat()));
    assert_eq!(doubles.image(0), Some(vec![0.1]));
}

#[test]
fn what_is_wrong_is_named() {
    let images = || ("images", array("|u1", "(1, 1, 1, 1)", &[5]));
    let missing = parsed(&[("x_test", vec![]), ("y_test", vec![])]);
    assert_eq!(missing.unwrap_err().to_string(), "has no array `images`, only: x_test, y_test");
    let floats = ("images", array("<f4", "(1, 1, 1, 1)", &[0; 4]));
    assert_problem(&[floats], "images", |p| matches!(p, FormatError::DType { .. }));
    let last = ("images", array("|u1", "(1, 28, 28, 3)", &[0; 2352]));
    assert_problem(&[last], "images", |p| matches!(p, FormatError::Shape { .. }));
    let flat = ("images", array("|u1", "(1, 28, 28)", &[0; 784]));
    assert_problem(&[flat], "images", |p| matches!(p, FormatError::Shape { .. }));
    let negative = ("labels", array("|i1", "(1,)", &[0xff]));
    assert_problem(&[images(), negative], "labels", |p| matches!(p, FormatError::Value { .. }));
    let scalar = ("labels", array("|u1", "()", &[1]));
    assert_problem(&[images(), scalar], "labels", |p| matches!(p, FormatError::Shape { .. }));
    let short = ("images", array("|u1", "(1, 1, 1, 2)", &[5]));
    assert_problem(&[short], "images", |p| matches!(p, FormatError::Truncated { .. }));
}

#[test]
fn a_deflated_bomb_stops_at_the_limit() {
    let limits = Limits { max_bytes: 1 << 10 };
    let within = array("|u1", "(1, 1, 32, 32)", &vec![0; 1 << 22]);
    let refused = parse(&archive(&[("images", within)]), &limits);
    assert!(refused.unwrap_err().to_string().contains("has more data"));
    let over = array("|u1", "(1, 1, 33, 32)", &vec![0; 1 << 22]);
    let refused = parse(&archive(&[("images", over)]), &limits);
    assert!(refused.unwrap_err().to_string().contains("the limit of 1024"));
}

#[test]
fn members_are_read_by_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let floats: Vec<u8> = [0.5_f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let bytes = archive(&[
        ("blocks/0/scale", array("<f4", "(1, 2)", &floats)),
        ("blocks/0", array("<i4", "(2,)", &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])),
    ]);
    std::fs::write(file.path(), bytes).unwrap();
    let scale = read_f32(file.path(), "blocks/0/scale").unwrap();
    assert_eq!(scale, (vec![1, 2], vec![0.5, -2.0]));
    assert_eq!(read_i32(file.path(), "blocks/0").unwrap(), (vec![2], vec![1, -1]));
    for refused in
        [read_i32(file.path(), "blocks/0/scale").unwrap_err(), read_i32(file.path(), "blocks/1").unwrap_err()]
    {
        let message = refused.to_string();
        assert!(message.starts_with(&file.path().display().to_string()), "{message}");
        assert!(message.contains("blocks/"), "{message}");
    }
}

proptest! {
    #[test]
    fn damaged_archives_do_not_panic(
        changes in prop::collection::vec((0..1000_usize, any::<u8>()), 1..4),
        cut in 0..1000_usize,
    ) {
        let mut bytes = sample();
        for (at, byte) in changes {
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
        }
        let limits = Limits { max_bytes: 1 << 16 };
        let _ = parse(&bytes, &limits);
        bytes.truncate(cut);
        let _ = parse(&bytes, &limits);
    }
}
