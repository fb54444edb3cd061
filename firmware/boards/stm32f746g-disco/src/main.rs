//! ST 32F746GDISCOVERY: a Cortex-M7, its serial line on the debugger's virtual COM port.
#![no_std]
#![no_main]

#[cfg(feature = "defmt")]
use defmt_rtt as _;

use app::{Board, NoLog, Watchdog, serve};
use boards::{Region, STM32F746G_DISCO};
use cortex_m::peripheral::SCB;
use drivers::{PaintedStack, SysTick, region};
use embassy_stm32::bind_interrupts;
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::peripherals::{IWDG, USART1};
use embassy_stm32::rcc::{APBPrescaler, Hse, HseMode, Pll, PllMul, PllPDiv, PllPreDiv, PllSource, Sysclk};
use embassy_stm32::time::Hertz;
use embassy_stm32::usart::{self, BufferedInterruptHandler, BufferedUart};
use embassy_stm32::wdg::IndependentWatchdog;
use mcu::Fastest;
use runtime::Arena;

/// Where the model lies, which is read in place.
const MODEL: Region = STM32F746G_DISCO.model();
/// Ticks of the processor's clock in a second.
const HZ: u32 = STM32F746G_DISCO.hz;
/// Microseconds that one step may take.
const PATIENCE: u32 = 8_000_000;

static mut MEMORY: Arena<{ STM32F746G_DISCO.arena as usize }> = Arena::new();

bind_interrupts!(struct Interrupts {
    USART1 => BufferedInterruptHandler<USART1>;
});

struct Dog(IndependentWatchdog<'static, IWDG>);

impl Watchdog for Dog {
    fn feed(&mut self) {
        self.0.pet();
    }
}

/// 216 MHz from the crystal of 25 MHz: 25 / 25 · 432 / 2; the buses as fast as they may be.
fn clocks() -> embassy_stm32::Config {
    let mut config = embassy_stm32::Config::default();
    config.rcc.hse = Some(Hse { freq: Hertz(25_000_000), mode: HseMode::Oscillator });
    config.rcc.pll_src = PllSource::HSE;
    config.rcc.pll = Some(Pll {
        prediv: PllPreDiv::DIV25,
        mul: PllMul::MUL432,
        divp: Some(PllPDiv::DIV2),
        divq: None,
        divr: None,
    });
    config.rcc.sys = Sysclk::PLL1_P;
    config.rcc.apb1_pre = APBPrescaler::DIV4;
    config.rcc.apb2_pre = APBPrescaler::DIV2;
    config
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
    let chip = embassy_stm32::init(clocks());
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.SCB.enable_icache();
        core.SCB.enable_dcache(&mut core.CPUID);
    }
    let mut dog = IndependentWatchdog::new(chip.IWDG, PATIENCE);
    dog.unleash();
    let (mut sent, mut received) = ([0; 64], [0; 1024]);
    let port = BufferedUart::new(
        chip.USART1,
        chip.PB7,
        chip.PA9,
        &mut sent,
        &mut received,
        Interrupts,
        usart::Config::default(),
    );
    let Ok(port) = port else { SCB::sys_reset() };
    let lights = [Output::new(chip.PI1, Level::Low, Speed::Low)];
    let board =
        Board { name: STM32F746G_DISCO.name, port, clock, stack, lights, watchdog: Dog(dog), log: NoLog };
    serve(board, Fastest::default(), flash, arena)
}
