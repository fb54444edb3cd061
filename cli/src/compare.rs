//! A session against the reference, instruction by instruction.

use std::path::Path;

use conversion::frames::{self, FrameSource};
use conversion::stream::failed;
use serde::{Deserialize, Serialize};
use shiftformer::{Event, Model, Observe, Session, Verifier};

use crate::bundled::TestImages;
use crate::evidence::Recorder;
use crate::failure::Failure;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub index: u32,
    pub name: String,
    pub op: String,
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

/// What came of a frame.
pub struct Ran {
    /// What each instruction wrote.
    pub events: Vec<Event>,
    /// The values of every output.
    pub outputs: Vec<Vec<i32>>,
}

/// Runs `frame` on `session`.
pub fn observe(session: &mut Session, frame: &[u8]) -> Result<Ran, Failure> {
    let ran = session.run_observed(frame, Observe::Hashes).map(|outputs| Ran {
        events: outputs.events().to_vec(),
        outputs: (0..outputs.len()).filter_map(|index| outputs.values(index).map(<[i32]>::to_vec)).collect(),
    });
    ran.map_err(|error| failed(session, error))
}

/// Runs `count` frames on `session` and, until they differ, on the reference: every other frame is
/// random, the rest are images. `model` is as the file has it. `record` takes what came of every
/// frame; without it the first that differs is the last.
pub fn compare(
    model: &Model,
    session: &mut Session,
    frames: &Frames<'_>,
    count: u32,
    mut record: Option<&mut Recorder>,
) -> Result<Verification, Failure> {
    let mut verifier = Verifier::new(model)?;
    let mut result = Verification {
        identical: true,
        frames: count,
        backend: session.backend().to_owned(),
        kernels: session.kernels().to_owned(),
        first_difference: None,
        instructions: Vec::new(),
    };
    let progress = Progress::bar("verifying", count as usize);
    for index in 0..count {
        let frame = frames.get(index)?;
        let ran = observe(session, &frame)?;
        if result.identical {
            let expected = verifier.expected(&frame).map_err(|error| failed(session, error))?;
            if index == 0 {
                result.instructions = instructions(model, expected);
            }
            let difference = shiftformer::Difference::first(model, expected, &ran.events);
            result.first_difference = difference.map(|difference| Difference::new(index, difference));
            result.identical = result.first_difference.is_none();
        }
        match &mut record {
            Some(record) => record.note(model, &frame, ran),
            None if !result.identical => break,
            None => {}
        }
        progress.step();
    }
    Ok(result)
}

/// `events` with the names of their instructions.
pub fn instructions(model: &Model, events: &[Event]) -> Vec<Output> {
    let container = model.container();
    let named: Vec<_> = container.instructions().collect();
    let output = |event: &Event| {
        let instruction = &named[event.instruction as usize];
        let (name, op) = (instruction.name.to_owned(), instruction.op.kind().name().to_owned());
        Output { index: event.instruction, name, op, hash: hex(event.hash) }
    };
    events.iter().map(output).collect()
}

impl Difference {
    fn new(frame: u32, difference: shiftformer::Difference) -> Self {
        let shiftformer::Difference { instruction, name, kind, expected, found } = difference;
        let found = found.map_or_else(|| "nothing".to_owned(), hex);
        Self { frame, index: instruction, name, op: kind.name(), expected: hex(expected), found }
    }
}

/// Where frames come from.
pub struct Frames<'a> {
    model: &'a Model,
    images: Option<(FrameSource, Images)>,
}

enum Images {
    Given(data::Dataset),
    Bundled(TestImages),
}

impl<'a> Frames<'a> {
    /// The images of `data`, or those that come with the program.
    pub fn new(data: Option<&Path>, model: &'a Model) -> Result<Self, Failure> {
        let source = FrameSource::of(model);
        let images = match (data, source) {
            (Some(path), source) => Some((source?, Images::Given(data::open(path)?))),
            (None, Ok(source)) => Some((source, Images::Bundled(TestImages::read()?))),
            (None, Err(_)) => None,
        };
        Ok(Self { model, images })
    }

    /// Even frames are random, odd ones images where the model takes an image.
    pub fn get(&self, index: u32) -> Result<Vec<u8>, Failure> {
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
