//! Conversions, for Python.

use std::path::PathBuf;

use conversion::{Converted, Failure};
use facts::Comparison;
use pyo3::prelude::*;

use crate::error::Kind;
use crate::heard::Heard;
use crate::model::Model;
use crate::options::Given;

/// What a conversion has made.
#[pyclass(frozen, module = "shiftformer._native")]
pub struct Conversion {
    converted: Converted,
}

/// Converts the model at `path`.
#[pyfunction]
pub fn convert(
    py: Python<'_>,
    path: PathBuf,
    given: Given<'_>,
    progress: Option<Py<PyAny>>,
    note: Py<PyAny>,
) -> PyResult<Conversion> {
    let (options, heard) = (given.options()?, Heard::new(progress, note));
    let converted = py.detach(|| heard.hear(|heard| conversion::convert(&path, &options, heard)))?;
    let converted = converted.map_err(|error| Kind::Convert.raise(py, error))?;
    Ok(Conversion { converted })
}

#[pymethods]
impl Conversion {
    /// The container.
    #[getter]
    fn model(&self) -> Model {
        Model::new(self.converted.model.clone())
    }

    /// What the conversion found out, as JSON; `None` where nothing was calibrated.
    fn facts(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let json = self.converted.facts.as_ref().map(serde_json::to_string).transpose();
        json.map_err(|error| {
            Kind::Convert.raise(py, Failure::new(format!("cannot encode the facts: {error}")))
        })
    }

    /// What makes the container worth less than its figures.
    #[getter]
    fn remarks(&self) -> Vec<String> {
        self.converted.remarks()
    }

    /// Whether every output is an answer to the same question as the float model's.
    #[getter]
    fn agrees(&self) -> Option<bool> {
        self.converted.comparison().and_then(Comparison::agrees)
    }

    /// That the container does not answer as the float model does, where that is so.
    #[getter]
    fn disagreement(&self) -> Option<String> {
        self.converted.disagreement()
    }

    /// Float against integer in words.
    #[getter]
    fn summary(&self) -> String {
        let answers = self.converted.answers();
        let words = |compared| conversion::comparison::words(compared, &answers);
        self.converted.comparison().map(words).unwrap_or_default().trim_start().to_owned()
    }

    /// The page that tells whether to trust the conversion; `None` where nothing was calibrated.
    fn page(&self, py: Python<'_>) -> PyResult<Option<String>> {
        py.detach(|| self.converted.page()).map_err(|error| Kind::Convert.raise(py, error))
    }

    /// Writes the container and its facts, and the page.
    #[pyo3(signature = (output, report = None))]
    fn save(&self, py: Python<'_>, output: Option<PathBuf>, report: Option<PathBuf>) -> PyResult<()> {
        let saved = py.detach(|| self.converted.save(output.as_deref(), report.as_deref()));
        saved.map_err(|error| Kind::Convert.raise(py, error))
    }
}
