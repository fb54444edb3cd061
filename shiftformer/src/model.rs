//! Models that own their bytes.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use program::{Container, Dataflow, ProgramError, ReplanOptions, repack, replan, write_as};
use quant::operand::Layout;
use quant::pack::Packs;
use runtime::{Checked, Ending, LoadError};

use crate::aligned::AlignedBytes;
use crate::error::{OpenError, OpenProblem};

/// Largest container that is read, in bytes: 2 GiB.
pub const MAX_FILE_BYTES: u64 = 1 << 31;

/// A checked container. Clones share its bytes; threads may, too.
#[derive(Clone, Debug)]
pub struct Model(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    bytes: Bytes,
    checked: Checked,
}

enum Bytes {
    Aligned(AlignedBytes),
    Static(&'static [u8]),
    Owned(Box<Owner>),
}

/// What holds the bytes of a container.
type Owner = dyn AsRef<[u8]> + Send + Sync;

impl Bytes {
    fn get(&self) -> &[u8] {
        match self {
            Bytes::Aligned(bytes) => bytes.bytes(),
            Bytes::Static(bytes) => bytes,
            Bytes::Owned(owner) => (**owner).as_ref(),
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.get().len())
    }
}

impl Model {
    /// Reads the file at `path`, at most [`MAX_FILE_BYTES`], and checks it whole.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which names the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        if let Err(reason) = read {
            return Err(OpenError { name, problem: OpenProblem::Read(reason) });
        }
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(OpenError { name, problem: OpenProblem::TooLarge });
        }
        Self::from_bytes(name, &bytes)
    }

    /// A container in memory, which is copied; `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`OpenProblem::Load`] with the checker's reason.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Result<Self, OpenError> {
        Self::check(name.into(), Bytes::Aligned(AlignedBytes::copy_of(bytes)))
    }

    /// A container that the program holds, such as one of `include_bytes!`, without a copy where
    /// it starts at a multiple of 4 in memory; `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`OpenProblem::Load`] with the checker's reason.
    pub fn from_static(name: impl Into<String>, bytes: &'static [u8]) -> Result<Self, OpenError> {
        if is_aligned(bytes) {
            Self::check(name.into(), Bytes::Static(bytes))
        } else {
            Self::from_bytes(name, bytes)
        }
    }

    /// A container that `owner` holds, such as a file that is mapped into memory, without a copy
    /// where it starts at a multiple of 4 in memory; `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`OpenProblem::Load`] with the checker's reason.
    ///
    /// # Panics
    ///
    /// The model panics, now or later, if `owner` gives other bytes than it gave before.
    pub fn from_owner(
        name: impl Into<String>,
        owner: impl AsRef<[u8]> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        if is_aligned(owner.as_ref()) {
            Self::check(name.into(), Bytes::Owned(Box::new(owner)))
        } else {
            Self::from_bytes(name, owner.as_ref())
        }
    }

    fn check(name: String, bytes: Bytes) -> Result<Self, OpenError> {
        let checked = runtime::Model::new(bytes.get()).map_err(OpenProblem::Load).and_then(|model| {
            let malformed = model.notes().find_map(Result::err);
            malformed.map_or(Ok(model.checked()), |error| Err(OpenProblem::Note(error)))
        });
        match checked {
            Ok(checked) => Ok(Self(Arc::new(Inner { name, bytes, checked }))),
            Err(problem) => Err(OpenError { name, problem }),
        }
    }

    /// The path, or the name given with the bytes.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The container.
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes.get()
    }

    /// What the container holds: inputs, outputs, instructions.
    pub fn container(&self) -> runtime::Model<'_> {
        runtime::Model::again(self.bytes(), &self.0.checked).expect("the bytes that were checked")
    }

    /// SHA-256 of the canonical content: the same however the weights are packed.
    pub fn identity(&self) -> [u8; 32] {
        *self.container().identity()
    }

    /// What the model computes at the end of output `output`, which the program leaves out.
    pub fn ending(&self, output: usize) -> Option<Ending> {
        let output = u16::try_from(output).ok()?;
        self.container().ending(output).expect("notes that were read before")
    }

    /// Names of the first `classes` classes, empty where the container has none for a class; none
    /// at all where it has none for any of them.
    pub fn labels(&self, classes: usize) -> Vec<&str> {
        let container = runtime::Model::again(self.bytes(), &self.0.checked);
        let mut labels = Vec::new();
        for note in container.expect("the bytes that were checked").notes().flatten() {
            let runtime::Note::Label { class, name } = note else { continue };
            let class = class as usize;
            if class < classes {
                labels.resize(classes, "");
                if labels[class].is_empty() {
                    labels[class] = name;
                }
            }
        }
        labels
    }

    /// Bytes of all inputs of a frame.
    pub fn frame_len(&self) -> usize {
        self.container().inputs().map(|input| input.slot.bytes() as usize).sum()
    }

    /// The same model with its weights as `packs` says. Results and identity stay the same.
    ///
    /// # Errors
    ///
    /// [`ProgramError`] where the packed weights are too large for a container.
    pub fn repacked(&self, packs: Packs) -> Result<Self, ProgramError> {
        if self.layouts().iter().all(|layout| layout.is_of(packs)) {
            return Ok(self.clone());
        }
        let container = repack(&Container::read(&self.container()), packs);
        self.rebuilt(write_as(&container, self.identity())?)
    }

    /// The same model for a host's processor: weights as `packs` says, and no tiles. For memory
    /// only: such a container needs a larger arena.
    pub(crate) fn for_host(&self, packs: Packs) -> Result<Self, ProgramError> {
        let container = self.container();
        let options = ReplanOptions { align: HOST_ALIGN, tiles: false };
        let planned = replan(&container, &Dataflow::of(&container)?, options)?;
        self.rebuilt(write_as(&repack(&planned, packs), self.identity())?)
    }

    fn rebuilt(&self, bytes: Vec<u8>) -> Result<Self, ProgramError> {
        let refused = |error: LoadError| ProgramError::Check { error, instruction: None };
        let bytes = Bytes::Aligned(AlignedBytes::copy_of(&bytes));
        let checked = runtime::Model::new(bytes.get()).map_err(refused)?.checked();
        Ok(Self(Arc::new(Inner { name: self.0.name.clone(), bytes, checked })))
    }

    /// The distinct layouts of the model's weights, in the order in which they occur.
    pub fn layouts(&self) -> Vec<Layout> {
        let mut found = Vec::new();
        for instruction in self.container().instructions() {
            instruction.op.operands(&mut |operand| {
                let layout = operand.blob().and_then(|blob| blob.matrix).map(|matrix| matrix.layout);
                found.extend(layout.filter(|layout| !found.contains(layout)));
            });
        }
        found
    }
}

/// Whether `bytes` lie where containers are read in place on every machine.
fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}

/// Bytes of a cache line.
const HOST_ALIGN: u32 = 64;
