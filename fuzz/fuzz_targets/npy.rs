#![no_main]

use data::{Limits, npy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_bytes: 1 << 20 };
    if let Ok(array) = npy::parse(bytes, &limits) {
        let elements: usize = array.shape().iter().product();
        for len in [array.to_i32().map(|a| a.len()), array.to_f32().map(|a| a.len())].into_iter().flatten() {
            assert_eq!(len, elements);
        }
    }
});
