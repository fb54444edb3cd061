//! ST NUCLEO-H743ZI and -ZI2: a Cortex-M7, its serial line on the debugger's virtual COM port.
#![no_std]
#![no_main]

#[cfg(feature = "defmt")]
use defmt_rtt as _;

use app::{Board, NoLog, Watchdog, serve};
use boards::{NUCLEO_H743ZI, Region};
use cortex_m::peripheral::SCB;
use drivers::{PaintedStack, SysTick, region};
use embassy_stm32::bind_interrupts;
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::peripherals::{IWDG1, USART3};
use embassy_stm32::rcc::{
    AHBPrescaler, APBPrescaler, Pll, PllDiv, PllMul, PllPreDiv, PllSource, Sysclk, VoltageScale,
};
use embassy_stm32::usart::{self, BufferedInterruptHandler, BufferedUart};
use embassy_stm32::wdg::IndependentWatchdog;
use mcu::Fastest;
use runtime::Arena;

/// Where the model lies, which is read in place.
const MODEL: Region = NUCLEO_H743ZI.model();
/// Ticks of the processor's clock in a second: every revision of the chip reaches it.
const HZ: u32 = NUCLEO_H743ZI.hz;
/// Microseconds that one step may take.
const PATIENCE: u32 = 8_000_000;

/// Not cleared at the start, as it lies in no region that the start-up code knows.
#[unsafe(link_section = ".arena")]
static mut MEMORY: Arena<{ NUCLEO_H743ZI.arena as usize }> = Arena::new();

bind_interrupts!(struct Interrupts {
    USART3 => BufferedInterruptHandler<USART3>;
});

struct Dog(IndependentWatchdog<'static, IWDG1>);

impl Watchdog for Dog {
    fn feed(&mut self) {
        self.0.pet();
    }
}

/// 400 MHz from the internal oscillator of 64 MHz: 64 / 4 · 50 / 2; the buses as fast as
/// they may be.
fn clocks() -> embassy_stm32::Config {
    let mut config = embassy_stm32::Config::default();
    config.rcc.pll1 = Some(Pll {
        source: PllSource::HSI,
        prediv: PllPreDiv::DIV4,
        mul: PllMul::MUL50,
        fracn: None,
        divp: Some(PllDiv::DIV2),
        divq: None,
        divr: None,
    });
    config.rcc.sys = Sysclk::PLL1_P;
    config.rcc.ahb_pre = AHBPrescaler::DIV2;
    config.rcc.apb1_pre = APBPrescaler::DIV2;
    config.rcc.apb2_pre = APBPrescaler::DIV2;
    config.rcc.apb3_pre = APBPrescaler::DIV2;
    config.rcc.apb4_pre = APBPrescaler::DIV2;
    config.rcc.voltage_scale = VoltageScale::Scale1;
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
    // Sets the check bits of the memory, too.
    arena.fill(0);
    let mut dog = IndependentWatchdog::new(chip.IWDG1, PATIENCE);
    dog.unleash();
    let (mut sent, mut received) = ([0; 64], [0; 1024]);
    let port = BufferedUart::new(
        chip.USART3,
        chip.PD9,
        chip.PD8,
        &mut sent,
        &mut received,
        Interrupts,
        usart::Config::default(),
    );
    let Ok(port) = port else { SCB::sys_reset() };
    // The light between them is on another pin in each revision of the board.
    let lights =
        [Output::new(chip.PB0, Level::Low, Speed::Low), Output::new(chip.PB14, Level::Low, Speed::Low)];
    let board =
        Board { name: NUCLEO_H743ZI.name, port, clock, stack, lights, watchdog: Dog(dog), log: NoLog };
    serve(board, Fastest::default(), flash, arena)
}
