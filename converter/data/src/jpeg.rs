//! JPEG files that end early, of which decoders make pictures that are grey below.

use std::fs::File;
use std::io::{BufReader, Read, Result};
use std::path::Path;

/// Markers of ISO/IEC 10918-1, table B.1, behind 0xff: start of a scan, end of the image.
const SCAN: u8 = 0xda;
const END: u8 = 0xd9;

/// Whether the JPEG file at `path` has an end behind its last scan. Within the data of a scan, 0xff
/// is followed by 0 or a restart marker, so that the end cannot be mistaken; a preview in the
/// metadata lies before the first scan of the picture itself.
pub(super) fn is_whole(path: &Path) -> Result<bool> {
    let (mut before, mut whole) = (0, false);
    for byte in BufReader::new(File::open(path)?).bytes() {
        let byte = byte?;
        if before == 0xff {
            match byte {
                SCAN => whole = false,
                END => whole = true,
                _ => {}
            }
        }
        before = byte;
    }
    Ok(whole)
}
