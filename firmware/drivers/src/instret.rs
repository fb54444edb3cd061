//! The counter of instructions of a RISC-V core.

use core::arch::asm;

use app::Clock;

/// Counts instructions; `HZ` says how many count as a second.
#[derive(Debug)]
pub struct InstructionClock<const HZ: u32>;

impl<const HZ: u32> Clock for InstructionClock<HZ> {
    const HZ: u32 = HZ;

    fn ticks(&mut self) -> u64 {
        let (mut high, mut low, mut again): (u32, u32, u32);
        loop {
            // SAFETY: reads counters that every machine-mode program may read.
            unsafe {
                asm!(
                    "csrr {high}, minstreth",
                    "csrr {low}, minstret",
                    "csrr {again}, minstreth",
                    high = out(reg) high,
                    low = out(reg) low,
                    again = out(reg) again,
                    options(nomem, nostack)
                );
            }
            if high == again {
                return (u64::from(high) << 32) | u64::from(low);
            }
        }
    }
}
