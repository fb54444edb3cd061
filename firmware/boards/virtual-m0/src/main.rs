//! A Cortex-M0 with larger memories than any: the microbit of QEMU, enlarged.
#![no_std]
#![no_main]

use app::{Board, NoWatchdog, serve};
use drivers::{NrfUart, PaintedStack, RegisterLight, Registers, SerialLog, SysTick, region};
use kernels::Fastest;
use runtime::Arena;

/// Flash behind the program: address and bytes.
const MODEL: (usize, usize) = (0x0010_0000, 3 << 20);
const ARENA: usize = 960 << 10;
/// Ticks of the processor's clock in a second.
const HZ: u32 = 16_000_000;

static mut MEMORY: Arena<ARENA> = Arena::new();

#[cortex_m_rt::entry]
fn main() -> ! {
    let memory = &raw mut MEMORY;
    // SAFETY: `main` runs once, so that each of these is made once: the region holds what
    // was loaded with the program, the arena has one owner, the registers are this board's.
    let (flash, arena, stack, clock) = unsafe {
        (region(MODEL.0, MODEL.1), (*memory).bytes(), PaintedStack::paint(), SysTick::<HZ>::start())
    };
    // SAFETY: as above.
    let port = NrfUart::new(unsafe { Registers::at(0x4000_2000) }, 24, 25);
    let lights: [RegisterLight; 0] = [];
    let board =
        Board { name: "virtual-m0", port, clock, stack, lights, watchdog: NoWatchdog, log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
