#![no_main]

use converter::import::{ImportOptions, Imported, import_safetensors};
use converter::{BuildOptions, build};
use libfuzzer_sys::fuzz_target;
use shiftformer_fuzz::calibrated;

fuzz_target!(|bytes: &[u8]| {
    match import_safetensors(bytes, "fuzz.safetensors", &ImportOptions::default()) {
        Ok(Imported::Quantized(graph)) => {
            for fuse in [true, false] {
                // Errors name what is wrong; a container that comes out has passed the checker.
                let _ = build(&graph, BuildOptions { fuse, arena: None });
            }
        }
        Ok(Imported::Float(graph)) => calibrated(graph),
        Err(_) => {}
    }
});
