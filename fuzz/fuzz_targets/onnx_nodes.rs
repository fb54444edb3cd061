#![no_main]

use libfuzzer_sys::fuzz_target;
use shiftformer_tests::onnx_nodes::check;

fuzz_target!(|bytes: &[u8]| {
    if let Err(wrong) = check(&bytes[..bytes.len().min(25)]) {
        panic!("{wrong}");
    }
});
