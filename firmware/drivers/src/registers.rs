//! A block of 32-bit registers.

/// Registers from a base address on.
#[derive(Debug)]
pub struct Registers(*mut u32);

impl Registers {
    /// The block at `base`.
    ///
    /// # Safety
    ///
    /// At `base` are the registers that the driver expects, and nobody else uses them.
    pub const unsafe fn at(base: usize) -> Self {
        Self(base as *mut u32)
    }

    /// Reads the register at byte `offset`.
    pub(crate) fn read(&self, offset: usize) -> u32 {
        // SAFETY: the constructor's caller vouches for the block, the driver for the offset.
        unsafe { self.0.byte_add(offset).read_volatile() }
    }

    /// Writes the register at byte `offset`.
    pub(crate) fn write(&mut self, offset: usize, value: u32) {
        // SAFETY: as in `read`.
        unsafe { self.0.byte_add(offset).write_volatile(value) }
    }

    /// Reads the byte at `offset`.
    pub(crate) fn read_byte(&self, offset: usize) -> u8 {
        // SAFETY: as in `read`.
        unsafe { self.0.cast::<u8>().add(offset).read_volatile() }
    }

    /// Writes the byte at `offset`.
    pub(crate) fn write_byte(&mut self, offset: usize, value: u8) {
        // SAFETY: as in `read`.
        unsafe { self.0.cast::<u8>().add(offset).write_volatile(value) }
    }
}

/// Implements the traits of `embedded-io` for a UART with `ready`, `receive` and `send`.
macro_rules! embedded_io {
    ($uart:ty) => {
        impl embedded_io::ErrorType for $uart {
            type Error = core::convert::Infallible;
        }

        impl embedded_io::ReadReady for $uart {
            fn read_ready(&mut self) -> Result<bool, Self::Error> {
                Ok(self.ready())
            }
        }

        impl embedded_io::Read for $uart {
            /// One byte at a time; waits for it.
            fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
                let Some(place) = out.first_mut() else { return Ok(0) };
                while !self.ready() {}
                *place = self.receive();
                Ok(1)
            }
        }

        impl embedded_io::Write for $uart {
            fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
                bytes.iter().for_each(|&byte| self.send(byte));
                Ok(bytes.len())
            }

            fn flush(&mut self) -> Result<(), Self::Error> {
                Ok(())
            }
        }
    };
}

pub(crate) use embedded_io;
