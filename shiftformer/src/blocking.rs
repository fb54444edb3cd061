//! Waiting where a thread may block.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A waker that ends [`thread::park`] of the current thread.
pub(crate) fn waker() -> Waker {
    Arc::new(Unpark(thread::current())).into()
}

/// Polls `future` on this thread until it is done.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let (waker, mut future) = (waker(), pin!(future));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
