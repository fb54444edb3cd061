#![no_main]

use data::{Limits, Planar, idx};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_bytes: 1 << 20 };
    if let Ok(images) = idx::parse(bytes, &limits).and_then(Planar::new) {
        let last = images.len().wrapping_sub(1);
        assert!(images.is_empty() || images.image(last).is_some());
        assert!(images.image(images.len()).is_none());
    }
});
