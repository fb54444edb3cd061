//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::MPS3_AN547, &["link.x"]);
}
