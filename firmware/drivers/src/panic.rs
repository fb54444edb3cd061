//! What a panic does.
//!
//! The handler refers to a symbol that nobody defines, so that an image in which a panic
//! can be reached does not link. Some HALs can panic; with the feature `reset-on-panic` the
//! chip starts over instead.

use core::panic::PanicInfo;

#[cfg(not(feature = "reset-on-panic"))]
unsafe extern "C" {
    /// Not defined anywhere: a reference to it fails the link.
    safe fn shiftformer_panics() -> !;
}

#[cfg(not(feature = "reset-on-panic"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    shiftformer_panics()
}

/// Asks a Cortex-M core for a reset (Armv7-M Architecture Reference Manual, B3.2.6); other
/// cores wait for their watchdog.
#[cfg(feature = "reset-on-panic")]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[cfg(target_arch = "arm")]
    {
        // SAFETY: AIRCR is there on every Cortex-M, and nothing runs after the reset.
        let mut aircr = unsafe { crate::registers::Registers::at(0xe000_ed0c) };
        aircr.write(0, 0x05fa_0004);
    }
    loop {
        core::hint::spin_loop();
    }
}
