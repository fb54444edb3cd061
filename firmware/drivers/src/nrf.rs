//! The UART of Nordic's nRF51 (nRF51 Series Reference Manual, 29), which the nRF52 have too
//! (nRF52840 Product Specification, 6.33).

use crate::registers::{Registers, embedded_io};

const START_RX: usize = 0x000;
const START_TX: usize = 0x008;
const RX_READY: usize = 0x108;
const TX_READY: usize = 0x11c;
const ENABLE: usize = 0x500;
const PIN_TX: usize = 0x50c;
const PIN_RX: usize = 0x514;
const RXD: usize = 0x518;
const TXD: usize = 0x51c;
const BAUD: usize = 0x524;

const ENABLED: u32 = 4;
const BAUD_115200: u32 = 0x01d7_e000;

/// An nRF51 or nRF52 UART.
#[derive(Debug)]
pub struct NrfUart {
    registers: Registers,
    /// Nothing was sent yet, so no event says that the last byte is gone.
    fresh: bool,
}

impl NrfUart {
    /// Enables the UART on two pins, at 115200 baud.
    pub fn new(mut registers: Registers, pin_tx: u32, pin_rx: u32) -> Self {
        registers.write(PIN_TX, pin_tx);
        registers.write(PIN_RX, pin_rx);
        registers.write(BAUD, BAUD_115200);
        registers.write(ENABLE, ENABLED);
        registers.write(RX_READY, 0);
        registers.write(START_RX, 1);
        registers.write(START_TX, 1);
        Self { registers, fresh: true }
    }

    fn ready(&self) -> bool {
        self.registers.read(RX_READY) != 0
    }

    fn receive(&mut self) -> u8 {
        self.registers.write(RX_READY, 0);
        self.registers.read(RXD) as u8
    }

    fn send(&mut self, byte: u8) {
        while !self.fresh && self.registers.read(TX_READY) == 0 {}
        self.fresh = false;
        self.registers.write(TX_READY, 0);
        self.registers.write(TXD, byte.into());
    }
}

embedded_io!(NrfUart);
