//! Drivers that several boards share, each over a block of registers.
//!
//! A panic handler is here too: it refers to a symbol that nobody defines, so an image
//! in which a panic can be reached does not link.
#![no_std]

mod cmsdk;
#[cfg(target_arch = "riscv32")]
mod instret;
mod light;
mod memory;
mod nrf;
mod ns16550;
mod registers;
mod stack;
#[cfg(target_arch = "arm")]
mod systick;

pub use cmsdk::CmsdkUart;
#[cfg(target_arch = "riscv32")]
pub use instret::InstructionClock;
pub use light::RegisterLight;
pub use memory::region;
pub use nrf::NrfUart;
pub use ns16550::Ns16550;
pub use registers::Registers;
pub use stack::PaintedStack;
#[cfg(target_arch = "arm")]
pub use systick::SysTick;

unsafe extern "C" {
    /// Not defined anywhere: a reference to it fails the link.
    safe fn shiftformer_panics() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    shiftformer_panics()
}
