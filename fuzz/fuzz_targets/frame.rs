#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime::image::{Filter, Fit, Frame};
use runtime::{ChannelOrder, FloatBits, Image};

/// Larger frames cost time and find nothing else.
const AREA: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, pixels)) = bytes.split_first_chunk::<15>() else { return };
    let side = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let flag = |bit: u32| head[12] >> bit & 1 == 1;
    let filter = if flag(1) { Filter::Bicubic } else { Filter::Bilinear };
    let fit = match (flag(2), flag(3)) {
        (false, false) => Fit::Stretch,
        (false, true) => Fit::CenterCrop { short_side: side(8) },
        (true, false) => Fit::AntialiasedCrop { short_side: side(8), filter },
        (true, true) => Fit::Antialiased { height: side(8), width: side(13), filter },
    };
    let order = if flag(0) { ChannelOrder::Bgr } else { ChannelOrder::Other };
    let bits = [FloatBits::default(); 4];
    let image =
        Image { height: side(4), width: side(6), channels: head[11], order, fit, mean: bits, std: bits };
    let (height, width, channels) = (side(0), side(2), head[10]);
    let area = usize::from(image.height) * usize::from(image.width);
    let len = usize::from(height) * usize::from(width) * usize::from(channels);
    if area > AREA || len > AREA {
        return;
    }
    // As many pixels as the size asks for, or one too few.
    let len = len.saturating_sub(usize::from(flag(7)));
    let pixels: Vec<u8> =
        pixels.iter().copied().cycle().take(if pixels.is_empty() { 0 } else { len }).collect();
    let Ok(source) = Frame::new(&pixels, height, width, channels) else { return };
    if image.fit.check(image.height, image.width).is_err() {
        return;
    }
    let needed = image.scratch_len(height, width, channels);
    let (mut frame, mut scratch) = (vec![0; image.len()], vec![0; needed.saturating_sub(flag(6).into())]);
    let filled = image.fill(source, &mut frame, &mut scratch);
    assert!(filled.is_ok() || scratch.len() < needed || channels != image.channels);
});
