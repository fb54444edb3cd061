//! Arm MPS2 with the AN500 image: a Cortex-M7.
#![no_std]
#![no_main]

use app::{Board, NoWatchdog, serve};
use boards::{MPS2_AN500, Region};
use drivers::{CmsdkUart, PaintedStack, RegisterLight, Registers, SerialLog, SysTick, region};
use mcu::Fastest;
use runtime::Arena;

/// Where the model lies, which is read in place.
const MODEL: Region = MPS2_AN500.model();
/// Ticks of the processor's clock in a second.
const HZ: u32 = MPS2_AN500.hz;

static mut MEMORY: Arena<{ MPS2_AN500.arena as usize }> = Arena::new();

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
    let port = CmsdkUart::new(unsafe { Registers::at(0x4000_4000) }, HZ / 115_200);
    // SAFETY: as above; the two share a register whose other bits they keep.
    let lights = [0, 1].map(|bit| RegisterLight::new(unsafe { Registers::at(0x4002_8000) }, bit));
    let board =
        Board { name: MPS2_AN500.name, port, clock, stack, lights, watchdog: NoWatchdog, log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
