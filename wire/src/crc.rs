//! CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), four bits at a time.

/// CRC-32 of `bytes`. A caller with a faster one (a peripheral, a wide table) gives it
/// to [`Model::with_crc`](crate::Model::with_crc).
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        crc = nibble(nibble(crc));
    }
    !crc
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
    use super::crc32;

    #[test]
    fn check_value_of_the_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
