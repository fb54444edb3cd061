#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

mod board;
#[cfg(feature = "std")]
pub mod build;
#[cfg(feature = "std")]
pub mod firmware;
mod processor;
mod region;
mod way;

mod esp32_c3;
mod mps2_an386;
mod mps2_an500;
mod mps3_an547;
mod nrf52840_dk;
mod nucleo_h743zi;
mod pico;
mod pico2;
mod riscv_virt;
mod stm32f746g_disco;
mod virtual_m0;

pub use board::{Board, CodeBus, Fit};
pub use processor::{Architecture, Core, Kernels};
pub use region::Region;
pub use way::{Emulator, Loader, Way};

pub use esp32_c3::ESP32_C3;
pub use mps2_an386::MPS2_AN386;
pub use mps2_an500::MPS2_AN500;
pub use mps3_an547::MPS3_AN547;
pub use nrf52840_dk::NRF52840_DK;
pub use nucleo_h743zi::NUCLEO_H743ZI;
pub use pico::PICO;
pub use pico2::PICO2;
pub use riscv_virt::RISCV_VIRT;
pub use stm32f746g_disco::STM32F746G_DISCO;
pub use virtual_m0::VIRTUAL_M0;

/// Every board: those that people own, then those of an emulator.
pub const BOARDS: [&Board; 11] = [
    &STM32F746G_DISCO,
    &NUCLEO_H743ZI,
    &NRF52840_DK,
    &PICO,
    &PICO2,
    &ESP32_C3,
    &VIRTUAL_M0,
    &MPS2_AN386,
    &MPS2_AN500,
    &MPS3_AN547,
    &RISCV_VIRT,
];

/// The boards that people own.
pub const OWNED: &[&Board] = BOARDS.split_at(OWNED_COUNT).0;

/// The boards of an emulator.
pub const EMULATED: &[&Board] = BOARDS.split_at(OWNED_COUNT).1;

/// How many of [`BOARDS`] people own.
const OWNED_COUNT: usize = {
    let mut count = 0;
    while !BOARDS[count].is_emulated() {
        count += 1;
    }
    count
};

const _: () = {
    let mut index = 0;
    while index < BOARDS.len() {
        BOARDS[index].check();
        assert!(BOARDS[index].is_emulated() == (index >= OWNED_COUNT), "emulated boards come last");
        index += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_is_full_when_nothing_is_left() {
        let (flash, ram) = ((2 << 20) - (128 << 10), 248 << 10);
        let exact = PICO.fit(flash, ram);
        assert_eq!(exact, Fit { flash_left: 0, ram_left: 0 });
        assert!(exact.fits());
        assert!(!PICO.fit(flash + 1, ram).fits());
        assert_eq!(PICO.fit(flash, ram + 5).ram_left, -5);
        assert!(!PICO.fit(u64::MAX, u64::MAX).fits());
    }

    #[test]
    fn names_are_unique_and_found() {
        for (index, board) in BOARDS.iter().enumerate() {
            assert!(BOARDS[..index].iter().all(|other| other.name != board.name));
            assert_eq!(Board::by_name(board.name), Some(*board));
            assert_eq!(board.is_emulated(), board.title.starts_with("QEMU"), "{}", board.name);
            assert_eq!(board.emulator().is_none(), board.loader().is_some(), "{}", board.name);
        }
        assert!(Board::by_name("abacus").is_none());
        assert_eq!((OWNED.len(), EMULATED.len()), (6, 5));
    }

    #[test]
    fn models_lie_where_they_always_lay() {
        let address = |name| Board::by_name(name).unwrap().model().start;
        assert_eq!(address("stm32f746g-disco"), 0x0802_0000);
        assert_eq!(address("nucleo-h743zi"), 0x0802_0000);
        assert_eq!(address("nrf52840-dk"), 0x0002_0000);
        assert_eq!(address("pico"), 0x1002_0000);
        assert_eq!(address("pico2"), 0x1002_0000);
        assert_eq!(address("esp32-c3"), 0x3c03_0000);
        assert_eq!(address("virtual-m0"), 0x0010_0000);
        assert_eq!(address("mps2-an386"), 0x2100_0000);
        assert_eq!(address("mps2-an500"), 0x6000_0000);
        assert_eq!(address("mps3-an547"), 0x6000_0000);
        assert_eq!(address("riscv-virt"), 0x8800_0000);
    }

    #[test]
    fn a_region_contains_what_lies_in_it_whole() {
        let region = Region::new(0xffff_fff0, 16);
        assert!(region.contains(0xffff_fff0, 16) && region.contains(0x1_0000_0000, 0));
        assert!(!region.contains(0xffff_fff0, 17) && !region.contains(0xffff_ffef, 1));
        assert!(!region.contains(u64::MAX, 1) && !region.contains(0xffff_fff4, u64::MAX));
    }
}
