//! Running an opened model.

use runtime::Progress;

use crate::model::Opened;
use crate::status::Status;

/// Runs one bounded piece of the program, so that the application can do its own work in
/// between: feed a watchdog, read a sensor, give up. Returns `SF_STATUS_MORE` while there is
/// more, and `SF_STATUS_OK` once at the end, when the outputs are ready; the next call starts
/// over with the inputs as they are then. Inputs are to be filled anew for each run, since
/// their memory is reused.
///
/// # Safety
///
/// `model` comes from `sf_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_step(model: *mut Opened) -> Status {
    // SAFETY: as the caller vouches.
    match unsafe { Opened::session(model) } {
        Ok((session, kernels)) => match session.step(kernels) {
            Ok(Progress::Ran(_)) => Status::More,
            Ok(Progress::Done) => Status::Ok,
            Err(_) => Status::Fault,
        },
        Err(status) => status,
    }
}

/// Runs to the end: `sf_step` until it returns something else than `SF_STATUS_MORE`.
///
/// # Safety
///
/// `model` comes from `sf_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_run(model: *mut Opened) -> Status {
    loop {
        // SAFETY: as the caller vouches.
        match unsafe { sf_step(model) } {
            Status::More => {}
            end => return end,
        }
    }
}

/// Gives up a run: the next step is the first of a new one. After `SF_STATUS_FAULT` this is
/// of use only once the container's bytes are what they were.
///
/// # Safety
///
/// `model` comes from `sf_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_restart(model: *mut Opened) -> Status {
    // SAFETY: as the caller vouches.
    unsafe { Opened::session(model) }.map(|(session, _)| session.restart()).into()
}
