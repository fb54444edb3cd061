//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::MPS2_AN500, &["link.x"]);
}
