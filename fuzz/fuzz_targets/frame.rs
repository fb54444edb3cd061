#![no_main]

use data::{FrameSpec, Image};
use libfuzzer_sys::fuzz_target;
use runtime::image::Fit;

/// Larger frames cost time and find nothing else.
const AREA: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, pixels)) = bytes.split_first_chunk::<13>() else { return };
    let side = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let fit = if head[12] & 1 == 0 { Fit::Stretch } else { Fit::CenterCrop { short_side: side(8) } };
    let spec = FrameSpec { height: side(4), width: side(6), channels: head[11], fit };
    let (height, width, channels) = (side(0), side(2), head[10]);
    let area = usize::from(spec.height) * usize::from(spec.width);
    let len = usize::from(height) * usize::from(width) * usize::from(channels);
    if area > AREA || len > AREA {
        return;
    }
    // As many pixels as the size asks for, or one too few.
    let len = len.saturating_sub(usize::from(head[12] >> 7));
    let pixels = pixels.iter().copied().cycle().take(if pixels.is_empty() { 0 } else { len }).collect();
    let image = Image { pixels, height, width, channels };
    if let Ok(frame) = image.to_frame(&spec) {
        assert_eq!(frame.len(), area * usize::from(spec.channels));
    }
});
