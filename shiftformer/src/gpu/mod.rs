//! A GPU as an engine.

mod fallback;
mod run;

use gpu::{PlanError, Program};
use quant::pack::Packs;

use crate::backend::{Backend, Limits, Preparing, Run};
use crate::blocking::block_on;
use crate::error::PrepareError;
use crate::model::Model;
pub use fallback::GpuOrCpu;
pub use gpu::{
    Adapter, AdapterKind, Cache as GpuCache, MatrixShape, OpenError as GpuError, Remark as GpuRemark, Tuned,
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
pub struct Gpu {
    gpu: gpu::Gpu,
    /// Whether models are measured before they run.
    tunes: bool,
}

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
        Ok(Self { gpu: gpu::Gpu::open(asked).await?, tunes: false })
    }

    /// As [`open`](Self::open), with what earlier processes kept in `cache`, such as
    /// [`GpuCache::of_user`]: shaders that were compiled there are not compiled again.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open). What is wrong with files is none: see [`remarks`](Self::remarks).
    pub fn open_with(asked: Option<&str>, cache: &GpuCache) -> Result<Self, GpuError> {
        Ok(Self { gpu: block_on(gpu::Gpu::open_with(asked, cache))?, tunes: false })
    }

    /// The GPUs of this system, the one that is taken by default first.
    pub fn adapters() -> Vec<Adapter> {
        block_on(gpu::adapters())
    }

    /// This one.
    pub fn adapter(&self) -> &Adapter {
        self.gpu.adapter()
    }

    /// What was wrong with files of its [`GpuCache`] so far; it does without them.
    pub fn remarks(&self) -> Vec<GpuRemark> {
        self.gpu.remarks()
    }

    /// The same GPU as if its workgroups shared at most `bytes` of memory, of which WebGPU guarantees
    /// 16 KiB: to try what others do. Results are the same.
    pub fn with_workgroup_bytes(self, bytes: u32) -> Self {
        Self { gpu: self.gpu.with_workgroup_bytes(bytes), ..self }
    }

    /// The same GPU as if it had cooperative matrices of this shape alone, or none: to try what others
    /// do. Nothing that it does not [list](Adapter::matrices). Results are the same.
    pub fn with_matrices(self, shape: Option<MatrixShape>) -> Self {
        Self { gpu: self.gpu.with_matrices(shape), ..self }
    }

    /// Names of the tiles into which matrix products may be cut here, the largest of a kind first.
    pub fn tiles(&self) -> Vec<&'static str> {
        self.gpu.tiles()
    }

    /// Names of the ways in which attention may take cooperative matrices here, likewise.
    pub fn attention_tiles(&self) -> Vec<&'static str> {
        self.gpu.attention_tiles()
    }

    /// The same GPU as if there were this tile alone, one of [products](Self::tiles) or one of
    /// [attention](Self::attention_tiles): to measure and to test each. What cannot take it takes
    /// none. Results are the same.
    pub fn with_tile(self, name: &'static str) -> Self {
        Self { gpu: self.gpu.with_tile(name), ..self }
    }

    /// The same GPU as if the fastest tile of a product were any, which the `seed` tells: for tests.
    /// Results are the same.
    pub fn with_any_tiles(self, seed: u64) -> Self {
        Self { gpu: self.gpu.with_any_tiles(seed), ..self }
    }

    /// The same GPU, which [tunes](Self::tune) each model before it runs, but for products that were
    /// measured before; one that does not tell the time runs it as it is.
    pub fn tuning(self) -> Self {
        Self { tunes: true, ..self }
    }

    /// Measures the matrix products of `model` with every [tile](Self::tiles), for 1, 8 and 64 frames
    /// at once. Sessions that are made from now on take the fastest ones; so do those of later
    /// processes where the GPU was [opened with](Self::open_with) a cache. Takes from a second on a
    /// card to minutes on software. `progress` is told how many of how many measurements are done.
    /// Results stay the same.
    ///
    /// # Errors
    ///
    /// [`PrepareError`]: as making a session does, and where the GPU does not tell the time.
    pub fn tune(
        &self,
        model: &Model,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Tuned>, PrepareError> {
        let planned = model.for_host(Packs::CANONICAL)?;
        Ok(block_on(self.gpu.tune(&planned.container(), true, progress))?)
    }

    async fn run(&self, model: &Model) -> Result<GpuRun, PrepareError> {
        let planned = model.for_host(Packs::CANONICAL)?;
        if self.tunes {
            match self.gpu.tune(&planned.container(), false, &mut |_, _| {}).await {
                // Nothing can be measured there, and it runs as it is.
                Ok(_) | Err(PlanError::NoClock) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let program = Program::load(&self.gpu, &planned.container()).await?;
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
