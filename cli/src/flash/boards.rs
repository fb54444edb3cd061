//! Boards that can be written.

use boards::{Board, Loader, OWNED};
use shiftformer::device::preferred_packs;
use shiftformer::quant::pack::Packs;

/// A board that firmware and a model are written to.
#[derive(Clone, Copy, Debug)]
pub struct FlashBoard {
    /// Its description.
    pub description: &'static Board,
    /// What writes it.
    pub loader: Loader,
    /// Weight layouts that its kernels like.
    pub packs: Packs,
}

/// Every board that can be written: those that people own.
pub const FLASH_BOARDS: &[FlashBoard] = &{
    let mut boards = [FlashBoard::of(OWNED[0]); OWNED.len()];
    let mut index = 1;
    while index < boards.len() {
        boards[index] = FlashBoard::of(OWNED[index]);
        index += 1;
    }
    boards
};

impl FlashBoard {
    /// That of somebody among the descriptions; the others do not compile.
    const fn of(description: &'static Board) -> Self {
        let Some(loader) = description.loader() else { panic!("an emulated board is not written") };
        Self { description, loader, packs: preferred_packs(description.core.kernels()) }
    }

    /// The board called `name`.
    pub fn by_name(name: &str) -> Option<&'static FlashBoard> {
        FLASH_BOARDS.iter().find(|board| board.name() == name)
    }

    /// Its name on the command line.
    pub const fn name(&self) -> &'static str {
        self.description.name
    }

    /// What to give, for wrong options.
    pub const fn advice(&self) -> &'static str {
        match self.loader {
            Loader::Probe { .. } => "it is written through a debug probe, which --probe chooses",
            Loader::Drive { .. } => "it is written through --drive or --probe, not both",
            Loader::Espflash { .. } => "it is written over its serial port, which --port chooses",
        }
    }
}
