#![no_main]

use data::{Limits, npz};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_bytes: 1 << 20 };
    if let Ok(arrays) = npz::parse(bytes, &limits) {
        let images = arrays.images;
        assert!(images.is_empty() || images.image(images.len() - 1).is_some());
    }
});
