//! The twin of the attendant in a web page: there the browser tells what has ended by itself.

use std::sync::Arc;

use crate::landing::Landing;

/// Nobody.
#[derive(Default)]
pub(crate) struct Attendant;

impl Attendant {
    /// Whether the end of a submission is told: always.
    pub(crate) fn attend(&self, _: &wgpu::Device, _: &wgpu::SubmissionIndex, _: &Arc<Landing>) -> bool {
        true
    }
}
