//! On a GPU, or on Mesa's lavapipe: what is measured there and kept.

use std::fs;
use std::path::Path;

use converter::BuildOptions;
use converter::arch::Arch;
use serde_json::Value;

use crate::common::{command, fails, json, stderr};

/// A small model as `micro.shf` in `here`.
fn micro(here: &Path) {
    let graph = Arch::by_name("micro").unwrap().random(1);
    fs::write(here.join("micro.shf"), converter::build(&graph, BuildOptions::default()).unwrap()).unwrap();
}

/// What `tune --json` says is whole: every number of frames, and no tile slower than the default.
fn check(tuning: &Value) {
    let list = |of: &Value, name: &str| of[name].as_array().unwrap().clone();
    let (products, totals) = (list(tuning, "products"), list(tuning, "totals"));
    assert_eq!(totals.iter().map(|total| total["frames"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 8, 64]);
    assert!(!products.is_empty() && products.len() % 3 == 0, "{tuning}");
    for product in &products {
        let times = list(product, "times");
        let of = |name| times.iter().find(|time| time["tile"] == product[name]).unwrap()["ms"].as_f64();
        assert!(of("tile") <= of("default"), "{product}");
    }
}

#[test]
fn what_is_measured_is_kept_and_taken() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    micro(here);
    let verify = ["verify", "micro.shf", "--backend", "gpu", "--frames", "2"];
    json(here, &[&verify[..], &["--json"]].concat());
    assert_eq!(fs::read_dir(here).unwrap().count(), 1, "nothing is kept where that is turned off");

    check(&json(here, &["tune", "micro.shf", "--gpu-cache", "kept", "--json"]));
    let files = fs::read_dir(here.join("kept")).unwrap().map(|file| file.unwrap().path());
    let file = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "tiles")).unwrap();
    let good = fs::read(&file).unwrap();
    let kept = |args: &[&str]| {
        let output = command(here, &[&verify[..], args].concat())
            .env("SHIFTFORMER_GPU_CACHE", "kept")
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stderr(&output)
    };
    assert!(!kept(&["--tune"]).contains("note"));
    assert_eq!(fs::read(&file).unwrap(), good, "what was measured is not measured again");
    fs::write(&file, &good[..good.len() - 1]).unwrap();
    let said = kept(&[]);
    assert!(said.contains("note: ") && said.contains("damaged and ignored"), "{said}");
}

#[test]
fn a_gpu_that_is_not_there() {
    fails(Path::new("."), 1, &["tune", "--arch", "micro", "--gpu", "abacus"], &["abacus"]);
}
