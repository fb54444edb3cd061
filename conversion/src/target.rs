//! What the weights of a container are laid out for.

use boards::Kernels;
use shiftformer::Cpu;
use shiftformer::device::preferred_packs;
use shiftformer::quant::pack::Packs;

use crate::choice::Choice;

/// What the weights are laid out for. Results do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Row by row.
    #[default]
    Generic,
    /// The portable CPU kernels.
    Portable,
    /// Cortex-M0 and RV32.
    Plain,
    /// Cortex-M4, M7 and M33.
    Dsp,
    /// Cortex-M55 and M85.
    Mve,
}

impl Target {
    /// All of them.
    pub const ALL: &'static [Choice<Self>] = &[
        Choice { name: "generic", about: "Row by row", value: Target::Generic },
        Choice { name: "portable", about: "The portable CPU kernels", value: Target::Portable },
        Choice { name: "plain", about: "Cortex-M0 and RV32", value: Target::Plain },
        Choice { name: "dsp", about: "Cortex-M4, M7 and M33", value: Target::Dsp },
        Choice { name: "mve", about: "Cortex-M55 and M85", value: Target::Mve },
    ];

    /// The layouts that its kernels like best.
    pub fn packs(self) -> Packs {
        match self {
            Target::Generic => Packs::CANONICAL,
            Target::Portable => Cpu::best().kernels().packs(),
            Target::Plain => preferred_packs(Kernels::Plain),
            Target::Dsp => preferred_packs(Kernels::Dsp),
            Target::Mve => preferred_packs(Kernels::Mve),
        }
    }
}
