//! UniFFI's generator, of the version that the library was built with: two versions do not read
//! each other's metadata.

fn main() {
    uniffi::uniffi_bindgen_main();
}
