//! Whether work is shared, and into how many parts.

use core::cell::Cell;
use std::thread_local;

/// The smallest part that a thread is given.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Values that it takes as long as.
    pub values: usize,
    /// Its rows, where all weights or all keys are read for it, however many rows it has.
    pub rows: usize,
}

impl Part {
    /// What takes some microseconds: less does not pay.
    pub const LEAST: Self = Self { values: 1 << 14, rows: 12 };
    /// One value: for tests.
    pub const TINY: Self = Self { values: 1, rows: 1 };
}

/// Rows of a result, and what they take.
pub(super) struct Work {
    pub(super) rows: usize,
    /// Values that a row takes as long as.
    pub(super) cost: usize,
    /// Whether all weights or all keys are read for a part, however many rows it has.
    pub(super) tiled: bool,
}

thread_local! {
    /// The smallest part; `None` where work is not shared.
    static LEAST: Cell<Option<Part>> = const { Cell::new(None) };
}

/// Calls `run` on this thread, whose kernels share their work with the threads of the rayon pool that
/// this is called in, in parts of at least `least`. Elsewhere, in a rayon pool or not, each call of a
/// kernel runs on the thread that makes it.
pub fn shared<R>(least: Part, run: impl FnOnce() -> R) -> R {
    /// Puts back what was before, also where `run` panics.
    struct Before(Option<Part>);

    impl Drop for Before {
        fn drop(&mut self) {
            LEAST.set(self.0);
        }
    }

    let _before = Before(LEAST.replace(Some(least)));
    run()
}

/// How many parts `work` is run in.
pub(super) fn parts(work: &Work) -> usize {
    let Some(least) = LEAST.get() else { return 1 };
    let most = match rayon::current_num_threads() {
        threads @ ..=2 => threads,
        // Threads that are late, or slower than others, take fewer.
        threads => 2 * threads,
    };
    let values = work.rows.saturating_mul(work.cost);
    let rows = if work.tiled { least.rows } else { 1 };
    let worth = |all: usize, least: usize| all.checked_div(least).unwrap_or(all);
    worth(values, least.values).min(worth(work.rows, rows)).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    fn plain(values: usize) -> usize {
        parts(&Work { rows: values, cost: 1, tiled: false })
    }

    #[test]
    fn work_is_shared_inside_only() {
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let least = Part { values: 10, rows: 4 };
        pool(3).install(|| {
            assert_eq!(plain(usize::MAX), 1);
            assert_eq!(shared(least, || [9, 10, 35, 1000].map(plain)), [1, 1, 3, 6]);
            assert_eq!(shared(least, || shared(Part::TINY, || plain(4)) + plain(4)), 5);
            assert!(catch_unwind(|| shared(Part::TINY, || panic!("on purpose"))).is_err());
            assert_eq!(plain(usize::MAX), 1);
        });
        let tiled = |rows| parts(&Work { rows, cost: 1000, tiled: true });
        assert_eq!(pool(3).install(|| shared(least, || [3, 8, 15, 100].map(tiled))), [1, 2, 3, 6]);
        assert_eq!([1, 2].map(|threads| pool(threads).install(|| shared(least, || plain(1000)))), [1, 2]);
    }
}
