//! Arm MPS3 with the AN547 image: a Cortex-M55, which starts in secure state.
#![no_std]
#![no_main]

use app::{Board, NoWatchdog, serve};
use drivers::{CmsdkUart, PaintedStack, RegisterLight, Registers, SerialLog, SysTick, region};
use kernels::Fastest;
use runtime::Arena;

/// The start of DDR4, which stands for flash that is read in place: address and bytes.
const MODEL: (usize, usize) = (0x6000_0000, 16 << 20);
const ARENA: usize = 3 << 20;
/// Ticks of the processor's clock in a second.
const HZ: u32 = 32_000_000;

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
    let port = CmsdkUart::new(unsafe { Registers::at(0x5930_3000) }, HZ / 115_200);
    let lights: [RegisterLight; 0] = [];
    let board =
        Board { name: "mps3-an547", port, clock, stack, lights, watchdog: NoWatchdog, log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
