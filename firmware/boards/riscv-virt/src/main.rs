//! The RISC-V board `virt` of QEMU, with a 32-bit core.
#![no_std]
#![no_main]

use core::arch::global_asm;

use app::{Board, NoWatchdog, serve};
use drivers::{InstructionClock, Ns16550, PaintedStack, RegisterLight, Registers, SerialLog, region};
use kernels::Fastest;
use runtime::Arena;

/// Memory that stands for flash that is read in place: address and bytes.
const MODEL: (usize, usize) = (0x8800_0000, 16 << 20);
const ARENA: usize = 3 << 20;
/// Instructions that count as a second.
const HZ: u32 = 1_000_000_000;

static mut MEMORY: Arena<ARENA> = Arena::new();

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
    let (flash, arena, stack) =
        unsafe { (region(MODEL.0, MODEL.1), (*memory).bytes(), PaintedStack::paint()) };
    // SAFETY: as above.
    let port = Ns16550::new(unsafe { Registers::at(0x1000_0000) });
    let lights: [RegisterLight; 0] = [];
    let clock = InstructionClock::<HZ>;
    let board =
        Board { name: "riscv-virt", port, clock, stack, lights, watchdog: NoWatchdog, log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
