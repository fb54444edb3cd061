//! Progress on stderr, for work that takes longer than a second.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conversion::Listener;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(100);

/// A bar or spinner that appears after a second and goes away when dropped. Nothing is
/// drawn where stderr is not a terminal, or where the system starts no thread.
pub struct Progress {
    bar: ProgressBar,
    timer: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Work of `len` equal parts.
    pub fn bar(message: impl Into<String>, len: usize) -> Self {
        Self::new(message.into(), Some(len as u64), "{msg} {wide_bar} {pos}/{len} {eta}")
    }

    /// Work of `len` bytes.
    pub fn bytes(message: impl Into<String>, len: u64) -> Self {
        Self::new(message.into(), Some(len), "{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
    }

    /// Work of unknown length.
    pub fn spinner(message: impl Into<String>) -> Self {
        Self::new(message.into(), None, "{spinner} {msg} {elapsed}")
    }

    fn new(message: String, len: Option<u64>, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(len, ProgressDrawTarget::hidden()).with_message(message);
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let (stop, stopped) = channel();
        let shown = bar.clone();
        let show = move || {
            if stopped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(REDRAW);
            }
        };
        let thread = thread::Builder::new().spawn(show).ok();
        Self { bar, timer: thread.map(|thread| (stop, thread)) }
    }

    /// One part is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// `count` parts are done.
    pub fn advance(&self, count: u64) {
        self.bar.inc(count);
    }
}

/// A bar for each stage of a conversion, one after the other, and its notes between them.
#[derive(Default)]
pub struct Stages {
    current: Mutex<Option<Progress>>,
}

impl float::Progress for Stages {
    fn begin(&self, stage: &str, steps: usize) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = None;
        *current = Some(match steps {
            0 => Progress::spinner(stage),
            _ => Progress::bar(stage, steps),
        });
    }

    fn step(&self) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = current.as_ref() {
            bar.step();
        }
    }
}

impl Listener for Stages {
    fn note(&self, words: &str) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        eprintln!("note: {words}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.timer.take() {
            drop(stop);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}
