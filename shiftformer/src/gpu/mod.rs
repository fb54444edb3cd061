//! A GPU as an engine.

mod fallback;
mod run;

use gpu::Program;
use quant::pack::Packs;

use crate::backend::{Backend, Limits, Preparing, Run};
use crate::blocking::block_on;
use crate::error::PrepareError;
use crate::model::Model;
pub use fallback::GpuOrCpu;
pub use gpu::{
    Adapter, AdapterKind, Cache as GpuCache, MatrixShape, OpenError as GpuError, Remark as GpuRemark,
};
use run::GpuRun;

/// A GPU, through Vulkan, Metal, Direct3D 12 or, in a web page, WebGPU.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let frames: Vec<Vec<u8>> = Vec::new();
/// use shiftformer::{Cpu, Gpu, Model};
///
/// let model = Model::open("model.shf")?;
/// let gpu = Gpu::open(None)?.or_cpu(Cpu::best());
/// let mut session = model.session_on(&gpu)?;
/// if let Some(fallback) = session.fallback() {
///     eprintln!("runs on {}: {}", fallback.backend, fallback.reason);
/// }
/// for outputs in session.run_batch(&frames)?.iter() {
///     println!("class {:?}", outputs.logits().and_then(|logits| logits.best()));
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Gpu(gpu::Gpu);

impl Gpu {
    /// Opens the GPU that `asked` names: its number in the list of [`adapters`](Self::adapters),
    /// or a part of its name; the best one where it is `None`. Waits for the driver. Nothing of what
    /// it compiles is kept for other processes.
    ///
    /// # Errors
    ///
    /// [`GpuError`], which lists those that there are.
    pub fn open(asked: Option<&str>) -> Result<Self, GpuError> {
        block_on(Self::open_async(asked))
    }

    /// As [`open`](Self::open), for those who may not wait.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_async(asked: Option<&str>) -> Result<Self, GpuError> {
        Ok(Self(gpu::Gpu::open(asked).await?))
    }

    /// As [`open`](Self::open), with what earlier processes kept in `cache`, such as
    /// [`GpuCache::of_user`]: shaders that were compiled there are not compiled again.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open). What is wrong with files is none: see [`remarks`](Self::remarks).
    pub fn open_with(asked: Option<&str>, cache: &GpuCache) -> Result<Self, GpuError> {
        Ok(Self(block_on(gpu::Gpu::open_with(asked, cache))?))
    }

    /// The GPUs of this system, the one that is taken by default first.
    pub fn adapters() -> Vec<Adapter> {
        block_on(gpu::adapters())
    }

    /// This one.
    pub fn adapter(&self) -> &Adapter {
        self.0.adapter()
    }

    /// What was wrong with files of its [`GpuCache`] so far; it does without them.
    pub fn remarks(&self) -> Vec<GpuRemark> {
        self.0.remarks()
    }

    /// The same GPU as if its workgroups shared at most `bytes` of memory, of which WebGPU guarantees
    /// 16 KiB: to try what others do. Results are the same.
    pub fn with_workgroup_bytes(self, bytes: u32) -> Self {
        Self(self.0.with_workgroup_bytes(bytes))
    }

    /// The same GPU as if it had cooperative matrices of this shape alone, or none: to try what others
    /// do. Nothing that it does not [list](Adapter::matrices). Results are the same.
    pub fn with_matrices(self, shape: Option<MatrixShape>) -> Self {
        Self(self.0.with_matrices(shape))
    }

    /// Names of the tiles into which matrix products may be cut here, the largest of a kind first.
    pub fn tiles(&self) -> Vec<&'static str> {
        self.0.tiles()
    }

    /// Names of the ways in which attention may take cooperative matrices here, likewise.
    pub fn attention_tiles(&self) -> Vec<&'static str> {
        self.0.attention_tiles()
    }

    /// The same GPU as if there were this tile alone, one of [products](Self::tiles) or one of
    /// [attention](Self::attention_tiles): to measure and to test each. What cannot take it takes
    /// none. Results are the same.
    pub fn with_tile(self, name: &'static str) -> Self {
        Self(self.0.with_tile(name))
    }

    async fn run(&self, model: &Model) -> Result<GpuRun, PrepareError> {
        let planned = model.for_host(Packs::CANONICAL)?;
        let program = Program::load(&self.0, &planned.container()).await?;
        Ok(GpuRun::new(program, model.frame_len()))
    }
}

impl Backend for Gpu {
    fn name(&self) -> String {
        "gpu".to_owned()
    }

    fn limits(&self) -> Limits {
        Limits { parallel: PARALLEL }
    }

    fn prepare<'a>(&'a self, model: &'a Model) -> Preparing<'a> {
        Box::pin(async move { Ok(Box::new(self.run(model).await?) as Box<dyn Run>) })
    }
}

/// Frames that are worth giving a GPU at once: with fewer, most of it waits.
const PARALLEL: usize = 16;
