use std::fs;
use std::io::Write;

use ::image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage, RgbaImage};
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;

fn idx_file(path: &Path, dims: &[u32], data: &[u8]) {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
    bytes.extend(data);
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut encoder = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
    } else {
        fs::write(path, bytes).unwrap();
    }
}

/// Folders `cat` with a grey and an RGB image, `dog` with an RGBA one.
fn class_folders() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir(at("dog")).unwrap();
    fs::create_dir(at("cat")).unwrap();
    fs::create_dir(at(".git")).unwrap();
    GrayImage::from_pixel(3, 2, Luma([9])).save(at("cat/a.png")).unwrap();
    let red = RgbImage::from_pixel(4, 4, Rgb([255, 0, 0]));
    red.save_with_format(at("cat/b.BMP"), ImageFormat::Bmp).unwrap();
    let clear = RgbaImage::from_pixel(1, 1, ::image::Rgba([1, 2, 3, 0]));
    clear.save(at("dog/c.png")).unwrap();
    fs::write(at("cat/.DS_Store"), "hidden").unwrap();
    fs::write(at("README.md"), "beside the class folders").unwrap();
    root
}

#[track_caller]
fn refusal(path: &Path) -> DataError {
    let error = open(path).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    error
}

#[test]
fn class_folders_give_labels_and_names() {
    let root = class_folders();
    let data = open(root.path()).unwrap();
    assert_eq!(data.len(), 3);
    assert_eq!(data.labels().unwrap(), [0, 0, 1]);
    assert_eq!(data.classes().unwrap(), ["cat", "dog"]);
    let shapes = [0, 1, 2].map(|i| {
        let image = data.image(i).unwrap();
        (image.height, image.width, image.channels)
    });
    assert_eq!(shapes, [(2, 3, 1), (4, 4, 3), (1, 1, 4)]);
    assert!(matches!(data.image(3), Err(DataError::Index { len: 3, .. })));
}

#[test]
fn class_folders_are_numbered_by_names() {
    let root = class_folders();
    let names = ["ant", "Dog", "emu", "cat, Felis catus"].map(str::to_owned);
    let mut data = open(root.path()).unwrap();
    data.number_classes(&names).unwrap();
    assert_eq!(data.labels().unwrap(), [3, 3, 1]);
    assert_eq!(data.classes().unwrap(), names);
    let mut data = open(root.path()).unwrap();
    let refused = data.number_classes(&names[..3]).unwrap_err();
    assert!(
        matches!(&refused, DataError::UnknownClass { path, matched: 1 } if path.ends_with("cat")),
        "{refused}"
    );
    assert_eq!(data.labels().unwrap(), [0, 0, 1], "nothing has changed");
}

#[test]
fn a_folder_of_images_is_unlabelled() {
    let root = class_folders();
    let data = open(&root.path().join("cat")).unwrap();
    assert_eq!((data.len(), data.label(0), data.classes()), (2, None, None));
    let refused = data.labels().unwrap_err().to_string();
    assert!(refused.contains("one folder of images for each class"), "{refused}");
}

#[test]
fn bad_folders_are_refused() {
    let root = class_folders();
    fs::write(root.path().join("dog/notes.txt"), "stray").unwrap();
    let refused = open(root.path()).unwrap_err();
    assert!(matches!(&refused, DataError::Stray { path } if path.ends_with("dog/notes.txt")));
    fs::copy(root.path().join("cat/a.png"), root.path().join("a.png")).unwrap();
    assert!(matches!(refusal(root.path()), DataError::Mixed { .. }));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(refusal(empty.path()), DataError::Empty { .. }));
    fs::create_dir(empty.path().join("class")).unwrap();
    assert!(matches!(refusal(&empty.path().join("class")), DataError::Empty { .. }));
    assert!(
        open(empty.path()).unwrap_err().to_string().contains("class: the folder of a class holds no image")
    );
    assert!(matches!(refusal(Path::new("no/such")), DataError::Io { .. }));
}

#[test]
fn labels_do_not_depend_on_what_is_beside_the_classes() {
    let root = class_folders();
    fs::create_dir(root.path().join("__MACOSX")).unwrap();
    fs::write(root.path().join("__MACOSX/._a.png"), "not an image").unwrap();
    assert_eq!(open(root.path()).unwrap().classes().unwrap(), ["cat", "dog"]);
    // Without images, a class would give its number to the next one.
    fs::create_dir(root.path().join("crab")).unwrap();
    let refused = open(root.path()).unwrap_err();
    assert!(matches!(&refused, DataError::EmptyClass { path } if path.ends_with("crab")), "{refused}");
}

#[test]
fn parts_of_a_data_set_are_no_classes() {
    let root = tempfile::tempdir().unwrap();
    for part in ["train", "Val"] {
        fs::create_dir_all(root.path().join(part).join("cat")).unwrap();
    }
    let refused = refusal(root.path());
    assert!(refused.to_string().contains("(Val, train)"), "{refused}");
    assert!(refused.hint().unwrap().contains("one part"));
}

#[test]
fn half_a_jpeg_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.jpg");
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * y) as u8, (3 * x) as u8, y as u8]));
    picture.save(&path).unwrap();
    assert!(open(root.path()).unwrap().image(0).is_ok());
    let whole = fs::read(&path).unwrap();
    for share in [2, 3] {
        fs::write(&path, &whole[..whole.len() * share / 4]).unwrap();
        let refused = open(root.path()).unwrap().image(0).unwrap_err();
        assert!(refused.to_string().contains("a.jpg"), "{refused}");
    }
    // What cameras append behind the end does not matter.
    fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
    assert!(open(root.path()).unwrap().image(0).is_ok());
}

#[test]
fn an_undecodable_image_is_named_when_it_is_read() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("a.png"), "not a png").unwrap();
    let path = root.path().join("b.png");
    RgbImage::new(64, 64).save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let data = open(root.path()).unwrap();
    for (index, name) in ["a.png", "b.png"].into_iter().enumerate() {
        let refused = data.image(index).unwrap_err();
        assert!(matches!(refused, DataError::Format { problem: FormatError::Image(_), .. }));
        assert!(refused.to_string().contains(name), "{refused}");
    }
}

#[test]
fn decoding_stays_within_the_limits() {
    let root = tempfile::tempdir().unwrap();
    RgbImage::new(64, 64).save(root.path().join("a.png")).unwrap();
    GrayImage::new(16385, 1).save(root.path().join("b.png")).unwrap();
    let data = open_within(root.path(), Limits { max_bytes: 4096 }).unwrap();
    assert!(matches!(data.image(0), Err(DataError::Format { problem: FormatError::Image(_), .. })));
    let data = open(root.path()).unwrap();
    assert!(matches!(data.image(1), Err(DataError::Format { problem: FormatError::Image(_), .. })));
}

#[test]
fn idx_labels_are_found_beside_the_images() {
    for (images, labels) in
        [("t-images-idx3-ubyte.gz", "t-labels-idx1-ubyte"), ("t-images-idx3-ubyte", "t-labels-idx1-ubyte.gz")]
    {
        let root = tempfile::tempdir().unwrap();
        let images = root.path().join(images);
        idx_file(&images, &[2, 1, 2], &[1, 2, 3, 4]);
        let refused = open(&images).unwrap().labels().unwrap_err().to_string();
        assert!(refused.contains("t-labels-idx1-ubyte"), "{refused}");
        let labels = root.path().join(labels);
        idx_file(&labels, &[2], &[8, 9]);
        let data = open(&images).unwrap();
        assert_eq!((data.label(1), data.label(2)), (Some(9), None));
        assert_eq!(data.image(1).unwrap().pixels, [3, 4]);

        idx_file(&labels, &[3], &[7, 8, 9]);
        let refused = open(&images).unwrap_err();
        assert!(matches!(
            &refused,
            DataError::LabelCount { path, images: 2, labels: 3 } if *path == labels
        ));
        assert!(matches!(refusal(&labels), DataError::Format { .. }));
    }
}

#[test]
fn idx_files_of_colour_images_are_planar() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("c-images-idx4-ubyte");
    idx_file(&path, &[1, 3, 1, 2], &[1, 2, 3, 4, 5, 6]);
    let data = open(&path).unwrap();
    assert_eq!(data.image(0).unwrap().pixels, [1, 3, 5, 2, 4, 6]);
    idx_file(&path, &[0, 3, 1, 2], &[]);
    assert!(matches!(refusal(&path), DataError::Empty { .. }));
}

#[test]
fn other_files_are_recognised_as_such() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    for (bytes, found) in [
        (&b""[..], "an empty file"),
        (b"\x93NUMPY\x01\x00", "a single .npy array"),
        (b"\x89PNG\r\n\x1a\n", "a single image"),
        (b"hello", "something else"),
    ] {
        fs::write(&path, bytes).unwrap();
        let refused = refusal(&path);
        assert!(refused.to_string().ends_with(found), "{refused}");
        assert!(refused.hint().is_some());
    }
}
