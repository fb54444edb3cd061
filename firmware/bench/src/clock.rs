//! Time in ticks that are a fixed number of instructions, and where the program starts.

use crate::{ARENA, Buffer, CONTAINER, INPUTS, Memory};

/// All memory of the program but its stack.
const MEMORY: Memory =
    Memory { container: Buffer([0; CONTAINER]), inputs: Buffer([0; INPUTS]), arena: Buffer([0; ARENA]) };

#[cfg(target_arch = "arm")]
mod arm {
    use cortex_m::peripheral::SYST;
    use cortex_m::peripheral::syst::SystClkSource;
    use cortex_m_rt::entry;

    use super::{MEMORY, Memory};

    #[entry]
    fn main() -> ! {
        static mut WHOLE: Memory = MEMORY;
        if let Some(mut peripherals) = cortex_m::Peripherals::take() {
            peripherals.SYST.set_clock_source(SystClkSource::Core);
            peripherals.SYST.set_reload(0x00ff_ffff);
            peripherals.SYST.clear_current();
            peripherals.SYST.enable_counter();
        }
        crate::run(WHOLE)
    }

    /// The timer counts down.
    pub fn now() -> u32 {
        SYST::get_current()
    }

    /// Ticks since `start`, of less than 2²⁴.
    pub fn since(start: u32) -> u32 {
        start.wrapping_sub(now()) & 0x00ff_ffff
    }
}

#[cfg(target_arch = "riscv32")]
mod riscv {
    use riscv_rt::entry;

    use super::{MEMORY, Memory};

    static mut WHOLE: Memory = MEMORY;

    #[entry]
    fn main() -> ! {
        // SAFETY: the only reference, made by a function that is entered once.
        crate::run(unsafe { &mut *(&raw mut WHOLE) })
    }

    /// The number of instructions retired.
    pub fn now() -> u32 {
        riscv::register::minstret::read() as u32
    }

    /// Instructions since `start`, of less than 2³².
    pub fn since(start: u32) -> u32 {
        now().wrapping_sub(start)
    }
}

#[cfg(target_arch = "arm")]
pub use arm::{now, since};
#[cfg(target_arch = "riscv32")]
pub use riscv::{now, since};
