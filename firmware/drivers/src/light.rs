//! A light that is one bit of a register.

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
