//! An engine against the reference, instruction by instruction.

use std::path::Path;

use serde::Serialize;
use shiftformer::runtime::Model;
use shiftformer::{Backend, Engine, EngineOptions, ModelFile, engine};

use crate::bundled::TestImages;
use crate::failure::Failure;
use crate::frames::{self, FrameSource};
use crate::output::hex;
use crate::progress::Progress;

/// How an engine compares with the reference.
#[derive(Debug, Serialize)]
pub struct Verification {
    identical: bool,
    frames: u32,
    backend: String,
    kernels: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_difference: Option<Difference>,
    /// Of the first frame, from the reference.
    pub instructions: Vec<Output>,
}

/// What an instruction wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    pub index: u32,
    pub name: String,
    pub op: &'static str,
    pub hash: String,
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

impl Verification {
    /// A failure where they differ; `name` is the container's.
    pub fn outcome(&self, name: &str) -> Result<(), Failure> {
        let Some(d) = &self.first_difference else { return Ok(()) };
        let message = format!(
            "{name}: {} differs from the reference at instruction {} `{}` ({})",
            self.backend, d.index, d.name, d.op
        );
        Err(Failure::new(message)
            .help("this is a defect of the kernels: please report it with the container"))
    }

    /// The result for people.
    pub fn sentence(&self) -> String {
        let engine = format!("{} ({} kernels)", self.backend, self.kernels);
        match &self.first_difference {
            None => format!(
                "{engine} equals the reference in all {} instructions of {} frames",
                self.instructions.len(),
                self.frames
            ),
            Some(d) => format!(
                "{engine} differs from the reference in frame {}, instruction {} `{}` ({}): expected {}, found {}",
                d.frame, d.index, d.name, d.op, d.expected, d.found
            ),
        }
    }
}

/// Runs the model of `file` on `tested` and on the reference, until they differ or after
/// `count` frames: every other one is random, the rest are the images of `data`, or those
/// that come with the program.
pub fn compare(
    file: &ModelFile,
    tested: &mut dyn Engine,
    count: u32,
    data: Option<&Path>,
) -> Result<Verification, Failure> {
    let model = file.model()?;
    let mut expected = engine(&model, EngineOptions { backend: Backend::Reference, kernels: None })?;
    let frames = Frames::new(data, &model, file.name())?;
    let mut result = Verification {
        identical: true,
        frames: count,
        backend: tested.name().to_owned(),
        kernels: tested.kernels().to_owned(),
        first_difference: None,
        instructions: Vec::new(),
    };
    let progress = Progress::bar("verifying", count as usize);
    for index in 0..count {
        let frame = frames.get(index)?;
        let want = outputs(expected.as_mut(), &frame, file.name())?;
        let found = outputs(tested, &frame, file.name())?;
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
    Ok(result)
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
    fn new(data: Option<&Path>, model: &'a Model<'a>, name: &str) -> Result<Self, Failure> {
        let source = FrameSource::of(model, name);
        let images = match (data, source) {
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
