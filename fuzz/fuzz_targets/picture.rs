#![no_main]

use data::Limits;
use data::picture::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_bytes: 1 << 20 };
    if let Ok(image) = parse(bytes, &limits) {
        let area = usize::from(image.height) * usize::from(image.width);
        assert_eq!(image.pixels.len(), area * usize::from(image.channels));
    }
});
