//! The 16550 UART, its registers one byte apart.

use crate::registers::{Registers, embedded_io};

const DATA: usize = 0;
const FIFO_CONTROL: usize = 2;
const LINE_CONTROL: usize = 3;
const LINE_STATUS: usize = 5;

const FIFO_ON_AND_CLEAR: u8 = 0b111;
const EIGHT_BITS: u8 = 0b11;
const DATA_READY: u8 = 1 << 0;
const TX_EMPTY: u8 = 1 << 5;

/// A 16550 whose speed the board has set.
#[derive(Debug)]
pub struct Ns16550(Registers);

impl Ns16550 {
    /// Eight data bits, queues on.
    pub fn new(mut registers: Registers) -> Self {
        registers.write_byte(LINE_CONTROL, EIGHT_BITS);
        registers.write_byte(FIFO_CONTROL, FIFO_ON_AND_CLEAR);
        Self(registers)
    }

    fn ready(&self) -> bool {
        self.0.read_byte(LINE_STATUS) & DATA_READY != 0
    }

    fn receive(&mut self) -> u8 {
        self.0.read_byte(DATA)
    }

    fn send(&mut self, byte: u8) {
        while self.0.read_byte(LINE_STATUS) & TX_EMPTY == 0 {}
        self.0.write_byte(DATA, byte);
    }
}

embedded_io!(Ns16550);
