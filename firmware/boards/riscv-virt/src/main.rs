//! The RISC-V board `virt` of QEMU, with a 32-bit core.
#![no_std]
#![no_main]

use core::arch::global_asm;

use app::{Board, NoWatchdog, serve};
use boards::{RISCV_VIRT, Region};
use drivers::{InstructionClock, Ns16550, PaintedStack, RegisterLight, Registers, SerialLog, region};
use mcu::Fastest;
use runtime::Arena;

/// Where the model lies, which is read in place.
const MODEL: Region = RISCV_VIRT.model();
/// Instructions that count as a second.
const HZ: u32 = RISCV_VIRT.hz;

static mut MEMORY: Arena<{ RISCV_VIRT.arena as usize }> = Arena::new();

// Sets the stack, clears the statics and goes on in `main`. The emulator has loaded the
// rest; a trap starts over.
global_asm!(
    ".section .text.start, \"ax\"",
    ".global _start",
    "_start:",
    "la t0, _start",
    "csrw mtvec, t0",
    "la sp, _stack_start",
    "la t0, __sbss",
    "la t1, __ebss",
    "1: bgeu t0, t1, 2f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 1b",
    "2: j main",
);

#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let memory = &raw mut MEMORY;
    // SAFETY: `main` runs once, so that each of these is made once: the region holds what
    // was loaded with the program, the arena has one owner, the registers are this board's.
    let (flash, arena, stack) = unsafe {
        (region(MODEL.start as usize, MODEL.bytes as usize), (*memory).bytes(), PaintedStack::paint())
    };
    // SAFETY: as above.
    let port = Ns16550::new(unsafe { Registers::at(0x1000_0000) });
    let lights: [RegisterLight; 0] = [];
    let clock = InstructionClock::<HZ>;
    let board =
        Board { name: RISCV_VIRT.name, port, clock, stack, lights, watchdog: NoWatchdog, log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
