//! Runs.

use shiftformer::Picture;

use super::camera::{frame, shiftformer_camera_frame};
use super::memory::{value, values};
use super::session::{Opened, SESSIONS, shiftformer_session};
use super::status::{Failure, call, shiftformer_status};
use crate::answer::Answer;
use crate::error::ShiftformerError;

/// Runs a session and keeps the answers; where that fails, those of the run before stay.
fn run(
    session: *const shiftformer_session,
    run: impl FnOnce(&Opened) -> Result<Vec<Answer>, Failure>,
) -> shiftformer_status {
    call(|| {
        let session = SESSIONS.get(session)?;
        let answers = run(&session)?;
        *session.answers() = answers;
        Ok(())
    })
}

/// Runs a frame: the bytes of all inputs one after another, of an image its pixels as the model
/// takes them. `shiftformer_values` and the functions behind it read the answer.
///
/// # Safety
///
/// `frame` points to `frame_len` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_session_run(
    session: *const shiftformer_session,
    frame: *const u8,
    frame_len: usize,
) -> shiftformer_status {
    run(session, |opened| {
        // SAFETY: as the caller vouches.
        let frame = unsafe { values(frame, frame_len)? };
        Ok(vec![opened.session.frame(frame)?])
    })
}

/// Runs a picture of any size: `height` rows of `width` pixels of `channels` bytes, of which one is
/// grey, two are grey and alpha, three RGB, four RGBA. It is resized and cropped by the model's rule,
/// in integers.
///
/// # Safety
///
/// `pixels` points to `pixels_len` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_session_run_picture(
    session: *const shiftformer_session,
    pixels: *const u8,
    pixels_len: usize,
    height: u16,
    width: u16,
    channels: u8,
) -> shiftformer_status {
    run(session, |opened| {
        // SAFETY: as the caller vouches.
        let pixels = unsafe { values(pixels, pixels_len)? };
        let picture = Picture { pixels, height, width, channels };
        Ok(vec![opened.session.prepared(|fitter| fitter.picture(&picture))?])
    })
}

/// Runs what a camera delivers: turned upright, brought to the model's colours, resized and cropped
/// by its rule, all in integers.
///
/// # Safety
///
/// `camera` points to a frame whose planes point to as many readable bytes as they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_session_run_camera(
    session: *const shiftformer_session,
    camera: *const shiftformer_camera_frame,
) -> shiftformer_status {
    run(session, |opened| {
        // SAFETY: as the caller vouches.
        let camera = unsafe { frame(value(camera)?)? };
        Ok(vec![opened.session.prepared(|fitter| fitter.camera(&camera))?])
    })
}

/// Runs `count` frames that lie one after another, `frames_len` bytes in all, spread over the
/// engine's threads.
///
/// # Safety
///
/// `frames` points to `frames_len` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_session_run_batch(
    session: *const shiftformer_session,
    frames: *const u8,
    frames_len: usize,
    count: usize,
) -> shiftformer_status {
    run(session, |opened| {
        // SAFETY: as the caller vouches.
        let frames = unsafe { values(frames, frames_len)? };
        let each = opened.session.model.frame_len();
        if count.checked_mul(each) != Some(frames_len) {
            let reason = format!("{count} frames of {each} bytes are not {frames_len}");
            return Err(Failure::new(shiftformer_status::Length, reason, "pass the bytes of all frames"));
        }
        let frames: Vec<&[u8]> = frames.chunks_exact(each.max(1)).collect();
        opened.session.batch(&frames).map_err(ShiftformerError::into)
    })
}
