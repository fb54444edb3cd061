//! What came of a frame.

use std::time::Duration;

use shiftformer::{Logits, runtime::OutputKind};

use crate::error::ShiftformerError;

/// How long a run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Timings {
    /// Nanoseconds to make the model's frame of a picture; 0 where the frame was given.
    pub prepare_nanoseconds: u64,
    /// Nanoseconds to run the model.
    pub run_nanoseconds: u64,
}

impl Timings {
    pub(crate) fn new(prepare: Duration, run: Duration) -> Self {
        Self { prepare_nanoseconds: nanoseconds(prepare), run_nanoseconds: nanoseconds(run) }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A class among the best.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Ranked {
    /// Its index.
    pub class_index: u32,
    /// Its name, where the model has one.
    pub label: Option<String>,
    /// Its logit, in units of the output's scale.
    pub logit: i32,
    /// Its share of the softmax over all classes; its chance by itself where the model ends in a
    /// sigmoid.
    pub probability: f32,
}

/// A dense map.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct ValueMap {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Values of each position.
    pub channels: u32,
    /// What the model gives: height × width × channels.
    pub values: Vec<f32>,
}

/// What came of one frame: the same integers on every machine, and what people read of them.
#[derive(Clone, Debug, uniffi::Object)]
pub struct Answer {
    model: shiftformer::Model,
    outputs: Vec<Vec<i32>>,
    timings: Timings,
}

impl Answer {
    pub(crate) fn new(model: shiftformer::Model, outputs: Vec<Vec<i32>>, timings: Timings) -> Self {
        Self { model, outputs, timings }
    }

    /// What the model says of output `output`, and its values.
    pub(crate) fn output(
        &self,
        output: u32,
    ) -> Result<(shiftformer::OutputInfo<'_>, &[i32]), ShiftformerError> {
        let index = output as usize;
        let info = self.model.outputs().get(index).copied();
        info.zip(self.outputs.get(index).map(Vec::as_slice)).ok_or_else(|| ShiftformerError::Output {
            reason: format!("the model has no output {output}"),
            hint: format!("it has {}, counted from 0", self.outputs.len()),
        })
    }

    /// The first output of logits.
    fn logits(&self) -> Option<Logits<'_>> {
        let output = self.model.outputs().into_iter().find(|output| output.kind == OutputKind::Logits)?;
        Some(Logits::new(self.outputs.get(output.index)?, output.scale, output.ending))
    }
}

#[uniffi::export]
impl Answer {
    /// The values of an output, in units of its scale.
    ///
    /// # Errors
    ///
    /// [`ShiftformerError::Output`] where there are not so many.
    #[uniffi::method(default(output = 0))]
    pub fn values(&self, output: u32) -> Result<Vec<i32>, ShiftformerError> {
        Ok(self.output(output)?.1.to_vec())
    }

    /// The real value of one unit of an output.
    ///
    /// # Errors
    ///
    /// As [`values`](Self::values).
    #[uniffi::method(default(output = 0))]
    pub fn scale(&self, output: u32) -> Result<f32, ShiftformerError> {
        Ok(self.output(output)?.0.scale)
    }

    /// What the model gives: the real values of an output with what the model computes at its end,
    /// such as a softmax. For an embedding this is the vector.
    ///
    /// # Errors
    ///
    /// As [`values`](Self::values).
    #[uniffi::method(default(output = 0))]
    pub fn ended(&self, output: u32) -> Result<Vec<f32>, ShiftformerError> {
        let (info, values) = self.output(output)?;
        Ok(info.ended(values))
    }

    /// An output as a map: what [`ended`](Self::ended) gives, with its sizes. One value for each
    /// position where the model ends in the best class.
    ///
    /// # Errors
    ///
    /// As [`values`](Self::values).
    #[uniffi::method(default(output = 0))]
    pub fn map(&self, output: u32) -> Result<ValueMap, ShiftformerError> {
        let (info, values) = self.output(output)?;
        let [height, width, ..] = info.shape;
        let values = info.ended(values);
        let positions = (height * width).max(1);
        Ok(ValueMap { height, width, channels: values.len() as u32 / positions, values })
    }

    /// The class of the largest logit, the first of equals; null where the model is no classifier.
    pub fn best(&self) -> Option<u32> {
        self.logits()?.best()
    }

    /// The `k` best classes, best first; none where the model is no classifier.
    pub fn top(&self, k: u32) -> Vec<Ranked> {
        let Some(logits) = self.logits() else { return Vec::new() };
        let labels = self.model.labels(logits.values().len());
        let ranked = logits.top_k(k as usize, &labels).into_iter();
        ranked
            .map(|ranked| Ranked {
                class_index: ranked.class,
                label: ranked.label.map(str::to_owned),
                logit: ranked.logit,
                probability: ranked.probability,
            })
            .collect()
    }

    /// How long it took.
    pub fn timings(&self) -> Timings {
        self.timings
    }
}
