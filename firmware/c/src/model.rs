//! An opened model, and the memory it lives in.

use mcu::Fastest;
use runtime::{Model, Session};

use crate::memory::result;
use crate::status::Status;

/// 64-bit words of an `sf_storage`.
pub const STORAGE_WORDS: usize = 32;

/// Memory for one model: declare one, static or on a stack that outlives its use. What it
/// holds is the library's.
#[repr(C)]
pub struct Storage {
    /// Not for the application.
    words: [u64; STORAGE_WORDS],
}

/// A model that has been opened, in the application's `sf_storage`.
pub struct Opened {
    pub(crate) model: Model<'static>,
    /// Refers to the model beside it.
    pub(crate) session: Session<'static, 'static>,
    pub(crate) kernels: Fastest,
}

const _: () = assert!(size_of::<Opened>() <= size_of::<Storage>());
const _: () = assert!(align_of::<Opened>() <= align_of::<Storage>());

impl Opened {
    /// The checked model.
    ///
    /// # Safety
    ///
    /// `this` is null, or comes from `sf_open` with its storage, container and arena unchanged
    /// by others since, and the model stays in use by nobody else while `'a` lasts.
    pub(crate) unsafe fn model<'a>(this: *const Self) -> Result<&'a Model<'static>, Status> {
        result(this.cast_mut())?;
        // SAFETY: from `sf_open`, which wrote the model; nothing writes it again.
        Ok(unsafe { &(*this).model })
    }

    /// What runs, and the kernels to run it with.
    ///
    /// # Safety
    ///
    /// As for [`model`](Self::model).
    pub(crate) unsafe fn session<'a>(
        this: *mut Self,
    ) -> Result<(&'a mut Session<'static, 'static>, &'a mut Fastest), Status> {
        result(this)?;
        // SAFETY: from `sf_open`, which wrote both; no reference to either is alive, since the
        // functions of this library return none, and only one of them runs at a time.
        Ok(unsafe { (&mut (*this).session, &mut (*this).kernels) })
    }
}
