//! Writes the memory map of the emulated machine, named by `SHIFTFORMER_MACHINE`.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=SHIFTFORMER_MACHINE");
    println!("cargo:rerun-if-changed=build.rs");
    let machine = env::var("SHIFTFORMER_MACHINE").unwrap_or_else(|_| "mps2-an386".into());
    let riscv = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "riscv32");
    let map = match machine.as_str() {
        _ if riscv => RISCV,
        "mps3-an547" => MPS3,
        "microbit" => MICROBIT,
        "mps2-an386" | "mps2-an500" => MPS2,
        other => panic!("no memory map for the machine `{other}`"),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("memory.x"), map).expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search={}", out.display());
    if riscv {
        println!("cargo:rustc-link-arg=-Tmemory.x");
    }
    println!("cargo:rustc-link-arg=-Tlink.x");
    println!("cargo:rustc-link-arg=--nmagic");
}

/// Both have 4 MiB of code memory and 4 MiB of RAM.
const MPS2: &str = "
MEMORY { FLASH : ORIGIN = 0x00000000, LENGTH = 4M
         RAM   : ORIGIN = 0x20000000, LENGTH = 4M }
";

/// Code in the ITCM, data in SRAM.
const MPS3: &str = "
MEMORY { FLASH : ORIGIN = 0x00000000, LENGTH = 512K
         RAM   : ORIGIN = 0x21000000, LENGTH = 4M }
";

/// With the memories that the emulator is told to give it: more than any such chip has.
const MICROBIT: &str = "
MEMORY { FLASH : ORIGIN = 0x00000000, LENGTH = 1M
         RAM   : ORIGIN = 0x20000000, LENGTH = 4M }
";

const RISCV: &str = "
MEMORY { RAM : ORIGIN = 0x80000000, LENGTH = 16M }
REGION_ALIAS(\"REGION_TEXT\", RAM);
REGION_ALIAS(\"REGION_RODATA\", RAM);
REGION_ALIAS(\"REGION_DATA\", RAM);
REGION_ALIAS(\"REGION_BSS\", RAM);
REGION_ALIAS(\"REGION_HEAP\", RAM);
REGION_ALIAS(\"REGION_STACK\", RAM);
";
