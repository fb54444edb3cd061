//! What a driver makes of an adapter, for which some take a tenth of a second: a thread of its own asks
//! for it, so that a program can be planned in the meantime.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use crate::compile::Compiled;
use crate::kept::{Kept, Pipelines};

/// A device, and what belongs to it alone.
pub(crate) struct Opened {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// The bindings of every kernel.
    pub bindings: wgpu::BindGroupLayout,
    pub compiled: Compiled,
}

/// A device, or the driver's words.
type Answer = Result<Opened, String>;

/// A device that is asked for, or has been. Whoever drops it waits for the driver.
pub(crate) struct Opening {
    answer: OnceLock<Answer>,
    thread: Mutex<Option<JoinHandle<Answer>>>,
}

/// What a device is asked for with.
#[derive(Clone)]
pub(crate) struct Request {
    pub adapter: wgpu::Adapter,
    pub asked: wgpu::DeviceDescriptor<'static>,
    pub kept: Arc<Kept>,
    /// Set by the first error that nobody waits for.
    pub failed: Arc<AtomicBool>,
}

impl Opening {
    /// A thread asks where there are threads.
    pub(crate) async fn of(request: Request) -> Self {
        let thread = thread(&request);
        let answer = if thread.is_some() { OnceLock::new() } else { request.answer().await.into() };
        Self { answer, thread: Mutex::new(thread) }
    }

    /// The device, which is waited for.
    pub(crate) fn get(&self) -> Result<&Opened, &str> {
        let join = |thread: JoinHandle<Answer>| thread.join().ok();
        let answer = self.answer.get_or_init(|| {
            self.take().and_then(join).unwrap_or_else(|| Err("its driver ended the thread".to_owned()))
        });
        answer.as_ref().map_err(String::as_str)
    }

    fn take(&self) -> Option<JoinHandle<Answer>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        // A process that ends while a driver opens a device may not end well. What the thread says
        // concerns nobody any more.
        if let Some(thread) = self.take() {
            let _ = thread.join();
        }
    }
}

/// The thread that asks; `None` where there is none to be had.
#[cfg(not(target_arch = "wasm32"))]
fn thread(request: &Request) -> Option<JoinHandle<Answer>> {
    let request = request.clone();
    let unanswered = || Err("its driver does not answer".to_owned());
    // Native drivers answer at once.
    let ask = move || crate::compile::at_once(request.answer()).unwrap_or_else(unanswered);
    std::thread::Builder::new().name("shiftformer gpu opens".into()).spawn(ask).ok()
}

#[cfg(target_arch = "wasm32")]
fn thread(_: &Request) -> Option<JoinHandle<Answer>> {
    None
}

impl Request {
    async fn answer(self) -> Answer {
        let answer = self.adapter.request_device(&self.asked).await;
        let (device, queue) = answer.map_err(|error| error.to_string())?;
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
        let bindings = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &[
                entry(0, storage(false)),
                entry(1, storage(true)),
                entry(2, wgpu::BufferBindingType::Uniform),
            ],
        });
        let compiled = Compiled::new(&device, &bindings, Pipelines::open(&device, &self.kept));
        let told = Arc::clone(&self.failed);
        device.on_uncaptured_error(Arc::new(move |_| told.store(true, Ordering::Release)));
        let told = self.failed;
        device.set_device_lost_callback(move |_, _| told.store(true, Ordering::Release));
        Ok(Opened { device, queue, bindings, compiled })
    }
}
