//! Tiles that were measured.

use std::fs;
use std::path::Path;

use program::write;
use shiftformer::{Cpu, Gpu, GpuCache, Model};
use shiftformer_tests::case::{Case, Epilogue};

use super::products::{input, linear_op};

/// A model of one product.
fn model() -> Model {
    let case = Case::one_op("one product".to_owned(), |b| {
        let x = input(b, false, 20 * 36);
        linear_op(b, x, Epilogue::I8, [20, 132, 36], true)
    });
    Model::from_bytes("one product", &write(&case.build(None).container).unwrap()).unwrap()
}

fn open(folder: &Path) -> Gpu {
    Gpu::open_with(None, &GpuCache::at(folder)).unwrap()
}

#[test]
fn what_is_measured_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (gpu, model) = (open(folder.path()), model());
    let mut told = Vec::new();
    let tuned = gpu.tune(&model, &mut |done, of| told.push((done, of))).unwrap();
    assert_eq!(tuned.iter().map(|tuned| tuned.frames).collect::<Vec<_>>(), [1, 8, 64]);
    for tuned in &tuned {
        let times = [tuned.tile, tuned.default].map(|tile| tuned.nanoseconds(tile).unwrap());
        assert!(tuned.instructions == 1 && times[0] <= times[1], "{tuned:?}");
    }
    let all: usize = tuned.iter().map(|tuned| tuned.times.len()).sum();
    // A card measures all twice.
    assert!([all, 2 * all].contains(&told.len()), "{} of {all}", told.len());
    assert_eq!(told, (1..=told.len()).map(|done| (done, told.len())).collect::<Vec<_>>());

    let frames: Vec<Vec<u8>> = (0..9).map(|at| vec![at * 13 + 7; model.frame_len()]).collect();
    let run = |session: &mut shiftformer::Session| {
        let batch = session.run_batch(&frames).unwrap();
        batch.iter().map(|outputs| outputs.values(0).unwrap().to_vec()).collect::<Vec<_>>()
    };
    let expected = run(&mut model.session_on(&Cpu::best()).unwrap());
    assert_eq!(run(&mut model.session_on(&gpu).unwrap()), expected);

    let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    let file = files.into_iter().find(|file| file.extension().is_some_and(|end| end == "tiles")).unwrap();
    let good = fs::read(&file).unwrap();
    let later = open(folder.path()).tuning();
    assert_eq!(run(&mut model.session_on(&later).unwrap()), expected);
    assert_eq!((later.remarks(), fs::read(&file).unwrap()), (vec![], good.clone()), "it measures nothing");
    fs::write(&file, &good[..good.len() - 1]).unwrap();
    let remarks = open(folder.path()).remarks();
    assert!(remarks.len() == 1 && remarks[0].path == file, "{remarks:?}");
}
