//! Arm MPS3 with the AN547 image: a Cortex-M55, which starts in secure state.
#![no_std]
#![no_main]

use app::{Board, NoWatchdog, serve};
use boards::{MPS3_AN547, Region};
use drivers::{CmsdkUart, PaintedStack, RegisterLight, Registers, SerialLog, SysTick, region};
use mcu::Fastest;
use runtime::Arena;

/// Where the model lies, which is read in place.
const MODEL: Region = MPS3_AN547.model();
/// Ticks of the processor's clock in a second.
const HZ: u32 = MPS3_AN547.hz;

static mut MEMORY: Arena<{ MPS3_AN547.arena as usize }> = Arena::new();

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
    let port = CmsdkUart::new(unsafe { Registers::at(0x5930_3000) }, HZ / 115_200);
    let lights: [RegisterLight; 0] = [];
    let board =
        Board { name: MPS3_AN547.name, port, clock, stack, lights, watchdog: NoWatchdog, log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
