//! CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), four bits at a time.

/// CRC-32 of `bytes`.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut checksum = Checksum::new();
    checksum.update(bytes);
    checksum.finish()
}

/// [`crc32`] of bytes that come in parts.
#[derive(Clone, Copy, Debug)]
pub struct Checksum(u32);

impl Checksum {
    /// Of no bytes.
    pub const fn new() -> Self {
        Self(!0)
    }

    /// Adds the next bytes.
    #[inline(never)]
    pub fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = nibble(nibble(self.0 ^ u32::from(byte)));
        }
    }

    /// Of all bytes.
    pub const fn finish(self) -> u32 {
        !self.0
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

fn nibble(crc: u32) -> u32 {
    const TABLE: [u32; 16] = table();
    (crc >> 4) ^ TABLE[(crc & 15) as usize]
}

const fn table() -> [u32; 16] {
    let mut table = [0u32; 16];
    let mut i = 0;
    while i < 16 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crc::{CRC_32_ISO_HDLC, Crc};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn check_value_of_the_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    proptest! {
        #[test]
        fn equals_the_crc_crate_in_any_parts(parts: Vec<Vec<u8>>) {
            let mut checksum = Checksum::new();
            parts.iter().for_each(|part| checksum.update(part));
            let truth = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&parts.concat());
            prop_assert_eq!(checksum.finish(), truth);
            prop_assert_eq!(crc32(&parts.concat()), truth);
        }
    }
}
