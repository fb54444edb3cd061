//! A Cortex-M0 with larger memories than any: the microbit of QEMU, enlarged.
#![no_std]
#![no_main]

use app::{Board, NoWatchdog, serve};
use boards::{Region, VIRTUAL_M0};
use drivers::{NrfUart, PaintedStack, RegisterLight, Registers, SerialLog, SysTick, region};
use mcu::Fastest;
use runtime::Arena;

/// Where the model lies, which is read in place.
const MODEL: Region = VIRTUAL_M0.model();
/// Ticks of the processor's clock in a second.
const HZ: u32 = VIRTUAL_M0.hz;

static mut MEMORY: Arena<{ VIRTUAL_M0.arena as usize }> = Arena::new();

#[cortex_m_rt::entry]
fn main() -> ! {
    let memory = &raw mut MEMORY;
    // SAFETY: `main` runs once, so that each of these is made once: the region holds what
    // was loaded with the program, the arena has one owner, the registers are this board's.
    let (flash, arena, stack, clock) = unsafe {
        (
            region(MODEL.start as usize, MODEL.bytes as usize),
            (*memory).bytes(),
            PaintedStack::paint(),
            SysTick::<HZ>::start(),
        )
    };
    // SAFETY: as above.
    let port = NrfUart::new(unsafe { Registers::at(0x4000_2000) }, 24, 25);
    let lights: [RegisterLight; 0] = [];
    let board =
        Board { name: VIRTUAL_M0.name, port, clock, stack, lights, watchdog: NoWatchdog, log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
