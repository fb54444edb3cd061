//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::PICO2, &["start_block.x", "link.x"]);
}
