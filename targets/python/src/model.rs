//! Containers, for Python.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use conversion::{identity, write_file};
use numpy::PyArrayDyn;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::described::{Image, Output};
use crate::error::Kind;
use crate::outputs::{Key, Outputs};
use crate::pool::{Engine, Pool};
use crate::session::Session;

/// A checked container.
#[pyclass(frozen, module = "shiftformer")]
pub struct Model {
    model: shiftformer::Model,
    /// Those of `run`, made when they are first needed.
    own: Mutex<Option<Arc<Pool>>>,
}

impl Model {
    /// For Python.
    pub fn new(model: shiftformer::Model) -> Self {
        Self { model, own: Mutex::new(None) }
    }

    /// The session of its own.
    fn own(&self, py: Python<'_>) -> PyResult<Session> {
        let made = py.detach(|| {
            let own = || self.own.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(pool) = &*own() {
                return Ok(Arc::clone(pool));
            }
            let pool = Arc::new(Pool::new(&self.model, &Engine::default())?);
            Ok(Arc::clone(own().get_or_insert(pool)))
        });
        made.map(Session::new).map_err(|error: conversion::Failure| Kind::Run.raise(py, error))
    }
}

#[pymethods]
impl Model {
    /// The container in `data`; `name` is for messages.
    #[new]
    #[pyo3(signature = (data, name = "model"))]
    fn from_data(py: Python<'_>, data: PyBackedBytes, name: &str) -> PyResult<Self> {
        let opened = py.detach(|| shiftformer::Model::from_bytes(name, &data));
        opened.map(Self::new).map_err(|error| Kind::Open.raise(py, error))
    }

    /// The container in `data`; `name` is for messages.
    #[staticmethod]
    #[pyo3(signature = (data, name = "model"))]
    fn from_bytes(py: Python<'_>, data: PyBackedBytes, name: &str) -> PyResult<Self> {
        Self::from_data(py, data, name)
    }

    /// Reads the file at `path` and checks it whole.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let opened = py.detach(|| shiftformer::Model::open(path));
        opened.map(Self::new).map_err(|error| Kind::Open.raise(py, error))
    }

    /// Writes the container, whole or not at all.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let written = py.detach(|| write_file(&path, self.model.bytes()));
        written.map_err(|error| Kind::Run.raise(py, error))
    }

    /// The container.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.model.bytes())
    }

    /// The path, or the name given with the bytes.
    #[getter]
    fn name(&self) -> &str {
        self.model.name()
    }

    /// SHA-256 of the canonical content, in hexadecimal.
    #[getter]
    fn identity(&self) -> String {
        identity(&self.model)
    }

    /// The image that the model takes; `None` where it takes other things, or several.
    #[getter]
    fn image(&self) -> Option<Image> {
        self.model.image().map(|image| Image::new(&image))
    }

    /// What the model gives, in order.
    #[getter]
    fn outputs(&self) -> Vec<Output> {
        self.model.outputs().iter().map(Output::new).collect()
    }

    /// The names of the classes; empty where the container has none.
    #[getter]
    fn labels(&self) -> Vec<&str> {
        let classes = self.model.outputs().iter().map(shiftformer::OutputInfo::channels).max();
        self.model.labels(classes.unwrap_or(0))
    }

    /// Bytes of all inputs of a frame.
    #[getter]
    fn frame_len(&self) -> usize {
        self.model.frame_len()
    }

    /// Bytes of working memory that a device needs.
    #[getter]
    fn arena_bytes(&self) -> u64 {
        self.model.container().arena_len() as u64
    }

    /// Bytes of the container.
    #[getter]
    fn flash_bytes(&self) -> u64 {
        self.model.bytes().len() as u64
    }

    /// A session on an engine.
    #[pyo3(signature = (backend = "cpu", *, threads = None, kernels = None, gpu = None))]
    fn session(
        &self,
        py: Python<'_>,
        backend: &str,
        threads: Option<NonZeroUsize>,
        kernels: Option<String>,
        gpu: Option<String>,
    ) -> PyResult<Session> {
        let engine = Engine { backend: Some(backend.to_owned()), threads, kernels, gpu };
        let pool = py.detach(|| Pool::new(&self.model, &engine));
        pool.map(|pool| Session::new(Arc::new(pool))).map_err(|error| Kind::Run.raise(py, error))
    }

    /// As `run` of a session, on this machine's processor.
    fn run(&self, py: Python<'_>, picture: &Bound<'_, PyAny>) -> PyResult<Outputs> {
        self.own(py)?.run(py, picture)
    }

    /// As `run_batch` of a session, on this machine's processor.
    #[pyo3(signature = (pictures, output = None))]
    fn run_batch<'py>(
        &self,
        py: Python<'py>,
        pictures: &Bound<'py, PyAny>,
        output: Option<Key>,
    ) -> PyResult<Bound<'py, PyArrayDyn<i32>>> {
        self.own(py)?.run_batch(py, pictures, output)
    }

    /// What pickling and copying make the model of again.
    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>, &str) {
        (self.to_bytes(py), self.model.name())
    }

    fn __repr__(&self) -> String {
        format!("Model({:?}, {} bytes)", self.model.name(), self.model.bytes().len())
    }
}
