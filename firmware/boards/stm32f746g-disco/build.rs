//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::STM32F746G_DISCO, &["link.x"]);
}
