//! What an engine computed, as a file that others are held against.

use std::fs;
use std::path::Path;

use conversion::{identity, write_file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shiftformer::{Model, Session};

use crate::compare::{Frames, Output, Ran, instructions, observe};
use crate::failure::Failure;
use crate::progress::Progress;

/// Version of the file's format.
const FORMAT: u32 = 1;

/// A record, and what shows that it is as it was written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    record: Record,
    /// SHA-256 of the record as JSON without spaces.
    digest: String,
}

/// What an engine computed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    /// Of the model.
    identity: String,
    /// Of this program, and the commit of its source tree.
    version: String,
    commit: String,
    backend: String,
    kernels: String,
    /// What the device calls itself.
    board: Option<String>,
    frames: Vec<Frame>,
}

/// One frame through all instructions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    /// SHA-256 of the bytes of all inputs.
    inputs: String,
    instructions: Vec<Output>,
    /// The values of every output.
    outputs: Vec<Vec<i32>>,
}

/// How an engine compares with a record.
#[derive(Debug, Serialize)]
pub struct Checked {
    identical: bool,
    frames: usize,
    backend: String,
    kernels: String,
    recorded: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_difference: Option<Difference>,
}

/// Where a record comes from.
#[derive(Debug, Serialize)]
struct Origin {
    version: String,
    commit: String,
    backend: String,
    kernels: String,
    board: Option<String>,
}

#[derive(Debug, Serialize)]
struct Difference {
    frame: usize,
    /// An instruction with its number, or an output.
    what: String,
    expected: String,
    found: String,
}

/// Gathers what comes of frames.
#[derive(Default)]
pub struct Recorder {
    frames: Vec<Frame>,
}

impl Recorder {
    /// Takes what came of `frame`.
    pub fn note(&mut self, model: &Model, frame: &[u8], ran: Ran) {
        self.frames.push(Frame::new(model, frame, ran));
    }

    /// Writes to `path` what came of the frames on `session`.
    pub fn write(self, path: &Path, session: &Session) -> Result<(), Failure> {
        let record = Record {
            format: FORMAT,
            identity: identity(session.model()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("SHIFTFORMER_COMMIT").to_owned(),
            backend: session.backend().to_owned(),
            kernels: session.kernels().to_owned(),
            board: session.board().map(str::to_owned),
            frames: self.frames,
        };
        let sealed = Sealed { digest: digest(&record)?, record };
        let json = serde_json::to_vec_pretty(&sealed).map_err(encoding)?;
        write_file(path, &json)
    }
}

impl Frame {
    fn new(model: &Model, frame: &[u8], Ran { events, outputs }: Ran) -> Self {
        Self { inputs: sha256(frame), instructions: instructions(model, &events), outputs }
    }
}

/// Runs the frames of the record at `path` on `session`, until they differ.
pub fn check(path: &Path, session: &mut Session, frames: &Frames<'_>) -> Result<Checked, Failure> {
    let Record { identity: recorded, version, commit, backend, kernels, board, frames: wanted, .. } =
        read(path)?;
    let name = path.display();
    if recorded != identity(session.model()) {
        return Err(Failure::new(format!("{name} is of another model than {}", session.model().name()))
            .help("give the container that it was recorded with; `inspect --json` prints its identity"));
    }
    let mut result = Checked {
        identical: true,
        frames: wanted.len(),
        backend: session.backend().to_owned(),
        kernels: session.kernels().to_owned(),
        recorded: Origin { version, commit, backend, kernels, board },
        first_difference: None,
    };
    let progress = Progress::bar("checking", wanted.len());
    for (index, want) in wanted.iter().enumerate() {
        let frame = frames.get(index as u32)?;
        if want.inputs != sha256(&frame) {
            return Err(Failure::new(format!(
                "{name} was recorded with other images: frame {index} differs"
            ))
            .help("give the same --data as when it was recorded"));
        }
        let ran = observe(session, &frame)?;
        result.first_difference = difference(index, want, &Frame::new(session.model(), &frame, ran));
        if result.first_difference.is_some() {
            result.identical = false;
            break;
        }
        progress.step();
    }
    Ok(result)
}

impl Checked {
    /// A failure where they differ; `name` is the container's.
    pub fn outcome(&self, name: &str) -> Result<(), Failure> {
        let Some(d) = &self.first_difference else { return Ok(()) };
        let message =
            format!("{name}: {} differs from the record in frame {} at {}", self.backend, d.frame, d.what);
        Err(Failure::new(message)
            .help("`verify` without --check says which of both differs from the reference"))
    }

    /// The result for people.
    pub fn sentence(&self) -> String {
        let Origin { version, commit, backend, kernels, board } = &self.recorded;
        let board = board.as_ref().map(|board| format!(" on {board}")).unwrap_or_default();
        let origin = format!("{backend} ({kernels} kernels{board}, version {version}, commit {commit})");
        let engine = format!("{} ({} kernels)", self.backend, self.kernels);
        match &self.first_difference {
            None => format!("{engine} gives what {origin} gave in all {} frames", self.frames),
            Some(d) => format!(
                "{engine} differs from {origin} in frame {} at {}: expected {}, found {}",
                d.frame, d.what, d.expected, d.found
            ),
        }
    }
}

/// The record at `path`, as it was written.
fn read(path: &Path) -> Result<Record, Failure> {
    let name = path.display();
    let bytes = fs::read(path).map_err(Failure::io("cannot read", path))?;
    let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(format!("{name} is no record: {error}")).help("`verify --record FILE` writes one")
    })?;
    if sealed.record.format != FORMAT {
        let message = format!("{name} has format {}, this program reads {FORMAT}", sealed.record.format);
        return Err(Failure::new(message).help("record it again, or use the version that wrote it"));
    }
    if digest(&sealed.record)? != sealed.digest {
        return Err(Failure::new(format!("{name} was changed after it was recorded")).help("record it again"));
    }
    Ok(sealed.record)
}

/// Where `found` first differs from `want`.
fn difference(frame: usize, want: &Frame, found: &Frame) -> Option<Difference> {
    for (at, expected) in want.instructions.iter().enumerate() {
        let found = found.instructions.get(at);
        if found != Some(expected) {
            let what = format!("instruction {} `{}` ({})", expected.index, expected.name, expected.op);
            let found = found.map_or_else(|| "nothing".to_owned(), |found| found.hash.clone());
            return Some(Difference { frame, what, expected: expected.hash.clone(), found });
        }
    }
    let at = (0..want.outputs.len()).find(|&at| found.outputs.get(at) != Some(&want.outputs[at]))?;
    let shown =
        |outputs: &[Vec<i32>]| outputs.get(at).map_or_else(|| "nothing".to_owned(), |v| sha256(&bytes(v)));
    let what = format!("the values of output {at}");
    Some(Difference { frame, what, expected: shown(&want.outputs), found: shown(&found.outputs) })
}

fn bytes(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn digest(record: &Record) -> Result<String, Failure> {
    Ok(sha256(&serde_json::to_vec(record).map_err(encoding)?))
}

fn encoding(error: serde_json::Error) -> Failure {
    Failure::new(format!("cannot encode the record: {error}"))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::compare;

    /// Changes a record, and seals it as if it had been recorded so.
    fn changed(path: &Path, change: impl FnOnce(&mut Record)) {
        let mut record = read(path).unwrap();
        change(&mut record);
        let sealed = Sealed { digest: digest(&record).unwrap(), record };
        fs::write(path, serde_json::to_vec(&sealed).unwrap()).unwrap();
    }

    #[test]
    fn the_first_difference_is_named() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/vit_fmnist.shf");
        let model = Model::open(model).unwrap();
        let (mut session, frames) = (model.session().unwrap(), Frames::new(None, &model).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        let mut again = |change: fn(&mut Record)| {
            let mut recorder = Recorder::default();
            let compared = compare(&model, &mut session, &frames, 2, Some(&mut recorder)).unwrap();
            assert!(compared.outcome("m.shf").is_ok());
            recorder.write(&path, &session).unwrap();
            changed(&path, change);
            check(&path, &mut session, &frames)
        };
        assert!(again(|_| {}).unwrap().identical);

        let checked = again(|record| record.frames[1].instructions[4].hash = "0".repeat(16)).unwrap();
        let found = checked.first_difference.as_ref().unwrap();
        assert_eq!((found.frame, found.expected.as_str()), (1, "0000000000000000"));
        assert!(found.what.starts_with("instruction "), "{found:?}");
        assert!(checked.outcome("m.shf").is_err());

        let checked = again(|record| record.frames[0].outputs[0][3] += 1).unwrap();
        assert!(checked.first_difference.unwrap().what.contains("output 0"));

        let error = again(|record| record.frames[0].inputs = String::new()).unwrap_err().to_string();
        assert!(error.contains("other images: frame 0"), "{error}");
        let error = again(|record| record.identity = "f".repeat(64)).unwrap_err().to_string();
        assert!(error.contains("of another model"), "{error}");
        let error = again(|record| record.format = 9).unwrap_err().to_string();
        assert!(error.contains("format 9"), "{error}");
    }
}
