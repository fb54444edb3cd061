//! Pipelines that the driver has compiled.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{Kept, Kind, Unusable};
use crate::source::Text;

/// What tells texts of kernels apart.
type Mark = [u8; 16];

/// The driver's cache of pipelines, where wgpu has one: through Vulkan.
pub(crate) struct Pipelines {
    cache: Option<wgpu::PipelineCache>,
    /// Texts of the pipelines that the file holds.
    kept: Mutex<BTreeSet<Mark>>,
}

impl Pipelines {
    /// Those of earlier processes.
    pub(crate) fn open(device: &wgpu::Device, kept: &Kept) -> Self {
        if !(kept.is_kept() && device.features().contains(wgpu::Features::PIPELINE_CACHE)) {
            return Self { cache: None, kept: Mutex::default() };
        }
        let read = |content: &[u8]| {
            let (marks, driver) = parsed(content).ok_or(Unusable::Damaged)?;
            Ok((marks, driver.to_vec()))
        };
        let (marks, driver) = kept.read(Kind::Pipelines, read).unzip();
        Self { cache: Some(cache(device, driver.as_deref())), kept: Mutex::new(marks.unwrap_or_default()) }
    }

    /// What pipelines are compiled with.
    pub(crate) fn cache(&self) -> Option<&wgpu::PipelineCache> {
        self.cache.as_ref()
    }

    /// Takes note of compiled `texts`, and writes a file that holds them where one is missing there.
    pub(crate) fn keep<'t>(&self, texts: impl Iterator<Item = &'t Text>, files: &Kept) {
        let Some(cache) = &self.cache else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.len();
        kept.extend(texts.map(mark));
        if kept.len() == before {
            return;
        }
        if let Some(driver) = cache.get_data() {
            files.write(Kind::Pipelines, &content(&kept, &driver));
        }
    }
}

/// A cache with what the driver gave before.
#[allow(unsafe_code)]
fn cache(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    let descriptor = wgpu::PipelineCacheDescriptor { label: None, data, fallback: true };
    // SAFETY: `data` was read from a file that names this adapter, this driver and this wgpu, and whose
    // hash says that it is as `keep` wrote it: with what `get_data` gave. The folder is this user's, or
    // was chosen by who opened the GPU and trusts those who may write there.
    unsafe { device.create_pipeline_cache(&descriptor) }
}

fn mark(text: &Text) -> Mark {
    let hash = match text {
        Text::Wgsl(text) => Sha256::digest(text.as_bytes()),
        Text::Spirv(words) => Sha256::digest(bytemuck::cast_slice(words)),
    };
    std::array::from_fn(|at| hash[at])
}

fn content(marks: &BTreeSet<Mark>, driver: &[u8]) -> Vec<u8> {
    let marks_len = (marks.len() as u32).to_le_bytes();
    let marks: Vec<u8> = marks.iter().flatten().copied().collect();
    [&marks_len[..], &marks, driver].concat()
}

pub(super) fn parsed(content: &[u8]) -> Option<(BTreeSet<Mark>, &[u8])> {
    let (count, rest) = content.split_first_chunk()?;
    let bytes = (u32::from_le_bytes(*count) as usize).checked_mul(size_of::<Mark>())?;
    let (marks, driver) = rest.split_at_checked(bytes)?;
    let (marks, _) = marks.as_chunks();
    Some((marks.iter().copied().collect(), driver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_the_drivers_bytes_come_back() {
        let marks = BTreeSet::from([[1; 16], [2; 16]]);
        let content = content(&marks, b"driver");
        assert_eq!(parsed(&content), Some((marks, &b"driver"[..])));
        for len in 0..content.len() - b"driver".len() {
            assert_eq!(parsed(&content[..len]), None);
        }
    }
}
