//! Bad data files and containers are refused by name.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::common::{fails, idx, images, json, model};

fn eval_fails(folder: &Path, data: &str, words: &[&str]) {
    fails(folder, 1, &["eval", "model.shf", "--data", data, "--logits", "logits.npy"], words);
    assert!(!folder.join("logits.npy").exists());
}

#[test]
fn idx_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    model(path);
    let put = |name: &str, bytes: &[u8]| fs::write(path.join(name), bytes).unwrap();
    put("a-images-idx3-ubyte", &idx(&[2, 28, 28], &[0; 1000]));
    put("a-labels-idx1-ubyte", &idx(&[2], &[1, 2]));
    eval_fails(path, "a-images-idx3-ubyte", &["a-images-idx3-ubyte", "truncated", "1568"]);
    put("b-images-idx3-ubyte", &idx(&[2, 28, 28], &[0; 1568]));
    put("b-labels-idx1-ubyte", &idx(&[3], &[1, 2, 3]));
    eval_fails(path, "b-images-idx3-ubyte", &["b-labels-idx1-ubyte", "2 images", "3 labels"]);
    put("c-images-idx3-ubyte", &idx(&[2, 28, 28], &[0; 1568]));
    eval_fails(path, "c-images-idx3-ubyte", &["c-images-idx3-ubyte", "no labels", "c-labels-idx1-ubyte"]);
    put("d-images-idx3-ubyte", &idx(&[2, 28, 28], &[0; 1568]));
    put("d-labels-idx1-ubyte", &idx(&[2], &[1, 10]));
    eval_fails(path, "d-images-idx3-ubyte", &["image 1 is of class 10", "10 classes"]);
    let half = fs::read(images()).unwrap();
    put("e-images-idx3-ubyte.gz", &half[..half.len() / 2]);
    eval_fails(path, "e-images-idx3-ubyte.gz", &["e-images-idx3-ubyte.gz", "help"]);
    put("f", b"hello");
    eval_fails(path, "f", &["f: expected a folder of images"]);
    eval_fails(path, "absent", &["absent", "No such file"]);
}

/// A `.npy` array.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(data);
    file
}

fn npz(path: &Path, images: &[u8]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let labels = npy("<i8", "(1,)", &3i64.to_le_bytes());
    for (name, bytes) in [("images.npy", images), ("labels.npy", labels.as_slice())] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn npz_archives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    model(path);
    npz(&path.join("floats.npz"), &npy("<f4", "(1, 1, 28, 28)", &[0; 4 * 784]));
    eval_fails(path, "floats.npz", &["floats.npz", "`images`", "<f4", "uint8"]);
    npz(&path.join("channels.npz"), &npy("|u1", "(1, 28, 28, 9)", &[0; 9 * 784]));
    eval_fails(path, "channels.npz", &["channels.npz", "`images`", "shape"]);
    // Other sizes and channels are fitted to the model.
    npz(&path.join("large.npz"), &npy("|u1", "(1, 3, 40, 30)", &[9; 3600]));
    assert_eq!(json(path, &["eval", "model.shf", "--data", "large.npz", "--json"])["n"], 1);
}

#[test]
fn containers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let good = fs::read(model(path)).unwrap();
    let refused = |bytes: &[u8], words: &[&str]| {
        fs::write(path.join("bad.shf"), bytes).unwrap();
        for command in [&["inspect", "bad.shf"][..], &["verify", "bad.shf"], &["bench", "bad.shf"]] {
            fails(path, 1, command, words);
        }
    };
    refused(b"", &["bad.shf", "truncated"]);
    refused(b"PK\x03\x04", &["bad.shf", "not a Shiftformer container", "convert"]);
    refused(&good[..good.len() - 1], &["bad.shf", "truncated"]);
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    refused(&flipped, &["bad.shf", "checksum"]);
    let mut version = good;
    version[4] = 99;
    refused(&version, &["bad.shf", "version of the format: version 99, this build reads version 1"]);
    fails(path, 1, &["inspect", "absent.shf"], &["absent.shf", "No such file"]);
}
