//! Passes the board's description to the linker.

fn main() {
    boards::build::emit(&boards::NUCLEO_H743ZI, &["link.x"]);
}
