//! An open GPU.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::adapter::Adapter;
use crate::attendant::Attendant;
use crate::compile::Compiled;
use crate::error::PlanError;
use crate::kept::{Cache, Kept, Kind, Remark};
use crate::matrices::{self, MatrixShape};
use crate::opening::{Opened, Opening, Request};
use crate::ops::{Choice, Choices, Tiles};
use crate::plan::{Hardware, Means};
use crate::selftest::Verdicts;

/// An open GPU. Clones share it, and threads may too; several programs run on one.
#[derive(Clone)]
pub struct Gpu {
    inner: Arc<Inner>,
    /// Most bytes that a shader may address in one piece.
    pub(crate) binding_bytes: u64,
    /// Most bytes of one piece of memory.
    pub(crate) buffer_bytes: u64,
    /// What its kernels depend on.
    pub(crate) hardware: Hardware,
    /// The only row of the table of tiles that products may take, if there is one.
    only: Option<&'static str>,
    /// The seed by which products take any tile.
    any: Option<u64>,
}

struct Inner {
    adapter: Adapter,
    opening: Opening,
    /// Set by the first error that nobody waits for; results are worth nothing from then on.
    failed: Arc<AtomicBool>,
    kept: Arc<Kept>,
    attendant: Attendant,
    verdicts: Verdicts,
    /// What was measured, here and by earlier processes.
    choices: Mutex<Arc<Choices>>,
}

impl Gpu {
    pub(crate) async fn on(adapter: &wgpu::Adapter, about: Adapter, cache: &Cache) -> Self {
        let kept = Arc::new(Kept::new(cache, &about));
        let mut features = wgpu::Features::TIMESTAMP_QUERY;
        features.set(wgpu::Features::PIPELINE_CACHE, kept.is_kept());
        let mut asked = wgpu::DeviceDescriptor {
            label: Some("shiftformer"),
            required_features: adapter.features() & features,
            required_limits: adapter.limits(),
            ..Default::default()
        };
        if !about.matrices.is_empty() {
            asked.required_features |= matrices::FEATURES;
            asked.experimental_features = matrices::permission();
        }
        let failed = Arc::new(AtomicBool::new(false));
        let request =
            Request { adapter: adapter.clone(), asked, kept: Arc::clone(&kept), failed: Arc::clone(&failed) };
        let opening = Opening::of(request).await;
        let (binding_bytes, buffer_bytes) = (about.binding_bytes, about.buffer_bytes);
        let hardware =
            Hardware { workgroup_bytes: about.workgroup_bytes, matrices: about.matrices.first().copied() };
        let choices = kept.read(Kind::Tiles, Choices::read).unwrap_or_default();
        let inner = Inner {
            adapter: about,
            opening,
            failed,
            kept,
            attendant: Attendant::default(),
            verdicts: Verdicts::default(),
            choices: Mutex::new(Arc::new(choices)),
        };
        Self { inner: Arc::new(inner), binding_bytes, buffer_bytes, hardware, only: None, any: None }
    }

    /// The adapter.
    pub fn adapter(&self) -> &Adapter {
        &self.inner.adapter
    }

    /// The same GPU as if it gave a shader at most `binding_bytes` in one piece, and at most
    /// `buffer_bytes` of memory: for those who share it with others, and for tests. Nothing that is
    /// more than it has.
    pub fn with_limits(self, binding_bytes: u64, buffer_bytes: u64) -> Self {
        Self {
            binding_bytes: self.binding_bytes.min(binding_bytes),
            buffer_bytes: self.buffer_bytes.min(buffer_bytes),
            ..self
        }
    }

    /// The same GPU as if its workgroups shared at most `bytes` of memory, of which WebGPU guarantees
    /// 16 KiB: to try what others do. Nothing that is more than it has.
    pub fn with_workgroup_bytes(mut self, bytes: u32) -> Self {
        self.hardware.workgroup_bytes = self.hardware.workgroup_bytes.min(bytes);
        self
    }

    /// The same GPU as if it had cooperative matrices of this shape alone, or none: to try what others
    /// do. Nothing that it does not [list](Adapter::matrices).
    pub fn with_matrices(mut self, shape: Option<MatrixShape>) -> Self {
        self.hardware.matrices = shape.filter(|shape| self.adapter().matrices.contains(shape));
        self
    }

    /// Rows of the table of tiles, by name: those that products may take here, the largest first.
    pub fn tiles(&self) -> Vec<&'static str> {
        Tiles::default().names(&self.hardware)
    }

    /// Ways in which attention may take cooperative matrices here, likewise.
    pub fn attention_tiles(&self) -> Vec<&'static str> {
        Tiles::default().attention_names(&self.hardware)
    }

    /// The same GPU as if the tables of tiles had this row alone, one of [products](Self::tiles) or one
    /// of [attention](Self::attention_tiles): to measure and to test each. A product that cannot take
    /// it takes a kernel without a tile.
    pub fn with_tile(mut self, row: &'static str) -> Self {
        self.only = Some(row);
        self
    }

    /// The same GPU as if the fastest tile of a product for some number of frames were any, which the
    /// `seed` tells: for tests. Results are the same.
    pub fn with_any_tiles(mut self, seed: u64) -> Self {
        self.any = Some(seed);
        self
    }

    /// What kernels may take of it.
    pub(crate) fn means(&self) -> Means {
        let choice = self.any.map_or_else(|| Choice::Measured(self.choices()), Choice::Any);
        Means { tiles: self.tiles_that_hold().chosen_by(choice), hardware: self.hardware }
    }

    /// Tiles with which no test has failed.
    pub(crate) fn tiles_that_hold(&self) -> Tiles {
        let disabled = self.disabled();
        Tiles::filtered(|row| self.only.is_none_or(|only| only == row) && !disabled.contains(&row))
    }

    /// What was measured so far.
    pub(crate) fn choices(&self) -> Arc<Choices> {
        Arc::clone(&self.inner.choices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds what was measured, also to what other processes have kept in the meantime.
    pub(crate) fn add_choices(&self, newer: &Choices) {
        let kept = self.kept().read(Kind::Tiles, Choices::read).unwrap_or_default();
        let mut choices = self.inner.choices.lock().unwrap_or_else(PoisonError::into_inner);
        for more in [&kept, newer] {
            Arc::make_mut(&mut choices).extend(more);
        }
        self.kept().write(Kind::Tiles, choices.text().as_bytes());
    }

    /// The same GPU with all the memory that it has.
    pub(crate) fn whole(&self) -> Self {
        let Adapter { binding_bytes, buffer_bytes, .. } = *self.adapter();
        Self { binding_bytes, buffer_bytes, ..self.clone() }
    }

    /// Rows of the table of tiles that programs loaded from now on do without, in the order of their
    /// names: the test of a kernel with such a tile gave something else than the reference.
    pub fn disabled(&self) -> Vec<&'static str> {
        self.verdicts().disabled()
    }

    /// What was wrong with files of its [`Cache`] so far.
    pub fn remarks(&self) -> Vec<Remark> {
        // What reads them comes with the device, whether there is one or not.
        let _ = self.inner.opening.get();
        self.inner.kept.remarks()
    }

    /// From now on compiles a wrong text of every kernel that [`shaders`](crate::shaders) calls `name`
    /// or that takes the row `name` of the table of tiles: where it saturates to int8 or int16, the
    /// greatest result is one too small. For tests, as if the driver miscompiled it. What was compiled
    /// before stays as it is.
    pub fn spoil(&self, name: &str) {
        self.compiled().spoil(name);
    }

    /// Gives the device up: what runs on it is lost, and so is whatever is submitted later.
    pub fn lose(&self) {
        self.inner.failed.store(true, Ordering::Release);
        if let Ok(opened) = self.inner.opening.get() {
            opened.device.destroy();
        }
    }

    /// Whether the device is lost, or refused something that nobody waits for.
    pub(crate) fn has_failed(&self) -> bool {
        self.inner.failed.load(Ordering::Acquire)
    }

    /// Waits for the device.
    ///
    /// # Errors
    ///
    /// [`PlanError::Refused`].
    pub(crate) fn ready(&self) -> Result<(), PlanError> {
        let refused = |reason: &str| PlanError::Refused {
            adapter: self.adapter().name.clone(),
            reason: reason.to_owned(),
        };
        self.inner.opening.get().map(|_| ()).map_err(refused)
    }

    /// What [`ready`](Self::ready) has waited for.
    fn opened(&self) -> &Opened {
        self.inner.opening.get().expect("a device that `ready` has waited for")
    }

    pub(crate) fn device(&self) -> &wgpu::Device {
        &self.opened().device
    }

    pub(crate) fn queue(&self) -> &wgpu::Queue {
        &self.opened().queue
    }

    pub(crate) fn attendant(&self) -> &Attendant {
        &self.inner.attendant
    }

    pub(crate) fn verdicts(&self) -> &Verdicts {
        &self.inner.verdicts
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.opened().compiled
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.inner.kept
    }

    pub(crate) fn bindings(&self) -> &wgpu::BindGroupLayout {
        &self.opened().bindings
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gpu").field(&self.inner.adapter.name).finish()
    }
}
