#![no_main]

use converter::import::{ImportOptions, import_onnx_bytes};
use libfuzzer_sys::fuzz_target;
use shiftformer_fuzz::calibrated;

fuzz_target!(|bytes: &[u8]| {
    let options = ImportOptions { mean: vec![0.5; 3], std: vec![0.5; 3], ..ImportOptions::default() };
    // Without a directory no other file is read.
    if let Ok(graph) = import_onnx_bytes(bytes.to_vec().into(), None, &options) {
        for (index, node) in graph.nodes.iter().enumerate() {
            let made =
                |tensor: usize| tensor == 0 || graph.nodes[..index].iter().any(|n| n.output() == tensor);
            assert!(node.inputs().into_iter().all(made), "node {index} reads what is not made yet");
        }
        calibrated(graph);
    }
});
