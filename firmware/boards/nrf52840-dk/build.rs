//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::NRF52840_DK, &["link.x"]);
}
