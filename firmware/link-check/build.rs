//! Passes the linker script, and keeps relocations so that `cargo xtask size` can say
//! which function refers to a symbol that should not be there.

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rustc-link-arg-bins=-T{here}/link.ld");
    println!("cargo:rustc-link-arg-bins=--emit-relocs");
    if std::env::var_os("CARGO_FEATURE_LINKS_ANYWAY").is_some() {
        println!("cargo:rustc-link-arg-bins=--warn-unresolved-symbols");
    }
    println!("cargo:rerun-if-changed=link.ld");
}
