//! Binarized models as either exporter of PyTorch writes them: the same program as of the
//! state dict.

use std::path::{Path, PathBuf};

use converter::calibrate::QuantizeOptions;
use converter::import::{ImportOptions, Imported, import};
use converter::{BuildOptions, ConvertError, convert};
use float::{Evaluator, Graph};
use runtime::Model;
use shiftformer_tests::kernels::kernel_sets;
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::run::{self, Trace};

/// Of one model, with straight-through estimators, with those of the weights computed by the
/// exporter, and with choices of 1 or −1.
const FILES: [&str; 3] = ["binary_straight.onnx", "binary_folded.onnx", "binary_choice.onnx"];

/// The same model's state dict.
const STATE_DICT: &str = "binary.safetensors";

/// Pixels of an image.
const PIXELS: usize = 12 * 12;

/// The logits of the frames by ONNX Runtime 1.32.
const EXPECTED: [[f32; 5]; 3] = [
    [1.000_943_5, -0.001_386_1, 1.292_4, -0.355_907_6, 0.461_007_6],
    [-1.012_164_8, -0.833_421_4, 0.040_859, -0.069_330_6, -0.844_825_3],
    [0.419_842, -0.437_161_4, -0.035_229_2, 0.800_065_2, -1.120_622_2],
];

fn fixture(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file)
}

fn graph(file: &str) -> Graph {
    let options = ImportOptions { mean: vec![0.25], std: vec![0.5], ..ImportOptions::default() };
    match import(&fixture(file), &options).unwrap_or_else(|error| panic!("{file}: {error}")) {
        Imported::Float(graph) => graph,
        Imported::Quantized(_) => panic!("{file} is not a float model"),
    }
}

fn noise(seed: usize) -> Vec<u8> {
    (0..PIXELS).map(|at| (at * at * 31 + at * 7 + seed * 101) as u8).collect()
}

fn converted(file: &str, binary: bool) -> Result<Vec<u8>, ConvertError> {
    let frames: Vec<Vec<u8>> = (0..16).map(noise).collect();
    let options = QuantizeOptions { binary, escalation: 1.0, ..QuantizeOptions::default() };
    convert(graph(file), &frames, &options, BuildOptions::default(), &()).map(|made| made.container)
}

/// The programs of two containers, without the names, and whether they do the same on every
/// kernel set.
fn assert_same(file: &str, made: &[u8], wanted: &[u8]) {
    let ops = |container: &[u8]| {
        let aligned = Aligned::copy(container);
        let model = Model::new(&aligned).unwrap();
        model.instructions().map(|instruction| instruction.op).collect::<Vec<_>>()
    };
    assert_eq!(ops(made), ops(wanted), "{file}");
    for kernels in kernel_sets() {
        for seed in 0..3 {
            let trace = |container| run::trace(container, &[noise(seed)], kernels, 0x5a);
            let (made, wanted) = (trace(made), trace(wanted));
            let values = |trace: &Trace| {
                trace.written.iter().map(|written| written.values.clone()).collect::<Vec<_>>()
            };
            assert_eq!(made.outputs, wanted.outputs, "{file} on {}", kernels.name());
            assert_eq!(values(&made), values(&wanted), "{file} on {}", kernels.name());
        }
    }
}

#[test]
fn the_float_graph_computes_what_onnx_runtime_does() {
    for file in FILES.iter().chain(&[STATE_DICT]) {
        let graph = graph(file);
        let evaluator = Evaluator::new(&graph).unwrap();
        for (seed, expected) in EXPECTED.iter().enumerate() {
            let found = evaluator.run(&noise(seed)).remove(0);
            let far = found.iter().zip(expected).find(|(found, expected)| (*found - *expected).abs() > 1e-5);
            assert!(found.len() == 5 && far.is_none(), "{file}: {found:?}, not {expected:?}");
        }
    }
}

#[test]
fn the_program_is_that_of_the_state_dict() {
    let wanted = converted(STATE_DICT, true).unwrap();
    for file in FILES {
        assert_same(file, &converted(file, true).unwrap(), &wanted);
    }
}

#[test]
fn layers_of_bits_are_no_int8_layers() {
    for file in FILES {
        let error = converted(file, false).unwrap_err();
        assert!(matches!(error, ConvertError::Binarized), "{file}: {error}");
    }
}
