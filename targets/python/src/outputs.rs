//! What came of one frame, for Python.

use conversion::Failure;
use numpy::{IntoPyArray, PyArrayDyn, PyArrayMethods};
use pyo3::exceptions::{PyIndexError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use shiftformer::runtime::OutputKind;
use shiftformer::{Logits, Model, OutputInfo};

use crate::described::shape;
use crate::error::Kind;

/// The integers of every output, by name or number.
#[pyclass(frozen, mapping, module = "shiftformer")]
pub struct Outputs {
    model: Model,
    values: Vec<Vec<i32>>,
}

/// An output by its name or its number.
#[derive(FromPyObject)]
pub enum Key {
    Index(usize),
    Name(String),
}

/// The number of the output of `model` that `key` means: where nothing is said the first of logits,
/// and where there is none the first.
pub fn find(model: &Model, key: Option<Key>) -> PyResult<usize> {
    let outputs = model.outputs();
    match key {
        None => Ok(outputs.iter().position(|output| output.kind == OutputKind::Logits).unwrap_or(0)),
        Some(Key::Index(index)) if index < outputs.len() => Ok(index),
        Some(Key::Index(index)) => {
            Err(PyIndexError::new_err(format!("the model has {} outputs, not {index}", outputs.len())))
        }
        Some(Key::Name(name)) => {
            let found = outputs.iter().position(|output| output.name == name);
            found.ok_or_else(|| {
                let known: Vec<&str> = outputs.iter().map(|output| output.name).collect();
                PyKeyError::new_err(format!("{name}; there are: {}", known.join(", ")))
            })
        }
    }
}

impl Outputs {
    /// `values` of the outputs of `model`.
    pub fn new(model: &Model, values: Vec<Vec<i32>>) -> Self {
        Self { model: model.clone(), values }
    }

    fn with<T>(&self, key: Option<Key>, make: impl FnOnce(&OutputInfo<'_>, &[i32]) -> T) -> PyResult<T> {
        let index = find(&self.model, key)?;
        let values = self.values.get(index).map(Vec::as_slice).unwrap_or_default();
        Ok(make(&self.model.outputs()[index], values))
    }

    fn logits<'s>(&'s self, py: Python<'_>) -> PyResult<Logits<'s>> {
        let outputs = self.model.outputs();
        let logits = outputs.iter().find(|output| output.kind == OutputKind::Logits);
        let Some(OutputInfo { index, scale, ending, .. }) = logits else {
            let failure = Failure::new(format!("{} has no output of logits", self.model.name()));
            return Err(Kind::Run.raise(py, failure.help("`outputs` of the model lists what it gives")));
        };
        Ok(Logits::new(&self.values[*index], *scale, *ending))
    }
}

/// `values` as an array of `shape`.
fn array<'py, T: numpy::Element>(
    py: Python<'py>,
    values: Vec<T>,
    shape: Vec<usize>,
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    values.into_pyarray(py).reshape(shape)
}

#[pymethods]
impl Outputs {
    fn __len__(&self) -> usize {
        self.values.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: Key) -> PyResult<Bound<'py, PyArrayDyn<i32>>> {
        let (values, shape) = self.with(Some(key), |output, values| (values.to_vec(), shape(output)))?;
        array(py, values, shape)
    }

    fn __contains__(&self, name: &str) -> bool {
        self.model.outputs().iter().any(|output| output.name == name)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.keys(py)?.call_method0("__iter__")
    }

    /// The names of the outputs.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.model.outputs().iter().map(|output| output.name))
    }

    /// What the model gives as real numbers, with what it computes at its end.
    #[pyo3(signature = (output = None))]
    fn ended<'py>(&self, py: Python<'py>, output: Option<Key>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let (values, shape) = self.with(output, |output, values| (output.ended(values), shape(output)))?;
        let len = values.len();
        if len == shape.iter().product::<usize>() {
            return array(py, values, shape);
        }
        // One class for each position.
        let positions = shape[..shape.len() - 1].to_vec();
        array(py, values, positions)
    }

    /// The real values of an output, without what the model computes at its end.
    #[pyo3(signature = (output = None))]
    fn real<'py>(&self, py: Python<'py>, output: Option<Key>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let (values, shape) = self.with(output, |output, values| (output.real(values), shape(output)))?;
        array(py, values, shape)
    }

    /// The class of the largest logit; ties go to the lowest.
    #[getter]
    fn best(&self, py: Python<'_>) -> PyResult<Option<u32>> {
        Ok(self.logits(py)?.best())
    }

    /// The share of each class, or its chance by itself where the model ends in a sigmoid.
    #[getter]
    fn probabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let logits = self.logits(py)?;
        let mut shares = vec![0.0; logits.values().len()];
        for ranked in logits.top_k(shares.len(), &[""; 0]) {
            shares[ranked.class as usize] = ranked.probability;
        }
        let len = shares.len();
        array(py, shares, vec![len])
    }

    /// The `k` best classes, best first.
    #[pyo3(signature = (k = 5))]
    fn top_k<'py>(&self, py: Python<'py>, k: usize) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let logits = self.logits(py)?;
        let labels = self.model.labels(logits.values().len());
        let row = |ranked: shiftformer::Ranked<'_>| {
            let row = PyDict::new(py);
            row.set_item("class", ranked.class)?;
            row.set_item("label", ranked.label)?;
            row.set_item("logit", ranked.logit)?;
            row.set_item("probability", ranked.probability)?;
            Ok(row)
        };
        logits.top_k(k, &labels).into_iter().map(row).collect()
    }

    fn __repr__(&self) -> String {
        let outputs = self.model.outputs();
        let names: Vec<String> =
            outputs.iter().map(|output| format!("{} {:?}", output.name, shape(output))).collect();
        format!("Outputs({})", names.join(", "))
    }
}
