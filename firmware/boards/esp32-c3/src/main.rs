//! Espressif ESP32-C3-DevKitM-1: an RV32IMC core, its serial line on the board's USB-to-UART
//! bridge.
#![no_std]
#![no_main]

use app::{Board, Clock, Watchdog, serve};
use boards::{ESP32_C3, Region};
use drivers::{PaintedStack, SerialLog, region};
use esp_hal::clock::CpuClock;
use esp_hal::gpio::Output;
use esp_hal::peripherals::TIMG0;
use esp_hal::time::Duration;
use esp_hal::timer::systimer::{SystemTimer, Unit};
use esp_hal::timer::timg::{MwdtStage, TimerGroup, Wdt};
use esp_hal::uart::{self, Uart};
use mcu::Fastest;
use runtime::Arena;

/// Where the model lies, which is read in place.
const MODEL: Region = ESP32_C3.model();
/// Longest time that one step may take.
const PATIENCE: Duration = Duration::from_secs(8);

static mut MEMORY: Arena<{ ESP32_C3.arena as usize }> = Arena::new();

esp_bootloader_esp_idf::esp_app_desc!();

/// The system timer, 52 bits wide: this core has not the standard counters of RISC-V.
struct Ticks;

impl Clock for Ticks {
    const HZ: u32 = 16_000_000;

    fn ticks(&mut self) -> u64 {
        SystemTimer::unit_value(Unit::Unit0)
    }
}

struct Dog(Wdt<TIMG0<'static>>);

impl Watchdog for Dog {
    fn feed(&mut self) {
        self.0.feed();
    }
}

#[esp_hal::main]
fn main() -> ! {
    let memory = &raw mut MEMORY;
    // SAFETY: `main` runs once, so that each of these is made once: the region is flash that
    // nothing writes, the arena has one owner.
    let (flash, arena, stack) = unsafe {
        (region(MODEL.start as usize, MODEL.bytes as usize), (*memory).bytes(), PaintedStack::paint())
    };
    let chip = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    let mut dog = TimerGroup::new(chip.TIMG0).wdt;
    dog.set_timeout(MwdtStage::Stage0, PATIENCE);
    dog.enable();
    let Ok(port) = Uart::new(chip.UART0, uart::Config::default()) else { esp_hal::system::software_reset() };
    let port = port.with_tx(chip.GPIO21).with_rx(chip.GPIO20);
    // The light of the board wants a protocol of its own.
    let lights: [Output<'_>; 0] = [];
    let board =
        Board { name: ESP32_C3.name, port, clock: Ticks, stack, lights, watchdog: Dog(dog), log: SerialLog };
    serve(board, Fastest::default(), flash, arena)
}
