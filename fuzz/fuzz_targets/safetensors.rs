#![no_main]

use converter::import::{ImportOptions, Tensors, import_ivit};
use converter::{BuildOptions, build};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(tensors) = Tensors::parse(bytes, "fuzz.safetensors") else { return };
    let Ok(graph) = import_ivit(&tensors, &ImportOptions::default()) else { return };
    for fuse in [true, false] {
        // Errors name what is wrong; a container that comes out has passed the checker.
        let _ = build(&graph, BuildOptions { fuse, arena: None });
    }
});
