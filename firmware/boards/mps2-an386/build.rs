//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::MPS2_AN386, &["link.x"]);
}
