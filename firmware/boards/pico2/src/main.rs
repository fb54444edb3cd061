//! Raspberry Pi Pico 2: an RP2350 with a Cortex-M33, its serial line on GP0 and GP1.
#![no_std]
#![no_main]

use app::{Board, Watchdog, serve};
use boards::{PICO2, Region};
use drivers::{PaintedStack, RegisterLight, Registers, SerialLog, SysTick, region};
use embassy_rp::bind_interrupts;
use embassy_rp::config::Config;
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::UART0;
use embassy_rp::uart::{self, BufferedInterruptHandler, BufferedUart};
use embassy_rp::watchdog;
use embassy_time::Duration;
use mcu::Fastest;
use runtime::Arena;

/// Where the model lies, which is read in place.
const MODEL: Region = PICO2.model();
/// Ticks of the processor's clock in a second, as the HAL sets it from the crystal.
const HZ: u32 = PICO2.hz;
/// Longest time that one step may take; the hardware counts no more than 16.7 s.
const PATIENCE: Duration = Duration::from_secs(8);

static mut MEMORY: Arena<{ PICO2.arena as usize }> = Arena::new();

bind_interrupts!(struct Interrupts {
    UART0_IRQ => BufferedInterruptHandler<UART0>;
});

struct Dog(watchdog::Watchdog);

impl Watchdog for Dog {
    fn feed(&mut self) {
        self.0.feed(PATIENCE);
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let memory = &raw mut MEMORY;
    // SAFETY: `main` runs once, so that each of these is made once: the region is flash that
    // nothing writes, the arena has one owner, the HAL leaves SysTick alone.
    let (flash, arena, stack, clock) = unsafe {
        (
            region(MODEL.start as usize, MODEL.bytes as usize),
            (*memory).bytes(),
            PaintedStack::paint(),
            SysTick::<HZ>::start(),
        )
    };
    let chip = embassy_rp::init(Config::default());
    let mut dog = watchdog::Watchdog::new(chip.WATCHDOG);
    dog.pause_on_debug(true);
    dog.start(PATIENCE);
    let (mut sent, mut received) = ([0; 64], [0; 1024]);
    let port = BufferedUart::new(
        chip.UART0,
        chip.PIN_0,
        chip.PIN_1,
        Interrupts,
        &mut sent,
        &mut received,
        uart::Config::default(),
    );
    let _set_up = Output::new(chip.PIN_25, Level::Low);
    // The HAL sets a pin through code that can panic, which the run of a program shall not.
    // SAFETY: the register of all pins' levels, for which the HAL has no other user.
    let lights = [RegisterLight::new(unsafe { Registers::at(0xd000_0010) }, 25)];
    let board = Board { name: PICO2.name, port, clock, stack, lights, watchdog: Dog(dog), log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
