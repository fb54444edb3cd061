//! Intel HEX, which every programmer reads.
//!
//! Written here because `ihex` 3.0.0 (of 2020) formats records and leaves it to the caller to cut
//! segments and to place the address records: it would replace 10 of 32 lines.

use super::image::Segment;

/// Bytes of a record.
const RECORD: usize = 32;

/// The file: an extended linear address wherever the upper half changes, data in between.
pub fn encode<'a>(segments: impl Iterator<Item = &'a Segment>) -> String {
    let mut out = String::new();
    let mut upper = 0u16;
    for segment in segments {
        let (mut address, mut rest) = (segment.address, segment.bytes.as_slice());
        while !rest.is_empty() {
            if (address >> 16) as u16 != upper {
                upper = (address >> 16) as u16;
                record(&mut out, 0, 4, &upper.to_be_bytes());
            }
            // A record's address must not wrap.
            let until_wrap = 0x1_0000 - (address & 0xffff) as usize;
            let (data, behind) = rest.split_at(rest.len().min(RECORD).min(until_wrap));
            record(&mut out, address as u16, 0, data);
            address = address.wrapping_add(data.len() as u32);
            rest = behind;
        }
    }
    record(&mut out, 0, 1, &[]);
    out
}

fn record(out: &mut String, address: u16, kind: u8, data: &[u8]) {
    let [high, low] = address.to_be_bytes();
    let head = [data.len() as u8, high, low, kind];
    let sum = head.iter().chain(data).fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    out.push(':');
    for byte in head.iter().chain(data).chain(&[sum.wrapping_neg()]) {
        out.push_str(&format!("{byte:02X}"));
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_those_of_the_specification() {
        let segments = [
            Segment { address: 0x0100, bytes: vec![0x21, 0x46, 0x01, 0x36, 0x01, 0x21] },
            Segment { address: 0x0800_fffe, bytes: vec![1, 2, 3] },
        ];
        let expected = "\
:0601000021460136012139
:020000040800F2
:02FFFE000102FE
:020000040801F1
:0100000003FC
:00000001FF
";
        assert_eq!(encode(segments.iter()), expected);
    }

    #[test]
    fn long_segments_are_cut() {
        let segment = Segment { address: 0, bytes: vec![0; 65] };
        let text = encode([&segment].into_iter());
        let starts: Vec<&str> = text.lines().map(|line| &line[..9]).collect();
        assert_eq!(starts, [":20000000", ":20002000", ":01004000", ":00000001"]);
    }
}
