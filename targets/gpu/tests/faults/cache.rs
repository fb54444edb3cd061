//! Files of a cache: used, damaged, and written by two processes at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use shiftformer_gpu::{Cache, Gpu, Remark, Unusable};

use crate::{block_on, load, logits, open};

fn open_at(folder: &Path) -> Gpu {
    block_on(Gpu::open_with(None, &Cache::at(folder))).expect("a GPU")
}

/// The logits of a frame on `gpu`.
fn result(gpu: &Gpu) -> Vec<Vec<i32>> {
    let (mut program, frame) = load(gpu).expect("shaders for every op");
    logits(&mut program, &[&frame]).expect("a run")
}

/// The only file in `folder`; `None` where the driver gives no pipelines.
fn file(folder: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(folder).ok()?.map(|file| file.expect("a file").path());
    let first = files.next();
    assert_eq!(files.next(), None, "one file for each adapter");
    first
}

#[test]
fn pipelines_are_kept_and_whatever_else_lies_there_is_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("made when needed");
    let expected = result(&open());
    let gpu = open_at(&folder);
    assert_eq!(result(&gpu), expected);
    assert_eq!(gpu.remarks(), []);
    let Some(file) = file(&folder) else {
        return println!("{} keeps no pipelines", gpu.adapter().name);
    };
    let good = fs::read(&file).expect("a file");
    let written = fs::metadata(&file).and_then(|file| file.modified()).expect("a time");
    let again = open_at(&folder);
    assert_eq!((result(&again), again.remarks()), (expected.clone(), vec![]));
    assert_eq!(fs::metadata(&file).and_then(|file| file.modified()).expect("a time"), written);

    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let mut opened = None;
    for damaged in [&good[..good.len() / 2], b"", &flipped] {
        fs::write(&file, damaged).expect("a file");
        let gpu = opened.insert(open_at(&folder));
        assert_eq!(gpu.remarks(), [Remark { path: file.clone(), problem: Unusable::Damaged }]);
    }
    assert_eq!(result(&opened.expect("the last")), expected);
    assert_eq!(open_at(&folder).remarks(), [], "it was written anew");
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("no folder");
    fs::write(&file, "").expect("a file");
    let gpu = open_at(&file);
    result(&gpu);
    let told = gpu.remarks().iter().any(|remark| matches!(remark.problem, Unusable::Unwritten(_)));
    assert!(told, "{:?}", gpu.remarks());
}

/// Names the folder to a process that this program starts.
const FOLDER: &str = "SHIFTFORMER_TEST_FOLDER";

/// Does nothing but in a process that `two_processes_write_at_once` starts.
#[test]
fn another_process() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let gpu = open_at(Path::new(&folder));
        result(&gpu);
        assert_eq!(gpu.remarks(), []);
    }
}

#[test]
fn two_processes_write_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |_| {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "cache::another_process"]).env(FOLDER, folder.path());
        command.spawn().expect("a process")
    };
    let processes: Vec<Child> = (0..2).map(start).collect();
    for mut process in processes {
        assert!(process.wait().expect("its end").success());
    }
    assert_eq!(open_at(folder.path()).remarks(), []);
    let _ = file(folder.path());
}
