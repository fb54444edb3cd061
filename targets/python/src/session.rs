//! Models on engines, for Python.

use std::sync::Arc;

use conversion::Failure;
use conversion::stream::stream;
use numpy::{IntoPyArray, PyArrayDyn, PyArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use shiftformer::{Event, RunError};

use crate::array::{Pictures, flat, frame};
use crate::described::shape;
use crate::error::Kind;
use crate::model::Model;
use crate::outputs::{Key, Outputs, find};
use crate::pool::Pool;

/// A model on an engine.
#[pyclass(frozen, module = "shiftformer")]
pub struct Session {
    pool: Arc<Pool>,
}

impl Session {
    /// The sessions of `pool`.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// Runs the frame that `make` gives, without the interpreter.
    fn outputs(
        &self,
        py: Python<'_>,
        make: impl FnOnce() -> Result<Vec<u8>, Failure> + Send,
    ) -> PyResult<Outputs> {
        let run = |frame: &[u8]| {
            self.pool.with(|session| {
                let outputs = session.run(frame)?;
                Ok::<_, RunError>(
                    (0..outputs.len()).filter_map(|at| outputs.values(at)).map(<[i32]>::to_vec).collect(),
                )
            })
        };
        let values = py.detach(|| make().and_then(|frame| run(&frame)));
        values
            .map(|values| Outputs::new(self.pool.model(), values))
            .map_err(|error| Kind::Run.raise(py, error))
    }
}

#[pymethods]
impl Session {
    /// Runs a picture of any size, brought to the model's by the container's rule.
    pub fn run(&self, py: Python<'_>, picture: &Bound<'_, PyAny>) -> PyResult<Outputs> {
        let pictures = Pictures::one(picture)?;
        let pixels = pictures.pixels();
        self.outputs(py, || frame(self.pool.model(), &pixels, 0))
    }

    /// Runs a frame: the bytes of all inputs, one after another.
    pub fn run_frame(&self, py: Python<'_>, frame: &Bound<'_, PyAny>) -> PyResult<Outputs> {
        let bytes = flat(frame)?;
        let bytes = bytes.as_slice()?;
        self.outputs(py, || Ok(bytes.to_vec()))
    }

    /// Runs pictures of one size, spread over what the engine has, and gives one output of each.
    #[pyo3(signature = (pictures, output = None))]
    pub fn run_batch<'py>(
        &self,
        py: Python<'py>,
        pictures: &Bound<'py, PyAny>,
        output: Option<Key>,
    ) -> PyResult<Bound<'py, PyArrayDyn<i32>>> {
        let model = self.pool.model();
        let output = find(model, output)?;
        let pictures = Pictures::several(pictures)?;
        let (pixels, count) = (pictures.pixels(), pictures.len());
        let rows = py.detach(|| {
            let mut rows: Vec<i32> = Vec::new();
            self.pool.lend(|session| {
                let load = |index| frame(model, &pixels, index);
                stream(session, (count, self.pool.facts().parallel), load, |outputs| {
                    rows.extend(outputs.values(output).unwrap_or_default());
                })
            })?;
            Ok(rows)
        });
        let rows = rows.map_err(|error: Failure| Kind::Run.raise(py, error))?;
        let shape = [vec![count], shape(&model.outputs()[output])].concat();
        rows.into_pyarray(py).reshape(shape)
    }

    /// Runs a frame and tells what each instruction wrote.
    pub fn trace<'py>(
        &self,
        py: Python<'py>,
        frame: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let bytes = flat(frame)?;
        let bytes = bytes.as_slice()?;
        let events = py.detach(|| self.pool.with(|session| session.trace(bytes).map(<[Event]>::to_vec)));
        let events = events.map_err(|error| Kind::Run.raise(py, error))?;
        let container = self.pool.model().container();
        let instructions: Vec<_> = container.instructions().collect();
        let row = |event: &Event| {
            let instruction = &instructions[event.instruction as usize];
            let row = PyDict::new(py);
            row.set_item("instruction", event.instruction)?;
            row.set_item("name", instruction.name)?;
            row.set_item("op", instruction.op.kind().name())?;
            row.set_item("hash", format!("{:016x}", event.hash))?;
            row.set_item("nanoseconds", event.nanoseconds)?;
            Ok(row)
        };
        events.iter().map(row).collect()
    }

    /// The model.
    #[getter]
    fn model(&self) -> Model {
        Model::new(self.pool.model().clone())
    }

    /// The backend that runs the model.
    #[getter]
    fn backend(&self) -> &str {
        &self.pool.facts().backend
    }

    /// The kernels in use.
    #[getter]
    fn kernels(&self) -> &str {
        &self.pool.facts().kernels
    }

    /// Why another backend runs the model than the one that was asked for.
    #[getter]
    fn fallback(&self) -> Option<&str> {
        self.pool.facts().fallback.as_deref()
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a session cannot be pickled: pickle its model, and make a session of that"))
    }

    fn __repr__(&self) -> String {
        let facts = self.pool.facts();
        format!("Session({:?} on {}, {} kernels)", self.pool.model().name(), facts.backend, facts.kernels)
    }
}
