//! The same bytes everywhere. What other architectures must compute is pinned here, so that
//! neither they nor this one can drift; `cargo xtask test` runs the same cases there.

use sha2::{Digest, Sha256};
use shiftformer_test_convert::containers;
use shiftformer_test_run::cases::{Case, Compared};
use shiftformer_test_run::kernels::kernel_sets;
use shiftformer_tests::elsewhere;

/// SHA-256 of the logits (i32, little-endian) of the first 50 bundled images.
const PINNED: &str = "1c217025ab25fb51bbcd1f4a62b761a25f49b7dfa3c34b7d61e71a52b2e4c232";
const IMAGES: usize = 50;

/// SHA-256 of what every instruction of the binarized block writes (i32, little-endian).
const PINNED_BINARY: &str = "c166d1bd377ededd78023ccf9d807004632da8f79b744743cd4d7f499b63bdff";

fn digest(values: &[i32]) -> String {
    let mut hasher = Sha256::new();
    values.iter().for_each(|value| hasher.update(value.to_le_bytes()));
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn results_are_pinned_for_every_kernel_set_layout_tile_and_number_of_threads() {
    let sets: Vec<_> = kernel_sets().collect();
    for (name, case) in elsewhere::cases(IMAGES, 0) {
        let pinned = match case.compared {
            Compared::Outputs => PINNED,
            Compared::Trace => PINNED_BINARY,
        };
        assert_eq!(digest(&case.expected), pinned, "{name}");
        case.check(&sets).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn cases_pass_through_files_and_differences_are_found() {
    let sets: Vec<_> = kernel_sets().collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case");
    for (name, case) in elsewhere::cases(1, 0) {
        case.save(&path).unwrap();
        let mut read = Case::load(&path).unwrap();
        assert_eq!(read, case, "{name}");
        *read.expected.last_mut().unwrap() ^= 1;
        assert!(read.check(&sets).unwrap_err().starts_with("reference, 1 threads"), "{name}");
    }
    std::fs::write(&path, [0, 9, 0, 0, 0]).unwrap();
    assert!(Case::load(&path).is_err());
}

#[test]
fn threads_leave_conversions_as_they_are() {
    let one = containers(1);
    for threads in [2, 5] {
        for ((name, made), (_, expected)) in containers(threads).iter().zip(&one) {
            assert!(made == expected, "{name}, {threads} threads");
        }
    }
}
