//! Lights: one bit of a register, and a pin that lights when it is low.

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, OutputPin};

use crate::registers::Registers;

/// One bit of a register of its own reading back what was written.
#[derive(Debug)]
pub struct RegisterLight {
    registers: Registers,
    mask: u32,
}

impl RegisterLight {
    /// The light at `bit` of the register at the start of `registers`.
    pub const fn new(registers: Registers, bit: u8) -> Self {
        Self { registers, mask: 1u32.wrapping_shl(bit as u32) }
    }
}

impl ErrorType for RegisterLight {
    type Error = Infallible;
}

impl OutputPin for RegisterLight {
    fn set_low(&mut self) -> Result<(), Infallible> {
        let others = self.registers.read(0) & !self.mask;
        self.registers.write(0, others);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        let others = self.registers.read(0);
        self.registers.write(0, others | self.mask);
        Ok(())
    }
}

/// A light between the supply and a pin: it is on while the pin is low.
#[derive(Debug)]
pub struct ActiveLow<P>(P);

impl<P> ActiveLow<P> {
    /// The light at `pin`.
    pub const fn new(pin: P) -> Self {
        Self(pin)
    }
}

impl<P: ErrorType> ErrorType for ActiveLow<P> {
    type Error = P::Error;
}

impl<P: OutputPin> OutputPin for ActiveLow<P> {
    fn set_low(&mut self) -> Result<(), P::Error> {
        self.0.set_high()
    }

    fn set_high(&mut self) -> Result<(), P::Error> {
        self.0.set_low()
    }
}
