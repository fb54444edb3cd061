//! What people read of a model's integers on a device: the class, its name, and with the feature
//! `probability` its share or chance.
//!
//! `no_std`, no heap, no `unsafe`. The class comes from the integers; floats are only shown. What
//! the figures mean follows from what the container notes of the model's end
//! ([`Ending`](runtime::Ending)): shares behind a softmax and of logits, a chance behind a sigmoid, and the class
//! alone behind an argmax.
#![no_std]

#[cfg(test)]
extern crate std;

#[cfg(feature = "probability")]
mod probability;

#[cfg(feature = "probability")]
pub use probability::{chance, share};

use quant::arith::argmax;
use runtime::{Model, NoteError};

/// The best class of an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer<'m> {
    /// The class of the largest logit, the lowest of several.
    pub class: u32,
    /// Its name, where the container has one.
    pub label: Option<&'m str>,
    /// Its logit, in units of the output's scale.
    pub logit: i32,
    /// Its share or chance, 0 to 1; none where the model gives only the class, or no class.
    #[cfg(feature = "probability")]
    pub probability: Option<f32>,
}

impl<'m> Answer<'m> {
    /// What the `values` of output number `output` say; `None` without values, and where `model`
    /// has no such output. Reads the container's notes from the first on.
    ///
    /// # Errors
    ///
    /// [`NoteError`] where a note is malformed, or newer than this build.
    pub fn of(model: &Model<'m>, output: u16, values: &[i32]) -> Result<Option<Self>, NoteError> {
        let Some(described) = model.output(output.into()) else { return Ok(None) };
        let Some(class) = argmax(values) else { return Ok(None) };
        let Some(&logit) = values.get(class) else { return Ok(None) };
        let class = class as u32;
        let (label, ending) = (model.label(class)?, model.ending(output)?);
        #[cfg(feature = "probability")]
        let probability = probability::of(&described, ending, values, logit);
        #[cfg(not(feature = "probability"))]
        let _ = (described, ending);
        Ok(Some(Self {
            class,
            label,
            logit,
            #[cfg(feature = "probability")]
            probability,
        }))
    }
}

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
