//! The compiled part of the Python package `shiftformer`, over the facade and the library of
//! conversions. `python/shiftformer/_native.pyi` says what it holds.

mod array;
mod convert;
mod described;
mod error;
mod heard;
mod model;
mod options;
mod outputs;
mod pool;
mod session;

/// What `shiftformer/__init__.py` is made of.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use super::convert::{Conversion, convert};
    #[pymodule_export]
    use super::described::{Image, Output};
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::outputs::Outputs;
    #[pymodule_export]
    use super::session::Session;
}
