//! Failures as Python exceptions with the words of the command line.

use conversion::Failure;
use pyo3::prelude::*;

/// The exceptions of `shiftformer/_errors.py`.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A run failed, or a backend cannot be had.
    Run,
    /// A container cannot be used.
    Open,
    /// A model cannot be converted.
    Convert,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Run => "ShiftformerError",
            Kind::Open => "OpenError",
            Kind::Convert => "ConvertError",
        }
    }

    /// The exception that says what `failure` does.
    pub fn raise(self, py: Python<'_>, failure: impl Into<Failure>) -> PyErr {
        let failure = failure.into();
        let words = (failure.to_string(), failure.advice());
        let made =
            py.import("shiftformer._errors").and_then(|errors| errors.getattr(self.name())?.call1(words));
        made.map_or_else(|error| error, PyErr::from_value)
    }
}
