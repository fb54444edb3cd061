//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::RISCV_VIRT, &["link.ld"]);
}
