//! Stopping from another thread what a session runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ticket::Batch;

/// Cancels what a [`Session`](crate::Session) runs, from any thread. Clones cancel the same
/// session; a session that is gone has nothing to cancel.
#[derive(Clone, Debug, Default)]
pub struct Canceller(Arc<Mutex<Option<Arc<Batch>>>>);

impl Canceller {
    /// Stops what the session runs at this moment, at its next instruction; whoever waits for it
    /// gets [`RunError::Cancelled`](crate::RunError::Cancelled), unless all was done before. Runs
    /// that begin later are not concerned, nor submissions to [`Session::engine`], whose tickets
    /// cancel them.
    ///
    /// [`Session::engine`]: crate::Session::engine
    pub fn cancel(&self) {
        if let Some(batch) = self.lock().as_ref() {
            batch.cancel();
        }
    }

    /// `batch` is what the session runs, until what is returned is dropped.
    pub(crate) fn watch(&self, batch: &Arc<Batch>) -> Watched<'_> {
        *self.lock() = Some(Arc::clone(batch));
        Watched(self)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Batch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run that can be cancelled.
pub(crate) struct Watched<'c>(&'c Canceller);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
