//! Sessions.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::handles::Table;
use super::memory::{copy_text, put, text, value};
use super::model::{MODELS, shiftformer_model};
use super::status::{self, Failure, call, chosen, shiftformer_status};
use crate::answer::Answer;
use crate::model::class_names;
use crate::options::{Engine, SessionOptions};
use crate::session::Session;

/// A session that was opened. Not a pointer to anything: only the functions of this header know it.
pub struct shiftformer_session {
    _opaque: (),
}

/// The sessions that are open.
pub(super) static SESSIONS: Table<Opened> = Table::new();

/// A session, and what its last run gave.
pub(super) struct Opened {
    pub(super) session: Session,
    /// Names of the classes, as C reads them; a class may have none.
    pub(super) labels: Vec<CString>,
    answers: Mutex<Vec<Answer>>,
}

impl Opened {
    /// The answers of the last run, one for each frame.
    pub(super) fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What runs a model. All of them give the same integers.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum shiftformer_engine {
    /// The processor, with its fastest kernels.
    Cpu = 0,
    /// The GPU, and the processor where there is none that runs the model.
    Gpu = 1,
    /// The scalar reference, which is the specification: slow.
    Reference = 2,
}

/// How a session runs its model. Zeros are the usual.
#[repr(C)]
pub struct shiftformer_options {
    /// A `shiftformer_engine`.
    pub engine: i32,
    /// Threads of the processor that frames of a batch are spread over; 0 is one for each core.
    pub threads: u32,
    /// A set of kernels by name; the fastest of this machine where this is null.
    pub kernels: *const c_char,
}

/// Opens a session of a model and writes its handle to `*session`, or null where that fails.
/// `options` may be null: those are zeros. The weights are laid out for the engine here, once.
/// `shiftformer_session_close` closes it; the model may be closed before.
///
/// # Safety
///
/// `options` is null or points to options with a text in them that a 0 ends; `session` points to a
/// pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_session_open(
    model: *const shiftformer_model,
    options: *const shiftformer_options,
    session: *mut *mut shiftformer_session,
) -> shiftformer_status {
    call(|| {
        // SAFETY: as the caller vouches.
        unsafe { put(session, ptr::null_mut())? };
        let model = MODELS.get(model)?;
        // SAFETY: as the caller vouches.
        let options = unsafe { read(options)? };
        let handle = SESSIONS.insert(Opened {
            session: Session::open(&model, &options)?,
            labels: class_names(&model).into_iter().map(status::text).collect(),
            answers: Mutex::default(),
        });
        // SAFETY: as the caller vouches.
        unsafe { put(session, handle) }
    })
}

/// The options that a caller asks for.
///
/// # Safety
///
/// As [`shiftformer_session_open`].
unsafe fn read(options: *const shiftformer_options) -> Result<SessionOptions, Failure> {
    if options.is_null() {
        return Ok(SessionOptions::default());
    }
    // SAFETY: as the caller vouches.
    let options = unsafe { value(options)? };
    let kernels = if options.kernels.is_null() {
        None
    } else {
        // SAFETY: as the caller vouches.
        Some(unsafe { text(options.kernels)? }.to_owned())
    };
    let engines = [
        (shiftformer_engine::Cpu as i32, Engine::Cpu),
        (shiftformer_engine::Gpu as i32, Engine::Gpu),
        (shiftformer_engine::Reference as i32, Engine::Reference),
    ];
    let engine = chosen("engine", options.engine, &engines)?;
    Ok(SessionOptions { engine: Some(engine), threads: options.threads, kernels })
}

/// Closes a session. A run of it on another thread goes on to its end.
#[unsafe(no_mangle)]
pub extern "C" fn shiftformer_session_close(session: *mut shiftformer_session) -> shiftformer_status {
    call(|| SESSIONS.close(session))
}

/// Stops what the session runs at this moment, from any thread: that call ends in
/// `SHIFTFORMER_STATUS_CANCELLED`. Later calls are not concerned.
#[unsafe(no_mangle)]
pub extern "C" fn shiftformer_session_cancel(session: *const shiftformer_session) -> shiftformer_status {
    call(|| {
        SESSIONS.get(session)?.session.cancel();
        Ok(())
    })
}

/// Copies the name of the engine that runs the model, as `shiftformer_model_name` does.
///
/// # Safety
///
/// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_session_backend(
    session: *const shiftformer_session,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> shiftformer_status {
    // SAFETY: as the caller vouches.
    call(|| unsafe { copy_text(&SESSIONS.get(session)?.session.backend(), buffer, capacity, length) })
}

/// Copies the name of the kernels in use, as `shiftformer_model_name` does.
///
/// # Safety
///
/// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_session_kernels(
    session: *const shiftformer_session,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> shiftformer_status {
    // SAFETY: as the caller vouches.
    call(|| unsafe { copy_text(&SESSIONS.get(session)?.session.kernels(), buffer, capacity, length) })
}

/// Copies why another engine runs the model than was asked for, as `shiftformer_model_name` does;
/// nothing but the 0 where none does.
///
/// # Safety
///
/// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_session_fallback(
    session: *const shiftformer_session,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> shiftformer_status {
    call(|| {
        let fallback = SESSIONS.get(session)?.session.fallback().unwrap_or_default();
        // SAFETY: as the caller vouches.
        unsafe { copy_text(&fallback, buffer, capacity, length) }
    })
}
