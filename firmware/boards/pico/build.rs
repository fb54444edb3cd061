//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::PICO, &["link.x", "link-rp.x"]);
}
