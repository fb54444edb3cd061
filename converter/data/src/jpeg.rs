//! JPEG files that end early, of which decoders make pictures that are grey below.

/// Markers of ISO/IEC 10918-1, table B.1: start of a scan, end of the image.
const SCAN: [u8; 2] = [0xff, 0xda];
const END: [u8; 2] = [0xff, 0xd9];

/// Whether a JPEG file has an end behind its last scan. Within the data of a scan, 0xff is followed
/// by 0 or a restart marker, so that the end cannot be mistaken; a preview in the metadata lies
/// before the first scan of the picture itself.
pub(super) fn is_whole(file: &[u8]) -> bool {
    let last = |marker: [u8; 2]| file.windows(2).rposition(|pair| pair == marker);
    last(END).is_some_and(|end| last(SCAN).is_none_or(|scan| scan < end))
}
