//! Whoever waits for the GPU where nobody else does. What a driver has to tell it tells those who
//! ask, and a future asks only when it is polled.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::landing::Landing;

/// A submission that somebody wants to hear of.
type Awaited = (wgpu::SubmissionIndex, Arc<Landing>);

/// A thread that waits for one submission after another, from the first on that asks for it. It
/// ends with the attendant.
#[derive(Default)]
pub(crate) struct Attendant(Mutex<Option<Sender<Awaited>>>);

impl Attendant {
    /// Has the end of a submission to `device` told; whether that is possible.
    pub(crate) fn attend(
        &self,
        device: &wgpu::Device,
        index: &wgpu::SubmissionIndex,
        landing: &Arc<Landing>,
    ) -> bool {
        let mut sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.is_none() {
            let (new, awaited) = channel();
            let device = device.clone();
            let thread = thread::Builder::new().name("shiftformer gpu".into());
            *sender = thread.spawn(move || serve(&device, &awaited)).is_ok().then_some(new);
        }
        let awaited = (index.clone(), Arc::clone(landing));
        sender.as_ref().is_some_and(|sender| sender.send(awaited).is_ok())
    }
}

fn serve(device: &wgpu::Device, awaited: &Receiver<Awaited>) {
    for (index, landing) in awaited {
        // The callbacks that tell the landing run in here.
        if device.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None }).is_err() {
            landing.end(false);
        }
    }
}
