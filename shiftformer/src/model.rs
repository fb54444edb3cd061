//! Models that own their bytes.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use program::{Container, Dataflow, ProgramError, ReplanOptions, front, load, repack, replan, write_as};
use quant::operand::Layout;
use quant::pack::Packs;
use runtime::{Checked, Ending};

use crate::aligned::AlignedBytes;
use crate::error::{OpenError, OpenProblem};

/// Largest container that is read, in bytes: 2 GiB.
pub const MAX_FILE_BYTES: u64 = 1 << 31;

/// A checked container. Clones share its bytes; threads may, too.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    name: String,
    content: Content,
    checked: Checked,
    /// What [`for_host`](Model::for_host) gave last, while somebody has it.
    on_host: Mutex<Option<(Packs, Weak<Inner>)>>,
}

/// Where a container lies.
enum Content {
    /// In one piece.
    Whole(Bytes),
    /// A program that was laid out anew, and the constants that it is over.
    Parts { front: AlignedBytes, constants: Constants, whole: OnceLock<Vec<u8>> },
}

enum Constants {
    Own(AlignedBytes),
    Of(Model),
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

impl Constants {
    fn get(&self) -> &[u8] {
        match self {
            Constants::Own(bytes) => bytes.bytes(),
            Constants::Of(model) => model.container().blobs(),
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name(), self.container().file_len())
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
        match read(path) {
            Ok(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => {
                Err(OpenError { name, problem: OpenProblem::TooLarge })
            }
            Ok(bytes) => Self::from_owner(name, bytes),
            Err(reason) => Err(OpenError { name, problem: OpenProblem::Read(reason) }),
        }
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
        let checked = load(bytes.get()).map_err(OpenProblem::Load).and_then(|model| {
            let malformed = model.notes().find_map(Result::err);
            malformed.map_or(Ok(model.checked()), |error| Err(OpenProblem::Note(error)))
        });
        match checked {
            Ok(checked) => Ok(Self::new(name, Content::Whole(bytes), checked)),
            Err(problem) => Err(OpenError { name, problem }),
        }
    }

    fn new(name: String, content: Content, checked: Checked) -> Self {
        Self(Arc::new(Inner { name, content, checked, on_host: Mutex::default() }))
    }

    /// The path, or the name given with the bytes.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The container. Where its program was laid out anew, the first call puts it together.
    pub fn bytes(&self) -> &[u8] {
        match &self.0.content {
            Content::Whole(bytes) => bytes.get(),
            Content::Parts { whole, .. } => whole.get_or_init(|| {
                let container = self.container();
                write_as(&Container::read(&container), self.identity()).expect("the program that was checked")
            }),
        }
    }

    /// What the container holds: inputs, outputs, instructions.
    pub fn container(&self) -> runtime::Model<'_> {
        let container = match &self.0.content {
            Content::Whole(bytes) => runtime::Model::again(bytes.get(), &self.0.checked),
            Content::Parts { front, constants, .. } => {
                runtime::Model::again_in_parts(front.bytes(), constants.get(), &self.0.checked)
            }
        };
        container.expect("the bytes that were checked")
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
        let mut labels = Vec::new();
        for note in self.container().notes().flatten() {
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
        let (content, checked) = self.laid_out(container)?;
        Ok(Self::new(self.0.name.clone(), content, checked))
    }

    /// The same model for a host's processor: weights as `packs` says, and no tiles. For memory
    /// only: such a container needs a larger arena. Constants that lie as they should stay where
    /// they are, and whoever asks while somebody has such a model gets that one.
    pub(crate) fn for_host(&self, packs: Packs) -> Result<Self, ProgramError> {
        let mut on_host = self.0.on_host.lock().unwrap_or_else(PoisonError::into_inner);
        let known = on_host.as_ref().filter(|(of, _)| *of == packs);
        if let Some(inner) = known.and_then(|(_, inner)| inner.upgrade()) {
            return Ok(Self(inner));
        }
        let container = self.container();
        let options = ReplanOptions { align: HOST_ALIGN, tiles: false };
        let planned = replan(&container, &Dataflow::of(&container)?, options)?;
        let right = self.layouts().iter().all(|layout| layout.is_of(packs));
        let (content, checked) = self.laid_out(if right { planned } else { repack(&planned, packs) })?;
        let inner = Arc::new_cyclic(|itself| Inner {
            name: self.0.name.clone(),
            content,
            checked,
            // For the same processor it is laid out already.
            on_host: Mutex::new(Some((packs, itself.clone()))),
        });
        *on_host = Some((packs, Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// `container`, which was made of this model, over constants of its own or over this model's.
    fn laid_out(&self, container: Container<'_>) -> Result<(Content, Checked), ProgramError> {
        let front = AlignedBytes::from(front(&container, self.identity())?);
        let constants = match container.blobs {
            Cow::Borrowed(_) => Constants::Of(self.clone()),
            Cow::Owned(bytes) => Constants::Own(bytes.into()),
        };
        let checked = runtime::Model::in_parts(front.bytes(), constants.get()).map(|model| model.checked());
        let checked = checked.map_err(|error| ProgramError::Check { error, instruction: None })?;
        Ok((Content::Parts { front, constants, whole: OnceLock::new() }, checked))
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

/// The file at `path`, and not much more of it than may be read.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let expected = file.metadata()?.len().min(MAX_FILE_BYTES) as usize;
    // With one byte to spare, the end is found without growing.
    let mut bytes = Vec::with_capacity(expected + 1);
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether `bytes` lie where containers are read in place on every machine.
fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}

/// Bytes of a cache line.
const HOST_ALIGN: u32 = 64;
