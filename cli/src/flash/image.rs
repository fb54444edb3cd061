//! Firmware and container, at their addresses.

use std::iter::once;

use serde::Serialize;
use thiserror::Error;

use super::boards::FlashBoard;
use crate::failure::Failure;
use crate::output::bytes;

/// Bytes at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where they lie.
    pub address: u32,
    /// What lies there.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// The address behind it.
    pub fn end(&self) -> u64 {
        u64::from(self.address) + self.bytes.len() as u64
    }
}

/// A part of flash, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Region {
    /// What it is for.
    pub name: &'static str,
    /// Where it begins.
    pub address: u32,
    /// Its size.
    pub bytes: u64,
    /// What is used of it.
    pub used: u64,
    /// What is left.
    pub free: u64,
}

/// What is written to a board.
#[derive(Clone, Debug)]
pub struct Image {
    firmware: Vec<Segment>,
    model: Segment,
    regions: [Region; 2],
}

/// Firmware and container do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// The firmware has no bytes.
    #[error("the firmware is empty")]
    Empty,
    /// Firmware for other memory.
    #[error("the firmware has {bytes} bytes at {address:#010x}, which is not in the board's flash")]
    Elsewhere {
        /// Where they lie.
        address: u32,
        /// How many.
        bytes: usize,
    },
    /// Two segments at the same place.
    #[error("two segments of the firmware overlap at {address:#010x}")]
    Overlap {
        /// Where the second begins.
        address: u32,
    },
    /// It reaches into the model.
    #[error("the firmware is {excess} bytes too large: {} are kept for it", bytes(*.kept))]
    FirmwareTooLarge {
        /// Bytes too many.
        excess: u64,
        /// Bytes that there are.
        kept: u64,
    },
    /// It reaches over the end of flash.
    #[error("the model is {excess} bytes too large: behind the firmware there are {room} bytes of flash")]
    ModelTooLarge {
        /// Bytes too many.
        excess: u64,
        /// Bytes that there are.
        room: u64,
    },
}

impl ImageError {
    fn hint(self) -> &'static str {
        match self {
            ImageError::Empty | ImageError::Elsewhere { .. } | ImageError::Overlap { .. } => {
                "give the ELF file of this board's firmware, or leave --firmware out to have it built"
            }
            ImageError::FirmwareTooLarge { .. } => "build it in release mode, or leave parts of it out",
            ImageError::ModelTooLarge { .. } => {
                "choose a board with more flash, which `shiftformer inspect` lists, or convert with --max-flash"
            }
        }
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        Failure::new(error.to_string()).help(error.hint())
    }
}

impl Image {
    /// `container` behind `firmware` in the flash of `board`.
    pub fn new(board: &FlashBoard, mut firmware: Vec<Segment>, container: &[u8]) -> Result<Self, ImageError> {
        firmware.retain(|segment| !segment.bytes.is_empty());
        firmware.sort_by_key(|segment| segment.address);
        let used = firmware_bytes(board, &firmware)?;
        let (description, place) = (board.description, board.description.model());
        let room = u64::from(place.bytes);
        let len = container.len() as u64;
        let Some(free) = room.checked_sub(len) else {
            return Err(ImageError::ModelTooLarge { excess: len - room, room });
        };
        let model = Segment { address: place.start, bytes: container.to_vec() };
        let (bytes, address) = (u64::from(description.program), description.flash.start);
        let regions = [
            Region { name: "firmware", address, bytes, used, free: bytes - used },
            Region { name: "model", address: model.address, bytes: room, used: len, free },
        ];
        Ok(Self { firmware, model, regions })
    }

    /// Everything, by address within the firmware and then the model.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.firmware.iter().chain(once(&self.model))
    }

    /// The firmware.
    pub fn firmware(&self) -> &[Segment] {
        &self.firmware
    }

    /// The container.
    pub fn model(&self) -> &Segment {
        &self.model
    }

    /// How flash is used.
    pub fn regions(&self) -> &[Region; 2] {
        &self.regions
    }
}

/// Bytes that `firmware`, sorted by address, takes of its part of flash.
fn firmware_bytes(board: &FlashBoard, firmware: &[Segment]) -> Result<u64, ImageError> {
    let description = board.description;
    let (mut total, mut extent) = (0u64, 0u64);
    for segment in firmware {
        let start = u64::from(segment.address);
        let mut windows = description.windows().map(u64::from);
        let flash = u64::from(description.flash.bytes);
        let window = windows.find(|window| (*window..window + flash).contains(&start));
        match window {
            Some(window) => extent = extent.max(segment.end() - window),
            None if description.loads_ram() => {}
            None => {
                let (address, bytes) = (segment.address, segment.bytes.len());
                return Err(ImageError::Elsewhere { address, bytes });
            }
        }
        total += segment.bytes.len() as u64;
    }
    let mut pairs = firmware.windows(2);
    if let Some(pair) = pairs.find(|pair| pair[0].end() > u64::from(pair[1].address)) {
        return Err(ImageError::Overlap { address: pair[1].address });
    }
    let kept = u64::from(description.program);
    match total.max(extent) {
        0 => Err(ImageError::Empty),
        used if used > kept => Err(ImageError::FirmwareTooLarge { excess: used - kept, kept }),
        used => Ok(used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(address: u32, bytes: usize) -> Segment {
        Segment { address, bytes: vec![7; bytes] }
    }

    fn image(board: &str, firmware: Vec<Segment>, model: usize) -> Result<Image, ImageError> {
        Image::new(FlashBoard::by_name(board).unwrap(), firmware, &vec![1; model])
    }

    #[test]
    fn both_parts_may_be_filled_to_the_last_byte() {
        const KEPT: usize = 128 << 10;
        let room = (1 << 20) - KEPT;
        let full = image("nrf52840-dk", vec![segment(0x100, KEPT - 0x100)], room).unwrap();
        let [firmware, model] = full.regions();
        assert_eq!((firmware.used, firmware.free), (KEPT as u64, 0));
        assert_eq!((model.address, model.used, model.free), (0x2_0000, room as u64, 0));
        assert_eq!(full.segments().last().unwrap(), full.model());

        let more = image("nrf52840-dk", vec![segment(0, 4)], room + 3).unwrap_err();
        assert_eq!(more, ImageError::ModelTooLarge { excess: 3, room: room as u64 });
        let more = image("nrf52840-dk", vec![segment(0, 4), segment(KEPT as u32 - 1, 6)], 8).unwrap_err();
        assert_eq!(more, ImageError::FirmwareTooLarge { excess: 5, kept: KEPT as u64 });
    }

    #[test]
    fn firmware_lies_in_flash_and_does_not_overlap() {
        assert_eq!(image("pico", vec![segment(0x1000_0000, 0)], 8).unwrap_err(), ImageError::Empty);
        let ram = image("pico", vec![segment(0x1000_0000, 8), segment(0x2000_0000, 4)], 8).unwrap_err();
        assert_eq!(ram, ImageError::Elsewhere { address: 0x2000_0000, bytes: 4 });
        let other = image("stm32f746g-disco", vec![segment(0, 8)], 8).unwrap_err();
        assert_eq!(other, ImageError::Elsewhere { address: 0, bytes: 8 });
        let twice = image("pico", vec![segment(0x1000_0008, 8), segment(0x1000_0000, 9)], 8).unwrap_err();
        assert_eq!(twice, ImageError::Overlap { address: 0x1000_0008 });
        let end = image("nrf52840-dk", vec![segment(u32::MAX - 3, 4)], 8).unwrap_err();
        assert_eq!(end, ImageError::Elsewhere { address: u32::MAX - 3, bytes: 4 });
    }

    #[test]
    fn a_boot_loader_may_fill_ram_but_both_buses_share_the_pages() {
        let mut firmware =
            vec![segment(0x3fc8_0000, 64), segment(0x3c00_0020, 32), segment(0x4201_0020, 100)];
        let used = image("esp32-c3", firmware.clone(), 8).unwrap().regions()[0].used;
        assert_eq!(used, 0x1_0020 + 100);
        firmware.push(segment(0x4202_ffff, 2));
        let more = image("esp32-c3", firmware, 8).unwrap_err();
        assert_eq!(more, ImageError::FirmwareTooLarge { excess: 1, kept: 192 << 10 });
    }
}
