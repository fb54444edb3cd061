//! The log of boards without a debug probe: defmt's frames wait in memory until the
//! application takes them to the serial line.

/// The log that this program writes; none without the feature `serial-log`.
#[derive(Debug)]
pub struct SerialLog;

#[cfg(not(feature = "serial-log"))]
impl app::Log for SerialLog {
    fn take(&mut self, _: &mut [u8]) -> Option<(u32, usize)> {
        None
    }
}

#[cfg(feature = "serial-log")]
mod logger {
    use core::cell::UnsafeCell;
    use core::sync::atomic::{AtomicU32, Ordering, compiler_fence};

    use app::{Log, Ring};

    use super::SerialLog;

    /// Bytes of frames that wait.
    const BYTES: usize = 1024;

    static SHARED: Shared = Shared {
        depth: AtomicU32::new(0),
        collisions: AtomicU32::new(0),
        state: UnsafeCell::new(State { encoder: defmt::Encoder::new(), ring: Ring::new(), collisions: 0 }),
    };

    struct State {
        encoder: defmt::Encoder,
        ring: Ring<BYTES>,
        /// Those that the ring knows of.
        collisions: u32,
    }

    /// The state belongs to who comes first; an interrupt that logs meanwhile loses its frame.
    struct Shared {
        /// How many are at it: the owner, and interrupts within interrupts above it.
        depth: AtomicU32,
        /// Frames lost to an owner.
        collisions: AtomicU32,
        state: UnsafeCell<State>,
    }

    // SAFETY: these boards run one core, on which contexts nest: what interrupts `enter` or
    // `leave` has left before they go on, with `depth` as they saw it. So exactly one context,
    // the lowest, ever sees a depth of 1 between the two, and only that one reaches the state.
    unsafe impl Sync for Shared {}

    impl Shared {
        /// Pairs with [`leave`](Self::leave).
        fn enter(&self) {
            // Load and store need not be one, see above: Armv6-M could not.
            let depth = self.depth.load(Ordering::Relaxed);
            self.depth.store(depth.wrapping_add(1), Ordering::Relaxed);
            if depth > 0 {
                let collisions = self.collisions.load(Ordering::Relaxed).wrapping_add(1);
                self.collisions.store(collisions, Ordering::Relaxed);
            }
            compiler_fence(Ordering::SeqCst);
        }

        /// Does `work` on the state, for the owner; nothing for others.
        fn with<T>(&self, work: impl FnOnce(&mut State) -> Option<T>) -> Option<T> {
            if self.depth.load(Ordering::Relaxed) != 1 {
                return None;
            }
            // SAFETY: the caller is the owner, and is done with it when this returns: `work`
            // does not log.
            work(unsafe { &mut *self.state.get() })
        }

        fn leave(&self) {
            compiler_fence(Ordering::SeqCst);
            let depth = self.depth.load(Ordering::Relaxed);
            self.depth.store(depth.wrapping_sub(1), Ordering::Relaxed);
        }
    }

    #[defmt::global_logger]
    struct Logger;

    // SAFETY: whoever is not the owner of the state between `acquire` and `release` changes
    // nothing.
    unsafe impl defmt::Logger for Logger {
        fn acquire() {
            SHARED.enter();
            SHARED.with(|State { encoder, ring, collisions }| {
                let now = SHARED.collisions.load(Ordering::Relaxed);
                ring.lose(now.wrapping_sub(*collisions));
                *collisions = now;
                ring.begin();
                encoder.start_frame(|bytes| ring.write(bytes));
                Some(())
            });
        }

        unsafe fn flush() {}

        unsafe fn write(bytes: &[u8]) {
            SHARED.with(|State { encoder, ring, .. }| {
                encoder.write(bytes, |bytes| ring.write(bytes));
                Some(())
            });
        }

        unsafe fn release() {
            SHARED.with(|State { encoder, ring, .. }| {
                encoder.end_frame(|bytes| ring.write(bytes));
                ring.end();
                Some(())
            });
            SHARED.leave();
        }
    }

    impl Log for SerialLog {
        fn take(&mut self, out: &mut [u8]) -> Option<(u32, usize)> {
            SHARED.enter();
            let taken = SHARED.with(|state| state.ring.take(out));
            SHARED.leave();
            taken
        }
    }
}
