//! SysTick of every Cortex-M (Armv7-M Architecture Reference Manual, B3.3), counting the
//! processor's clock.

use core::sync::atomic::{AtomicU32, Ordering};

use app::Clock;

use crate::registers::Registers;

const BASE: usize = 0xe000_e010;
const CONTROL: usize = 0x0;
const RELOAD: usize = 0x4;
const CURRENT: usize = 0x8;

const ENABLE_INTERRUPT_PROCESSOR_CLOCK: u32 = 0b111;
const LAST: u32 = 0x00ff_ffff;

/// Times that the counter went round, each 2²⁴ ticks.
static ROUNDS: AtomicU32 = AtomicU32::new(0);

#[cortex_m_rt::exception]
fn SysTick() {
    // The only writer, so load and store need not be one: Armv6-M could not.
    ROUNDS.store(ROUNDS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// The core's timer at `HZ` ticks a second.
#[derive(Debug)]
pub struct SysTick<const HZ: u32>(Registers);

impl<const HZ: u32> SysTick<HZ> {
    /// Starts it.
    ///
    /// # Safety
    ///
    /// Nobody else uses SysTick.
    pub unsafe fn start() -> Self {
        // SAFETY: there on every Cortex-M, and ours as the caller vouches.
        let mut registers = unsafe { Registers::at(BASE) };
        registers.write(RELOAD, LAST);
        registers.write(CURRENT, 0);
        registers.write(CONTROL, ENABLE_INTERRUPT_PROCESSOR_CLOCK);
        Self(registers)
    }
}

impl<const HZ: u32> Clock for SysTick<HZ> {
    const HZ: u32 = HZ;

    fn ticks(&mut self) -> u64 {
        loop {
            let rounds = ROUNDS.load(Ordering::Relaxed);
            let elapsed = LAST.wrapping_sub(self.0.read(CURRENT)) & LAST;
            if ROUNDS.load(Ordering::Relaxed) == rounds {
                return (u64::from(rounds) << 24) | u64::from(elapsed);
            }
        }
    }
}
