//! Arm MPS2 with the AN386 image: a Cortex-M4F.
#![no_std]
#![no_main]

use app::{Board, NoWatchdog, serve};
use drivers::{CmsdkUart, PaintedStack, RegisterLight, Registers, SerialLog, SysTick, region};
use kernels::Fastest;
use runtime::Arena;

/// The board's PSRAM, which stands for flash that is read in place: address and bytes.
const MODEL: (usize, usize) = (0x2100_0000, 16 << 20);
const ARENA: usize = 3 << 20;
/// Ticks of the processor's clock in a second.
const HZ: u32 = 25_000_000;

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
    let port = CmsdkUart::new(unsafe { Registers::at(0x4000_4000) }, HZ / 115_200);
    // SAFETY: as above; the two share a register whose other bits they keep.
    let lights = [0, 1].map(|bit| RegisterLight::new(unsafe { Registers::at(0x4002_8000) }, bit));
    let board =
        Board { name: "mps2-an386", port, clock, stack, lights, watchdog: NoWatchdog, log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
