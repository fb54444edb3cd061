//! The class on lights.

use embedded_hal::digital::OutputPin;

/// Shows `class` in binary, lowest bit first; bits without a light are lost.
pub(crate) fn show<L: OutputPin>(lights: &mut [L], class: usize) {
    let mut bits = class;
    for light in lights {
        // A light that fails changes nothing else.
        let _ = if bits & 1 == 1 { light.set_high() } else { light.set_low() };
        bits >>= 1;
    }
}
