//! The log, for a person who brings a board up: [defmt](https://defmt.ferrous-systems.com)'s
//! with the feature `defmt`, otherwise nothing.

use embedded_io::{ReadReady, Write};
use link::Device;

#[cfg(feature = "defmt")]
pub(crate) use defmt::{error, info, warn};

/// Takes what defmt's macros take, and does nothing with it.
#[cfg(not(feature = "defmt"))]
macro_rules! nothing {
    ($format:literal $(, $argument:expr)* $(,)?) => {{
        $(let _ = &$argument;)*
    }};
}
#[cfg(not(feature = "defmt"))]
pub(crate) use {nothing as error, nothing as info, nothing as warn};

/// Whether there is a log.
pub(crate) const ENABLED: bool = cfg!(feature = "defmt");
/// Bytes of the longest frame that goes over the serial line.
const LONGEST: usize = 256;

/// Where frames of the log wait for the serial line, on boards without another way for them.
pub trait Log {
    /// Fills the front of `out` with the next frame: its number, and its length.
    fn take(&mut self, out: &mut [u8]) -> Option<(u32, usize)>;
}

/// For boards whose log goes another way, or that have none.
#[derive(Clone, Copy, Debug)]
pub struct NoLog;

impl Log for NoLog {
    fn take(&mut self, _: &mut [u8]) -> Option<(u32, usize)> {
        None
    }
}

/// Sends the next frame of `log`, unless the host is sending: a request goes first, since a
/// short queue might lose bytes of it meanwhile.
pub(crate) fn carry<G: Log, P: ReadReady + Write>(
    log: &mut G,
    device: &mut Device,
    port: &mut P,
) -> Result<(), P::Error> {
    if !ENABLED || port.read_ready()? {
        return Ok(());
    }
    let mut frame = [0; LONGEST];
    let Some((number, len)) = log.take(&mut frame) else { return Ok(()) };
    device.log(port, link::Log { number, frame: frame.get(..len).unwrap_or(&[]) })
}

#[cfg(feature = "defmt")]
mod time {
    use core::sync::atomic::{AtomicU32, Ordering};

    /// Since the start of the clock.
    static MILLISECONDS: AtomicU32 = AtomicU32::new(0);

    defmt::timestamp!("{=u32:ms}", MILLISECONDS.load(Ordering::Relaxed));

    /// What the lines that follow have as their time.
    pub(crate) fn set_time<C: crate::board::Clock>(clock: &mut C) {
        let milliseconds = clock.ticks().saturating_mul(1000).checked_div(C::HZ.into());
        MILLISECONDS.store(milliseconds.unwrap_or(0) as u32, Ordering::Relaxed);
    }
}

#[cfg(feature = "defmt")]
pub(crate) use time::set_time;

/// Without a log nobody asks for the time.
#[cfg(not(feature = "defmt"))]
pub(crate) fn set_time<C: crate::board::Clock>(_: &mut C) {}
