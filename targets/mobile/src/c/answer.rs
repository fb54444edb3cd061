//! What the last run of a session gave.

use std::ffi::{CString, c_char};
use std::ptr;

use super::memory::{copy, put};
use super::session::{Opened, SESSIONS, shiftformer_session};
use super::status::{Failure, call, shiftformer_status};
use crate::answer::Answer;

/// A class among the best.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct shiftformer_ranked {
    /// Its index.
    pub class_index: u32,
    /// Its logit, in units of the output's scale.
    pub logit: i32,
    /// Its share of the softmax over all classes; its chance by itself where the model ends in a
    /// sigmoid.
    pub probability: f32,
    /// Its name, which a 0 ends, valid until the session is closed; null where the model has none.
    pub label: *const c_char,
}

/// How long a run took.
#[repr(C)]
pub struct shiftformer_timings {
    /// Nanoseconds to make the model's frame of a picture; 0 where the frame was given.
    pub prepare_nanoseconds: u64,
    /// Nanoseconds to run the model; of a batch, all of it.
    pub run_nanoseconds: u64,
}

/// Reads the answer to frame `frame` of the session's last run.
fn read(
    session: *const shiftformer_session,
    frame: usize,
    read: impl FnOnce(&Opened, &Answer) -> Result<(), Failure>,
) -> shiftformer_status {
    call(|| {
        let session = SESSIONS.get(session)?;
        let answers = session.answers();
        let answer = answers.get(frame).ok_or_else(|| {
            let reason = format!("the last run has no frame {frame}");
            Failure::new(shiftformer_status::Index, reason, "run the session first; frames count from 0")
        })?;
        read(&session, answer)
    })
}

/// An output's index as answers take it; one that is too large is of no output.
fn index(output: usize) -> u32 {
    u32::try_from(output).unwrap_or(u32::MAX)
}

/// Copies the values of output `output` of frame `frame` of the last run, in units of the output's
/// scale, to `buffer`, which has room for `capacity`; `*length` becomes how many there are. 0 is the
/// frame of every run but a batch. Threads that share a session also share its last run.
///
/// # Safety
///
/// `buffer` points to memory for `capacity` values, `length` to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_values(
    session: *const shiftformer_session,
    frame: usize,
    output: usize,
    buffer: *mut i32,
    capacity: usize,
    length: *mut usize,
) -> shiftformer_status {
    read(session, frame, |_, answer| {
        let (_, values) = answer.output(index(output))?;
        // SAFETY: as the caller vouches.
        unsafe { copy(values, buffer, capacity, length) }
    })
}

/// Copies what the model gives: real values with what it computes at its end, such as a softmax; as
/// `shiftformer_values`. There are fewer of them where the model ends in the best class.
///
/// # Safety
///
/// As `shiftformer_values`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_ended(
    session: *const shiftformer_session,
    frame: usize,
    output: usize,
    buffer: *mut f32,
    capacity: usize,
    length: *mut usize,
) -> shiftformer_status {
    read(session, frame, |_, answer| {
        let (info, values) = answer.output(index(output))?;
        // SAFETY: as the caller vouches.
        unsafe { copy(&info.ended(values), buffer, capacity, length) }
    })
}

/// Copies the best classes of frame `frame`, best first, at most `capacity`; `*length` becomes how
/// many were copied: 0 where the model is no classifier.
///
/// # Safety
///
/// `buffer` points to memory for `capacity` results, `length` to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_top(
    session: *const shiftformer_session,
    frame: usize,
    buffer: *mut shiftformer_ranked,
    capacity: usize,
    length: *mut usize,
) -> shiftformer_status {
    read(session, frame, |opened, answer| {
        let ranked = answer.top(index(capacity)).into_iter().map(|ranked| shiftformer_ranked {
            class_index: ranked.class_index,
            logit: ranked.logit,
            probability: ranked.probability,
            label: label(&opened.labels, ranked.class_index),
        });
        // SAFETY: as the caller vouches.
        unsafe { copy(&ranked.collect::<Vec<_>>(), buffer, capacity, length) }
    })
}

/// The name of class `class`, or null.
fn label(labels: &[CString], class: u32) -> *const c_char {
    let label = labels.get(class as usize).filter(|label| !label.is_empty());
    label.map_or(ptr::null(), |label| label.as_ptr())
}

/// Says how long frame `frame` of the last run took.
///
/// # Safety
///
/// `timings` points to a `shiftformer_timings`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_session_timings(
    session: *const shiftformer_session,
    frame: usize,
    timings: *mut shiftformer_timings,
) -> shiftformer_status {
    read(session, frame, |_, answer| {
        let found = answer.timings();
        let found = shiftformer_timings {
            prepare_nanoseconds: found.prepare_nanoseconds,
            run_nanoseconds: found.run_nanoseconds,
        };
        // SAFETY: as the caller vouches.
        unsafe { put(timings, found) }
    })
}
