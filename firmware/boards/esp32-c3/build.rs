//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::ESP32_C3, &["linkall.x", "pages.x"]);
}
