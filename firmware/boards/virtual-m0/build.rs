//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::VIRTUAL_M0, &["link.x"]);
}
