//! `verify`: every instruction's output against the reference.

use std::path::PathBuf;

use converter::data;
use serde::Serialize;
use shiftformer::runtime::Model;
use shiftformer::{Backend, Engine, EngineOptions, ModelFile, engine};

use crate::bundled::TestImages;
use crate::failure::Failure;
use crate::frames::{self, FrameSource};
use crate::output::{emit, hex};
use crate::place::EngineArgs;
use crate::progress::Progress;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
    /// Frames to compare: every other one is random, the rest are images.
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,
    /// Images to use [default: those that come with the program].
    #[arg(long)]
    data: Option<PathBuf>,
    /// List every instruction's hash for the first frame.
    #[arg(long)]
    list: bool,
}

const EXAMPLES: &str = "\
Examples:
  shiftformer verify model.shf --backend cpu
  shiftformer verify model.shf --kernels portable --frames 20 --data photos/
  shiftformer verify model.shf --list";

#[derive(Debug, Serialize)]
struct Verification {
    identical: bool,
    frames: u32,
    backend: String,
    kernels: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_difference: Option<Difference>,
    /// Of the first frame, from the reference.
    instructions: Vec<Output>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Output {
    index: u32,
    name: String,
    op: &'static str,
    hash: String,
}

#[derive(Debug, Serialize)]
struct Difference {
    frame: u32,
    index: u32,
    name: String,
    op: &'static str,
    expected: String,
    found: String,
}

/// Compares the engines; fails where they differ.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let file = ModelFile::open(&args.model)?;
    let packed = args.engine.open(&args.model)?;
    let (model, packed_model) = (file.model()?, packed.model()?);
    let reference = EngineOptions { backend: Backend::Reference, kernels: None };
    let mut expected = engine(&model, reference)?;
    let mut tested = args.engine.engines()?.engine(&packed_model)?;
    let frames = Frames::new(args, &model, file.name())?;
    let mut result = Verification {
        identical: true,
        frames: args.frames,
        backend: tested.name().to_owned(),
        kernels: tested.kernels().to_owned(),
        first_difference: None,
        instructions: Vec::new(),
    };
    let progress = Progress::bar("verifying", args.frames as usize);
    for index in 0..args.frames {
        let frame = frames.get(index)?;
        let want = outputs(expected.as_mut(), &frame, file.name())?;
        let found = outputs(tested.as_mut(), &frame, file.name())?;
        result.first_difference = first_difference(index, &want, &found);
        if index == 0 {
            result.instructions = want;
        }
        if result.first_difference.is_some() {
            result.identical = false;
            break;
        }
        progress.step();
    }
    drop(progress);
    emit(json, &result, |result| text(result, args.list))?;
    match result.first_difference {
        None => Ok(()),
        Some(d) => {
            let message = format!(
                "{}: {} differs from the reference at instruction {} `{}` ({})",
                file.name(),
                result.backend,
                d.index,
                d.name,
                d.op
            );
            Err(Failure::new(message)
                .help("this is a defect of the kernels: please report it with the container"))
        }
    }
}

/// Where frames come from.
struct Frames<'a> {
    model: &'a Model<'a>,
    images: Option<(FrameSource, Images)>,
}

enum Images {
    Given(data::Dataset),
    Bundled(TestImages),
}

impl<'a> Frames<'a> {
    fn new(args: &Args, model: &'a Model<'a>, name: &str) -> Result<Self, Failure> {
        let source = FrameSource::of(model, name);
        let images = match (&args.data, source) {
            (Some(path), source) => Some((source?, Images::Given(data::open(path)?))),
            (None, Ok(source)) => Some((source, Images::Bundled(TestImages::read()?))),
            (None, Err(_)) => None,
        };
        Ok(Self { model, images })
    }

    /// Even frames are random, odd ones images where the model takes an image.
    fn get(&self, index: u32) -> Result<Vec<u8>, Failure> {
        let at = (index / 2) as usize;
        match &self.images {
            Some((source, Images::Given(data))) if index % 2 == 1 => source.load(data, at % data.len()),
            Some((source, Images::Bundled(images))) if index % 2 == 1 => {
                source.convert(&images.image(at)?, "the bundled test images")
            }
            _ => Ok(frames::random(self.model, index.into())),
        }
    }
}

fn outputs(engine: &mut dyn Engine, frame: &[u8], name: &str) -> Result<Vec<Output>, Failure> {
    let mut all = Vec::new();
    let mut observer = |event: &shiftformer::TraceEvent<'_>| {
        let (index, name, op) = (event.index, event.name.to_owned(), event.kind.name());
        all.push(Output { index, name, op, hash: hex(event.hash) });
    };
    engine.trace(frame, &mut observer).map_err(|e| Failure::new(format!("{name}: {e}")))?;
    Ok(all)
}

/// The first instruction whose hashes differ, or that only the reference ran.
fn first_difference(frame: u32, expected: &[Output], found: &[Output]) -> Option<Difference> {
    let at = expected.iter().enumerate().find(|(at, want)| found.get(*at) != Some(want));
    let (at, want) = at?;
    let found = found.get(at).map_or_else(|| "nothing".to_owned(), |other| other.hash.clone());
    let (index, name, op, expected) = (want.index, want.name.clone(), want.op, want.hash.clone());
    Some(Difference { frame, index, name, op, expected, found })
}

fn text(result: &Verification, list: bool) -> String {
    let mut lines = Vec::new();
    for output in result.instructions.iter().filter(|_| list) {
        lines.push(format!("{:>5}  {}  {:<34} {}", output.index, output.hash, output.name, output.op));
    }
    let engine = format!("{} ({} kernels)", result.backend, result.kernels);
    lines.push(match &result.first_difference {
        None => format!(
            "{engine} equals the reference in all {} instructions of {} frames",
            result.instructions.len(),
            result.frames
        ),
        Some(d) => format!(
            "{engine} differs from the reference in frame {}, instruction {} `{}` ({}): expected {}, found {}",
            d.frame, d.index, d.name, d.op, d.expected, d.found
        ),
    });
    lines.join("\n")
}
