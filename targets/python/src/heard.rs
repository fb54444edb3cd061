//! A conversion that Python hears of, and can stop.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use conversion::Listener;
use float::Progress;
use pyo3::prelude::*;

/// Calls functions of Python for what is heard. The first exception, be it theirs or a signal's, ends
/// the conversion.
pub struct Heard {
    /// Called with the stage, the steps that are done, and how many there are.
    progress: Option<Py<PyAny>>,
    /// Called with each note.
    note: Py<PyAny>,
    stage: Mutex<Stage>,
    raised: Mutex<Option<PyErr>>,
}

#[derive(Clone, Default)]
struct Stage {
    name: String,
    done: usize,
    total: usize,
}

/// What a conversion that an exception has ended unwinds with.
struct Stopped;

impl Heard {
    /// Who is called.
    pub fn new(progress: Option<Py<PyAny>>, note: Py<PyAny>) -> Self {
        Self { progress, note, stage: Mutex::default(), raised: Mutex::default() }
    }

    /// What `work` gives, or the exception that ended it.
    pub fn hear<T>(&self, work: impl FnOnce(&Self) -> T) -> PyResult<T> {
        let result = catch_unwind(AssertUnwindSafe(|| work(self)));
        if let Some(error) = lock(&self.raised).take() {
            return Err(error);
        }
        result.map_or_else(|panic| resume_unwind(panic), Ok)
    }

    /// Calls into Python. The caller holds no lock, for Python may run other threads meanwhile.
    fn call(&self, call: impl FnOnce(Python<'_>) -> PyResult<()>) {
        if let Err(error) = Python::attach(|py| py.check_signals().and_then(|()| call(py))) {
            lock(&self.raised).get_or_insert(error);
            // The converter has no other way out. This is no panic: no hook is called.
            resume_unwind(Box::new(Stopped));
        }
    }

    fn tell(&self, stage: Stage) {
        self.call(|py| match &self.progress {
            Some(progress) => progress.call1(py, (stage.name, stage.done, stage.total)).map(drop),
            None => Ok(()),
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress for Heard {
    fn begin(&self, stage: &str, steps: usize) {
        let begun = Stage { name: stage.to_owned(), done: 0, total: steps };
        lock(&self.stage).clone_from(&begun);
        self.tell(begun);
    }

    fn step(&self) {
        let stage = {
            let mut stage = lock(&self.stage);
            stage.done += 1;
            stage.clone()
        };
        self.tell(stage);
    }
}

impl Listener for Heard {
    fn note(&self, words: &str) {
        self.call(|py| self.note.call1(py, (words,)).map(drop));
    }
}
