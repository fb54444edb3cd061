//! A float model to a container with its facts and its report.

use std::path::Path;

use converter::calibrate::{QuantizeOptions, Quantized};
use converter::import::ImportOptions;
use converter::{BuildOptions, Conversion, ConvertError, measure};
use facts::{Comparison, Facts, Fidelity, Stated};
use float::Graph;
use report::{ProgramFacts, Report};
use shiftformer::Model;

use crate::calibration::{Calibration, last};
use crate::failure::Failure;
use crate::output::write_file;
use crate::progress::Stages;

/// A container, and what is known of its making where it was calibrated.
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
pub fn calibrate(
    name: &str,
    model: Graph,
    options: &ImportOptions,
    images: &Calibration,
    quantization: &QuantizeOptions,
    build: BuildOptions,
) -> Result<Made, Failure> {
    let stages = Stages::default();
    let Conversion { container, quantized } =
        converter::convert(model, &images.frames, quantization, build, &stages)
            .map_err(Failure::convert(name))?;
    let (fidelity, comparison) =
        measured(&container, &quantized, images, &stages).map_err(Failure::convert(name))?;
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
    stages: &Stages,
) -> Result<(Vec<Fidelity>, Comparison), ConvertError> {
    let Quantized { float, graph, .. } = quantized;
    let traced = &images.compared[..images.compared.len().min(TRACED)];
    let fidelity = measure::fidelity(float, graph, container, traced, stages)?;
    let labels = images.labels.as_deref();
    let comparison = measure::compare(float, container, &images.compared, labels, &images.name, stages)?;
    Ok((fidelity, Comparison { seen: images.seen, ..comparison }))
}

/// Writes the container, its facts beside it, and the report. All are made before the
/// first is written.
pub fn save(
    output: &Path,
    file: &Model,
    facts: Option<Facts>,
    report: Option<&Path>,
) -> Result<Option<Facts>, Failure> {
    let identity = identity(file);
    let facts = facts.map(|facts| Facts { identity, ..facts });
    let page = match (report, &facts) {
        (Some(path), Some(facts)) => Some((path, page(file, facts)?)),
        _ => None,
    };
    write_file(output, file.bytes())?;
    if let Some(facts) = &facts {
        let json = serde_json::to_vec_pretty(facts)
            .map_err(|e| Failure::new(format!("cannot encode the facts: {e}")))?;
        write_file(&report::sidecar_path(output), &json)?;
    }
    if let Some((path, page)) = page {
        write_file(path, page.as_bytes())?;
    }
    Ok(facts)
}

fn page(file: &Model, facts: &Facts) -> Result<String, Failure> {
    let program =
        ProgramFacts::new(file.bytes()).map_err(|e| Failure::new(format!("{}: {e}", file.name())))?;
    Ok(report::html(&Report { model: &facts.model, facts, program: &program }))
}

/// The identity of a model in hexadecimal.
pub fn identity(model: &Model) -> String {
    model.identity().iter().map(|byte| format!("{byte:02x}")).collect()
}
