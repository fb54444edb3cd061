//! A float model to a container with its facts and its report.

use std::path::Path;

use converter::calibrate::{QuantizeOptions, Quantized};
use converter::import::ImportOptions;
use converter::{BuildOptions, Conversion, ConvertError, measure};
use facts::{Comparison, Facts, Fidelity, Stated};
use float::{Graph, Progress};
use report::{ProgramFacts, Report};
use shiftformer::{Model, OutputInfo};

use crate::calibration::{Calibration, last};
use crate::comparison::{Told, unsaid};
use crate::failure::Failure;
use crate::writing::write_file;

/// A container as the converter makes it, and what is known of its making where it was calibrated.
pub struct Made {
    /// The container.
    pub container: Vec<u8>,
    /// Without the identity, which depends on the packs that are yet to be chosen.
    pub facts: Option<Facts>,
}

/// Images that the fidelity of instructions is measured on.
const TRACED: usize = 8;

/// Quantizes `model`, which was imported with `options`, and measures the result; `name` is for
/// messages.
///
/// # Errors
///
/// What the converter refuses.
pub fn calibrate(
    name: &str,
    model: Graph,
    options: &ImportOptions,
    images: &Calibration,
    quantization: &QuantizeOptions,
    build: BuildOptions,
    progress: &dyn Progress,
) -> Result<Made, Failure> {
    let Conversion { container, quantized } =
        converter::convert(model, &images.frames, quantization, build, progress)
            .map_err(Failure::convert(name))?;
    let (fidelity, comparison) =
        measured(&container, &quantized, images, progress).map_err(Failure::convert(name))?;
    let facts = Facts {
        identity: String::new(),
        model: last(Path::new(name)).display().to_string(),
        stated: Some(stated(options)),
        calibration_images: images.frames.len(),
        constant_images: images.constant(),
        repeated_images: images.repeated(),
        tensors: quantized.tensors,
        changes: quantized.changes,
        fidelity,
        comparisons: vec![comparison],
    };
    Ok(Made { container, facts: Some(facts) })
}

fn stated(options: &ImportOptions) -> Stated {
    let ImportOptions { config, mean, std } = options.clone();
    Stated { config, mean, std }
}

fn measured(
    container: &[u8],
    quantized: &Quantized,
    images: &Calibration,
    progress: &dyn Progress,
) -> Result<(Vec<Fidelity>, Comparison), ConvertError> {
    let Quantized { float, graph, .. } = quantized;
    let traced = &images.compared[..images.compared.len().min(TRACED)];
    let fidelity = measure::fidelity(float, graph, container, traced, progress)?;
    let labels = images.labels.as_deref();
    let comparison = measure::compare(float, container, &images.compared, labels, &images.name, progress)?;
    Ok((fidelity, Comparison { seen: images.seen, ..comparison }))
}

/// What a conversion has made.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The container.
    pub model: Model,
    /// What is known of its making, where it was calibrated.
    pub facts: Option<Facts>,
}

impl Converted {
    /// `model`, and what is known of its making.
    pub fn new(model: Model, facts: Option<Facts>) -> Self {
        let identity = identity(&model);
        Self { model, facts: facts.map(|facts| Facts { identity, ..facts }) }
    }

    /// Writes the container to `output` and its facts beside it, and the report. All are made
    /// before the first is written.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn save(&self, output: Option<&Path>, report: Option<&Path>) -> Result<(), Failure> {
        let page = match report {
            Some(path) => self.page()?.map(|page| (path, page)),
            None => None,
        };
        let facts = match output {
            Some(path) => self.encoded_facts()?.map(|json| (report::sidecar_path(path), json)),
            None => None,
        };
        if let Some(path) = output {
            write_file(path, self.model.bytes())?;
        }
        if let Some((path, json)) = facts {
            write_file(&path, &json)?;
        }
        page.map_or(Ok(()), |(path, page)| write_file(path, page.as_bytes()))
    }

    fn encoded_facts(&self) -> Result<Option<Vec<u8>>, Failure> {
        let json = self.facts.as_ref().map(serde_json::to_vec_pretty).transpose();
        json.map_err(|error| Failure::new(format!("cannot encode the facts: {error}")))
    }

    /// The page that tells whether to trust the conversion; `None` where nothing was calibrated.
    ///
    /// # Errors
    ///
    /// A container that cannot be described.
    pub fn page(&self) -> Result<Option<String>, Failure> {
        let Some(facts) = &self.facts else { return Ok(None) };
        let program = ProgramFacts::new(self.model.bytes())
            .map_err(|error| Failure::new(format!("{}: {error}", self.model.name())))?;
        Ok(Some(report::html(&Report { model: &facts.model, facts, program: &program })))
    }

    /// Float against integer, where that was compared.
    pub fn comparison(&self) -> Option<&Comparison> {
        self.facts.as_ref().and_then(|facts| facts.comparisons.first())
    }

    /// That the container does not answer as the float model does, where that is so.
    pub fn disagreement(&self) -> Option<String> {
        self.facts.as_ref().and_then(report::disagreement)
    }

    /// How each output is read.
    pub fn answers(&self) -> Vec<Told> {
        self.model.outputs().iter().map(Told::new).collect()
    }

    /// What makes the container worth less than its figures.
    pub fn remarks(&self) -> Vec<String> {
        let outputs = self.model.outputs();
        let named =
            |output: &OutputInfo<'_>| self.model.labels(output.len).iter().any(|label| !label.is_empty());
        let unsaid = outputs.iter().filter(|output| !named(output)).filter_map(unsaid);
        self.facts.as_ref().map(report::remarks).into_iter().flatten().chain(unsaid).collect()
    }
}

/// The identity of a model in hexadecimal.
pub fn identity(model: &Model) -> String {
    model.identity().iter().map(|byte| format!("{byte:02x}")).collect()
}
