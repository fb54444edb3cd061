//! Drivers that several boards share, each over a block of registers.
//!
//! A panic handler is here too, see `panic.rs`.
#![no_std]

mod cmsdk;
#[cfg(target_arch = "riscv32")]
mod instret;
mod light;
mod log;
mod memory;
mod nrf;
mod ns16550;
mod panic;
mod registers;
mod stack;
#[cfg(target_arch = "arm")]
mod systick;

pub use cmsdk::CmsdkUart;
#[cfg(target_arch = "riscv32")]
pub use instret::InstructionClock;
pub use light::{ActiveLow, RegisterLight};
pub use log::SerialLog;
pub use memory::region;
pub use nrf::NrfUart;
pub use ns16550::Ns16550;
pub use registers::Registers;
pub use stack::PaintedStack;
#[cfg(target_arch = "arm")]
pub use systick::SysTick;
