//! Handles: numbers that look like pointers. Nobody follows them: they are looked up in a table, so
//! that one which was closed, or never was one, is an error and not a crash. What is behind a handle
//! lives until it is closed and the last call on it has returned.

use std::collections::BTreeMap;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::status::{Failure, shiftformer_status};

/// The next handle of any table: one is not used twice, so that a model's is never a session's.
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// What is open.
pub(super) struct Table<T>(RwLock<BTreeMap<usize, Arc<T>>>);

impl<T> Table<T> {
    pub(super) const fn new() -> Self {
        Self(RwLock::new(BTreeMap::new()))
    }

    /// The handle of `value`, as a pointer to a type that has no values.
    pub(super) fn insert<H>(&self, value: T) -> *mut H {
        let handle = NEXT.fetch_add(1, Ordering::Relaxed);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(handle, Arc::new(value));
        ptr::without_provenance_mut(handle)
    }

    /// What is behind `handle`.
    pub(super) fn get<H>(&self, handle: *const H) -> Result<Arc<T>, Failure> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        open.get(&handle.addr()).cloned().ok_or_else(|| unknown(handle))
    }

    /// Forgets `handle`.
    pub(super) fn close<H>(&self, handle: *const H) -> Result<(), Failure> {
        let closed = self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&handle.addr());
        // Dropped here, where the table is not locked any more.
        closed.map(drop).ok_or_else(|| unknown(handle))
    }
}

fn unknown<H>(handle: *const H) -> Failure {
    if handle.is_null() {
        Failure::new(shiftformer_status::Null, "a handle is null", "pass one that was opened")
    } else {
        Failure::new(
            shiftformer_status::Handle,
            "a handle is not open",
            "it was closed, or is of something else: pass one that is open",
        )
    }
}
