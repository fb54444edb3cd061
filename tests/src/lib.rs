//! What the tests share: kernel sets, generated programs, runs that are compared whole.

pub mod apps;
pub mod backend;
pub mod binary;
pub mod case;
pub mod data;
pub mod elsewhere;
pub mod onnx_nodes;
pub mod ops;
#[cfg(any(test, doctest))]
mod readme;
pub mod rebuilt;

pub use shiftformer_test_run::{kernels, memory, run, source};

use proptest::test_runner::{Config, FileFailurePersistence};

/// A proptest configuration with `1/share` of the usual number of cases
/// (`PROPTEST_CASES`), which keeps failing seeds in `proptest-regressions/`.
pub fn config(share: u32) -> Config {
    let usual = Config::default();
    let seeds = FileFailurePersistence::Direct("proptest-regressions/seeds.txt");
    Config {
        cases: usual.cases.div_ceil(share),
        failure_persistence: Some(Box::new(seeds)),
        max_shrink_iters: 2000,
        max_shrink_time: 20_000,
        ..usual
    }
}
