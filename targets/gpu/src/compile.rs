//! Kernels that a GPU has compiled.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::RunError;
use crate::kept::{Kept, Pipelines};
use crate::plan::Kernel;
use crate::source::Text;
use crate::{matrices, spirv};

/// What was compiled, by its text: equal kernels of all programs are one.
pub(crate) struct Compiled {
    layout: wgpu::PipelineLayout,
    /// Those that the driver compiled for earlier processes.
    earlier: Pipelines,
    pipelines: Mutex<HashMap<Text, wgpu::ComputePipeline>>,
    /// Kernels and rows of tiles that are compiled from a wrong text.
    spoiled: Mutex<Vec<String>>,
}

impl Compiled {
    /// Nothing yet, for kernels with `bindings`.
    pub(crate) fn new(device: &wgpu::Device, bindings: &wgpu::BindGroupLayout, earlier: Pipelines) -> Self {
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(bindings)],
            immediate_size: 0,
        });
        Self { layout, earlier, pipelines: Mutex::default(), spoiled: Mutex::default() }
    }

    /// Compiles `kernels`, several at once where there are threads: drivers take a tenth of a second
    /// and more for each.
    pub(crate) fn all(
        &self,
        device: &wgpu::Device,
        kernels: &[&Kernel],
    ) -> Result<Vec<wgpu::ComputePipeline>, RunError> {
        let mut pipelines = Vec::with_capacity(kernels.len());
        for some in kernels.chunks(parallel()) {
            pipelines.append(&mut self.some(device, some)?);
        }
        Ok(pipelines)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn some(
        &self,
        device: &wgpu::Device,
        kernels: &[&Kernel],
    ) -> Result<Vec<wgpu::ComputePipeline>, RunError> {
        std::thread::scope(|scope| {
            let started: Vec<_> =
                kernels.iter().map(|kernel| scope.spawn(|| self.one(device, kernel))).collect();
            let ended = started.into_iter().zip(kernels);
            let joined = ended.map(|(thread, kernel)| {
                thread.join().unwrap_or(Err(RunError::Shader { kernel: kernel.name }))
            });
            joined.collect()
        })
    }

    #[cfg(target_arch = "wasm32")]
    fn some(
        &self,
        device: &wgpu::Device,
        kernels: &[&Kernel],
    ) -> Result<Vec<wgpu::ComputePipeline>, RunError> {
        kernels.iter().map(|kernel| self.one(device, kernel)).collect()
    }

    /// Compiles `kernel`, once.
    fn one(&self, device: &wgpu::Device, kernel: &Kernel) -> Result<wgpu::ComputePipeline, RunError> {
        let cache = || self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = cache().get(&kernel.text) {
            return Ok(pipeline.clone());
        }
        // Validation refuses a kernel, or the driver that compiles it.
        let filters = [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::Internal];
        let scopes = filters.map(|filter| device.push_error_scope(filter));
        let module = match self.text(kernel) {
            Text::Wgsl(text) => translated(device, kernel.name, &text),
            Text::Spirv(words) => passed_through(device, kernel.name, &words),
        };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&self.layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: self.earlier.cache(),
        });
        if is_refused(scopes) {
            return Err(RunError::Shader { kernel: kernel.name });
        }
        cache().insert(kernel.text.clone(), pipeline.clone());
        Ok(pipeline)
    }

    /// Keeps what `kernels` were compiled to in `files`, for later processes.
    pub(crate) fn keep(&self, kernels: &[&Kernel], files: &Kept) {
        self.earlier.keep(kernels.iter().map(|kernel| &kernel.text), files);
    }

    /// See [`Gpu::spoil`](crate::Gpu::spoil).
    pub(crate) fn spoil(&self, name: &str) {
        self.spoiled.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    }

    /// The text of `kernel`; of a spoiled one a text in which only the greatest results are wrong.
    fn text(&self, kernel: &Kernel) -> Text {
        let spoiled = self.spoiled.lock().unwrap_or_else(PoisonError::into_inner);
        if !spoiled.iter().any(|name| kernel.name == name || kernel.row == Some(name)) {
            return kernel.text.clone();
        }
        match &kernel.text {
            Text::Wgsl(text) => {
                let text = text.replace("clamp(z, -128, 127)", "clamp(z, -128, 126)");
                Text::Wgsl(text.replace("clamp(z, -32768, 32767)", "clamp(z, -32768, 32766)").into())
            }
            Text::Spirv(words) => {
                let mut words = words.to_vec();
                spirv::set(&mut words, [("GREATEST_I8", 126), ("GREATEST_I16", 32766)]);
                Text::Spirv(words.into())
            }
        }
    }
}

/// Whether an error was caught. A browser answers later: there the device reports the error itself.
fn is_refused(scopes: [wgpu::ErrorScopeGuard; 2]) -> bool {
    // All are closed, the last one first.
    scopes.into_iter().rev().fold(false, |any, scope| any | matches!(at_once(scope.pop()), Some(Some(_))))
}

/// What `future` gives without waiting, as native drivers do.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// How many kernels are compiled at once.
fn parallel() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A shader of ours without the checks that WebGPU adds to those of strangers: every index of a
/// kernel is compared with the size of what it indexes by the kernel itself, or follows from
/// operands that the container's checker has compared with the arena. Builds with debug
/// assertions, among them those of the tests, keep the checks.
#[allow(unsafe_code)]
fn translated(device: &wgpu::Device, name: &str, text: &str) -> wgpu::ShaderModule {
    let source = wgpu::ShaderSource::Wgsl(text.into());
    let shader = wgpu::ShaderModuleDescriptor { label: Some(name), source };
    if cfg!(debug_assertions) {
        return device.create_shader_module(shader);
    }
    // SAFETY: the text comes from `source`, whose parts are all of this crate, and runs over the
    // bindings that `Program` makes for the plan that it is part of. Loops end, for each counts up
    // to a parameter.
    unsafe { device.create_shader_module_trusted(shader, wgpu::ShaderRuntimeChecks::unchecked()) }
}

/// A module of ours as it is.
#[allow(unsafe_code)]
fn passed_through(device: &wgpu::Device, name: &'static str, words: &[u32]) -> wgpu::ShaderModule {
    assert!(device.features().contains(matrices::FEATURES), "{name} is planned for other devices");
    let main = wgpu::PassthroughShaderEntryPoint { name: "main".into(), workgroup_size: (1, 1, 1) };
    let shader = wgpu::ShaderModuleDescriptorPassthrough {
        label: Some(name),
        entry_points: vec![main].into(),
        spirv: Some(words.into()),
        ..Default::default()
    };
    // SAFETY: the words are a module of this crate in which constants are set, and the device has the
    // features that the module uses, as was just asserted. Its bindings are those of every kernel, and
    // its indices follow from operands that the container's checker has compared with the arena, or
    // are compared with sizes by the kernel itself. Loops end, for each counts up to a parameter.
    unsafe { device.create_shader_module_passthrough(shader) }
}
