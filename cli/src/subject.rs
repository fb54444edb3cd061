//! What is measured: a container, or an architecture with random weights.

use std::path::PathBuf;

use converter::BuildOptions;
use converter::arch::{ARCHS, Arch};
use shiftformer::Model;

use crate::failure::Failure;
use crate::progress::Progress;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct SubjectArgs {
    /// The container.
    pub model: Option<PathBuf>,
    /// An architecture with random weights: deit-tiny, deit-small, deit-base, micro.
    #[arg(long, value_parser = arch)]
    pub arch: Option<Arch>,
}

/// Seed of random weights.
const SEED: u64 = 1;

impl SubjectArgs {
    /// The container to measure.
    pub fn open(&self) -> Result<Model, Failure> {
        match (&self.model, self.arch) {
            (Some(path), _) => Ok(Model::open(path)?),
            (None, Some(arch)) => {
                let _progress = Progress::spinner(format!("building {}", arch.name));
                let container = converter::build(&arch.random(SEED), BuildOptions::default());
                let container = container.map_err(Failure::convert(arch.name))?;
                Ok(Model::from_bytes(arch.name, &container)?)
            }
            (None, None) => {
                Err(Failure::new("there is nothing to measure").help("give a container or --arch"))
            }
        }
    }
}

fn arch(name: &str) -> Result<Arch, String> {
    let known = || ARCHS.map(|arch| arch.name).join(", ");
    Arch::by_name(name).ok_or_else(|| format!("there is no such architecture; there are: {}", known()))
}
