//! The UART of Arm's Cortex-M System Design Kit (DDI 0479, 4.3): MPS2 and MPS3 boards.

use crate::registers::{Registers, embedded_io};

const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CTRL: usize = 0x08;
const BAUDDIV: usize = 0x10;

const TX_FULL: u32 = 1 << 0;
const RX_FULL: u32 = 1 << 1;
const TX_RX_ENABLE: u32 = 0b11;

/// A CMSDK UART.
#[derive(Debug)]
pub struct CmsdkUart(Registers);

impl CmsdkUart {
    /// Enables the UART with `divider` clocks a bit, at least 16.
    pub fn new(mut registers: Registers, divider: u32) -> Self {
        registers.write(BAUDDIV, divider.max(16));
        registers.write(CTRL, TX_RX_ENABLE);
        Self(registers)
    }

    fn ready(&self) -> bool {
        self.0.read(STATE) & RX_FULL != 0
    }

    fn receive(&mut self) -> u8 {
        self.0.read(DATA) as u8
    }

    fn send(&mut self, byte: u8) {
        while self.0.read(STATE) & TX_FULL != 0 {}
        self.0.write(DATA, byte.into());
    }
}

embedded_io!(CmsdkUart);
