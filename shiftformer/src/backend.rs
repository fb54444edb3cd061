//! Which engine, with which kernels.

use std::fmt;
use std::str::FromStr;

use quant::pack::Packs;
use quant::{Kernels, Reference};
use runtime::Model;
use thiserror::Error;

use crate::engine::{Engine, KernelEngine};

/// Where a model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The scalar reference on this machine: the specification, slow.
    Reference,
    /// Fast kernels on this machine.
    #[default]
    Cpu,
}

/// A set of CPU kernels. All give the same results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelSet {
    /// The scalar reference.
    Reference,
    /// Safe Rust that any compiler vectorises.
    #[default]
    Portable,
}

/// A name that is not known, or of something left out of this build.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("this build has no `{name}` {what}; it has: {known}")]
pub struct NotInThisBuild {
    /// What was asked for.
    pub name: String,
    /// The kind of thing.
    pub what: &'static str,
    /// What there is, comma-separated.
    pub known: String,
}

macro_rules! named {
    ($type:ident, $what:literal, $($variant:ident = $name:literal),*) => {
        impl $type {
            /// Every one in this build.
            pub const ALL: &[$type] = &[$($type::$variant),*];

            /// The name on the command line and in reports.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = NotInThisBuild;

            fn from_str(name: &str) -> Result<Self, NotInThisBuild> {
                $type::ALL.iter().copied().find(|item| item.name() == name).ok_or_else(|| NotInThisBuild {
                    name: name.to_owned(),
                    what: $what,
                    known: $type::ALL.iter().map(|item| item.name()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

named!(Backend, "backend", Reference = "reference", Cpu = "cpu");
named!(KernelSet, "kernel set", Reference = "reference", Portable = "portable");

impl KernelSet {
    /// The weight layouts that this set is fastest on; it runs every other one too.
    pub fn preferred_packs(self) -> Packs {
        match self {
            KernelSet::Reference => Reference.preferred_packs(),
            KernelSet::Portable => cpu::Portable.preferred_packs(),
        }
    }
}

/// What to run a model with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// Where.
    pub backend: Backend,
    /// With which kernels; the backend's best where `None`.
    pub kernels: Option<KernelSet>,
}

/// Options that exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the backend `{backend}` has no kernel set `{kernels}`")]
pub struct OptionsError {
    /// The backend asked for.
    pub backend: Backend,
    /// The kernel set asked for.
    pub kernels: KernelSet,
}

impl EngineOptions {
    /// The kernel set these options mean.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] where the backend does not run the kernels asked for.
    pub fn kernel_set(&self) -> Result<KernelSet, OptionsError> {
        match (self.backend, self.kernels) {
            (Backend::Reference, None | Some(KernelSet::Reference)) => Ok(KernelSet::Reference),
            (backend @ Backend::Reference, Some(kernels)) => Err(OptionsError { backend, kernels }),
            (Backend::Cpu, kernels) => Ok(kernels.unwrap_or_default()),
        }
    }
}

/// An engine for `model`, with an arena of its own of exactly
/// [`Model::arena_len`] bytes. Cheap but for that allocation: make one for each thread.
///
/// # Errors
///
/// [`OptionsError`] for options that exclude each other.
pub fn engine<'m>(model: &Model<'m>, options: EngineOptions) -> Result<Box<dyn Engine + 'm>, OptionsError> {
    let backend = options.backend.name();
    Ok(match options.kernel_set()? {
        KernelSet::Reference => Box::new(KernelEngine::new(model, backend, Reference)),
        KernelSet::Portable => Box::new(KernelEngine::new(model, backend, cpu::Portable)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_explained() {
        for backend in Backend::ALL {
            assert_eq!(backend.name().parse(), Ok(*backend));
        }
        for kernels in KernelSet::ALL {
            assert_eq!(kernels.name().parse(), Ok(*kernels));
        }
        let error = "gpu".parse::<Backend>().unwrap_err().to_string();
        assert_eq!(error, "this build has no `gpu` backend; it has: reference, cpu");
    }

    #[test]
    fn the_reference_runs_only_reference_kernels() {
        let options = EngineOptions { backend: Backend::Reference, kernels: Some(KernelSet::Portable) };
        assert!(options.kernel_set().is_err());
        let options = EngineOptions { backend: Backend::Cpu, kernels: Some(KernelSet::Reference) };
        assert_eq!(options.kernel_set(), Ok(KernelSet::Reference));
    }
}
