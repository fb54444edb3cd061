//! The whole way from a model's file to a container.

use std::fs;
use std::path::{Path, PathBuf};

use converter::ConvertError;
use converter::graph::Graph as Integers;
use converter::import::{Import, ImportOptions, Imported, read};
use float::Graph;
use shiftformer::Model;

use crate::calibration::{Calibration, Images};
use crate::converted::{Converted, Made, calibrate};
use crate::failure::Failure;
use crate::listener::Listener;
use crate::options::{Format, Options};
use crate::overwriting::Files;

/// Converts the model at `path` and writes what `options` ask for.
///
/// # Errors
///
/// What cannot be read, converted or written, with advice. Nothing is written then.
pub fn convert(path: &Path, options: &Options, listener: &dyn Listener) -> Result<Converted, Failure> {
    let name = path.display().to_string();
    files(path, options).check()?;
    let (mean, std) = options.normalisation.stated();
    let import = ImportOptions { config: config(options)?, mean, std };
    listener.begin(&format!("reading {name}"), 0);
    let Import { model: mut imported, notes, .. } = read(path, &import).map_err(Failure::convert(&name))?;
    notes.iter().for_each(|note| listener.note(note));
    options.pictures.apply(
        &name,
        match &mut imported {
            Imported::Quantized(graph) => &mut graph.image,
            Imported::Float(model) => &mut model.image,
        },
    )?;
    let made = match imported {
        Imported::Quantized(graph) => built(&name, &graph, options)?,
        Imported::Float(model) => calibrated(&name, model, &import, options, listener)?,
    };
    let converted = finished(&name, made, options)?;
    converted.save(options.output.as_deref(), options.report.as_deref())?;
    Ok(converted)
}

/// What is read and written.
fn files(model: &Path, options: &Options) -> Files {
    let Options { output, report, calib, config, labels, .. } = options;
    let mut files = Files::default().model(model);
    if let Some(output) = output {
        let facts = report::sidecar_path(output);
        files = files.output("-o", output).output("the facts file", &facts);
    }
    if let Some(Images::At(data)) = calib {
        files = files.data(data);
    }
    let files = config.iter().fold(files, |files, config| files.input("the configuration", config));
    let files = labels.iter().fold(files, |files, names| files.input("the names", names));
    report.iter().fold(files, |files, report| files.output("--report", report))
}

fn config(options: &Options) -> Result<Option<String>, Failure> {
    let read = |path: &PathBuf| fs::read_to_string(path).map_err(Failure::io("cannot read", path));
    options.config.as_ref().map(read).transpose()
}

/// A checkpoint that was trained with integers.
fn built(name: &str, graph: &Integers, options: &Options) -> Result<Made, Failure> {
    match (options.format, graph.is_binarized()) {
        (Format::Bivit, false) => {
            return Err(Failure::new(format!("{name} was trained with 8-bit integers, not binarized"))
                .help("convert it with --format ivit"));
        }
        (Format::Ivit, true) => return Err(Failure::convert(name)(ConvertError::Binarized)),
        (Format::Ivit, false) | (Format::Bivit, true) => {}
    }
    for_floats(name, options)?;
    let container = converter::build(graph, options.build).map_err(Failure::convert(name))?;
    Ok(Made { container, facts: None })
}

/// Options that only a float model takes were not given.
fn for_floats(name: &str, options: &Options) -> Result<(), Failure> {
    let given = [
        ("--calib", options.calib.is_some()),
        ("--precision", !options.precision.is_empty()),
        ("--report", options.report.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Failure::new(format!("{option} does not apply to {name}")).help(
            "this checkpoint was trained with integers and carries its own scales: leave the option out",
        )),
        None => Ok(()),
    }
}

/// A float model.
fn calibrated(
    name: &str,
    model: Graph,
    import: &ImportOptions,
    options: &Options,
    listener: &dyn Listener,
) -> Result<Made, Failure> {
    let images = options.calib.as_ref().ok_or_else(|| {
        Failure::new(format!("{name} is a float model: its activations must be calibrated")).help(
            "give images of the task with --calib DATA; 32 are enough to begin with, no labels are needed",
        )
    })?;
    let note = |words: &str| listener.note(words);
    options.normalisation.check(name, &model, &note)?;
    listener.begin("reading images", 0);
    let samples = options.calib_samples;
    let images = Calibration::read(images, samples, &model, options.labels.as_deref(), &note)?;
    calibrate(name, model, import, &images, &options.quantization(), options.build, listener)
}

/// Lays the weights out for their target.
fn finished(name: &str, made: Made, options: &Options) -> Result<Converted, Failure> {
    let model = Model::from_bytes(name, &made.container)?
        .repacked(options.target.packs())
        .map_err(Failure::convert(name))?;
    let flash_bytes = model.bytes().len() as u64;
    if let Some(limit) = options.max_flash.filter(|&limit| flash_bytes > limit) {
        let smallest = made.container.len() as u64;
        return Err(match smallest > limit {
            true => Failure::convert(name)(ConvertError::Flash { limit, smallest }),
            false => Failure::new(format!("{name}: laid out for its target it has {flash_bytes} bytes"))
                .help("leave --target out, or allow as many bytes with --max-flash"),
        });
    }
    Ok(Converted::new(model, made.facts))
}
