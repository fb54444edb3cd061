//! Nordic nRF52840 DK: a Cortex-M4F, its serial line on the debugger's virtual COM port.
#![no_std]
#![no_main]

#[cfg(feature = "defmt")]
use defmt_rtt as _;

use app::{Board, NoLog, Watchdog, serve};
use boards::{NRF52840_DK, Region};
use drivers::{ActiveLow, NrfUart, PaintedStack, Registers, SysTick, region};
use embassy_nrf::Peri;
use embassy_nrf::config::{Config, HfclkSource};
use embassy_nrf::gpio::{AnyPin, Input, Level, Output, OutputDrive, Pull};
use embassy_nrf::wdt::{self, HaltConfig, WatchdogHandle};
use mcu::Fastest;
use runtime::Arena;

/// Where the model lies, which is read in place.
const MODEL: Region = NRF52840_DK.model();
/// Ticks of the processor's clock in a second.
const HZ: u32 = NRF52840_DK.hz;
/// Ticks of 32768 Hz that one step may take, and that loading a program may take: this
/// watchdog goes on through a reset.
const PATIENCE: u32 = 30 * 32_768;

static mut MEMORY: Arena<{ NRF52840_DK.arena as usize }> = Arena::new();

/// None where one with other settings was running already: it resets the chip and is gone.
struct Dog(Option<WatchdogHandle>);

impl Watchdog for Dog {
    fn feed(&mut self) {
        if let Some(handle) = &mut self.0 {
            handle.pet();
        }
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
    let mut config = Config::default();
    config.hfclk_source = HfclkSource::ExternalXtal;
    let chip = embassy_nrf::init(config);
    let mut patience = wdt::Config::default();
    patience.timeout_ticks = PATIENCE;
    patience.action_during_debug_halt = HaltConfig::Pause;
    let dog = Dog(wdt::Watchdog::try_new(chip.WDT, patience).ok().map(|(_, [handle])| handle));
    // The UART takes over the pins as these set them.
    let _sends = Output::new(chip.P0_06, Level::High, OutputDrive::Standard);
    let _receives = Input::new(chip.P0_08, Pull::Up);
    // SAFETY: the UART of this chip, for which the HAL has no other user.
    let port = NrfUart::new(unsafe { Registers::at(0x4000_2000) }, 6, 8);
    let light =
        |pin: Peri<'static, AnyPin>| ActiveLow::new(Output::new(pin, Level::High, OutputDrive::Standard));
    let lights = [chip.P0_13.into(), chip.P0_14.into(), chip.P0_15.into(), chip.P0_16.into()].map(light);
    let board = Board { name: NRF52840_DK.name, port, clock, stack, lights, watchdog: dog, log: NoLog };
    serve(board, Fastest::default(), flash, arena)
}
