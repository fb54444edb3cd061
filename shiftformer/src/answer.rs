//! Outputs as people read them. The integers are the answer; floats are only shown.

use runtime::{Ending, OutputKind};

use crate::logits::{chance, probabilities};
use crate::model::Model;

/// What an output says to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Classes of which one is right: each has a share, by a softmax.
    Shares,
    /// Classes each of which may be right: each has a chance, by a sigmoid.
    Chances,
    /// The class of the largest logit, and nothing else.
    Class,
    /// Numbers that stand for themselves.
    Values,
    /// A vector, of which the direction counts.
    Vector,
    /// A map of height × width × channels.
    Map,
}

impl Reading {
    /// Its name in small letters, such as `shares`.
    pub const fn name(self) -> &'static str {
        match self {
            Reading::Shares => "shares",
            Reading::Chances => "chances",
            Reading::Class => "class",
            Reading::Values => "values",
            Reading::Vector => "vector",
            Reading::Map => "map",
        }
    }
}

/// An output of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutputInfo<'m> {
    /// Its index.
    pub index: usize,
    /// Its name.
    pub name: &'m str,
    /// What it means.
    pub kind: OutputKind,
    /// What the model computes behind it, which the program leaves out.
    pub ending: Option<Ending>,
    /// Dimensions, outermost first, padded with 1.
    pub shape: [u32; 4],
    /// Real value of one unit.
    pub scale: f32,
    /// Values: the product of the dimensions.
    pub len: usize,
}

impl Model {
    /// What the model gives, in the order of its outputs.
    pub fn outputs(&self) -> Vec<OutputInfo<'_>> {
        let container = self.container();
        let outputs = container.outputs().enumerate();
        outputs
            .map(|(index, output)| OutputInfo {
                index,
                name: output.name,
                kind: output.kind,
                ending: self.ending(index),
                shape: output.shape,
                scale: f32::from_bits(output.scale.0),
                len: output.slot.len as usize,
            })
            .collect()
    }
}

impl OutputInfo<'_> {
    /// How it is read: by its ending, and where there is none by its kind. Logits without an
    /// ending are shares where there are several of them, and else a number.
    pub fn reading(&self) -> Reading {
        match (self.kind, self.ending) {
            (OutputKind::Dense, _) => Reading::Map,
            (OutputKind::Values, _) => Reading::Values,
            (_, Some(Ending::Softmax | Ending::LogSoftmax)) => Reading::Shares,
            (_, Some(Ending::Sigmoid)) => Reading::Chances,
            (_, Some(Ending::ArgMax)) => Reading::Class,
            (_, Some(Ending::UnitLength | Ending::UnitSum)) => Reading::Vector,
            (OutputKind::Logits, None) if self.len > 1 => Reading::Shares,
            (OutputKind::Logits, None) => Reading::Values,
            (OutputKind::Embedding, None) => Reading::Vector,
        }
    }

    /// Values of one position: of a map its channels, of others all.
    pub fn channels(&self) -> usize {
        match self.kind {
            OutputKind::Dense => self.shape[2] as usize,
            OutputKind::Logits | OutputKind::Embedding | OutputKind::Values => self.len,
        }
    }

    /// The real values of `values`, which are in units of the scale, as the program gives them:
    /// without the ending.
    pub fn real(&self, values: &[i32]) -> Vec<f32> {
        values.iter().map(|&value| (f64::from(value) * f64::from(self.scale)) as f32).collect()
    }

    /// What the model gives for `values`: their real values with the ending. As many as those,
    /// but behind [`Ending::ArgMax`] one class for each position.
    pub fn ended(&self, values: &[i32]) -> Vec<f32> {
        let Some(ending) = self.ending else { return self.real(values) };
        values.chunks(self.channels().max(1)).flat_map(|values| self.ended_row(values, ending)).collect()
    }

    fn ended_row(&self, values: &[i32], ending: Ending) -> Vec<f32> {
        let divided = |by: f64| values.iter().map(|&value| (f64::from(value) / by) as f32).collect();
        // A vector of zeros stays one.
        let nonzero = |by: f64| if by == 0.0 { 1.0 } else { by };
        match ending {
            Ending::Softmax => probabilities(values, self.scale),
            Ending::LogSoftmax => log_softmax(values, self.scale.into()),
            Ending::Sigmoid => values.iter().map(|&value| chance(value, self.scale)).collect(),
            Ending::UnitLength => divided(nonzero(length(values))),
            Ending::UnitSum => divided(nonzero(values.iter().map(|&value| f64::from(value).abs()).sum())),
            Ending::ArgMax => {
                let mut class = [0];
                quant::arith::top_k(values, &mut class);
                vec![class[0] as f32]
            }
        }
    }

    /// The Euclidean length of the real values.
    pub fn length(&self, values: &[i32]) -> f32 {
        (length(values) * f64::from(self.scale)) as f32
    }
}

/// The Euclidean length of `values`.
fn length(values: &[i32]) -> f64 {
    values.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt()
}

fn log_softmax(values: &[i32], scale: f64) -> Vec<f32> {
    let max = f64::from(values.iter().copied().max().unwrap_or(0));
    let below = |value: i32| (f64::from(value) - max) * scale;
    let sum: f64 = values.iter().map(|&value| below(value).exp()).sum();
    values.iter().map(|&value| (below(value) - sum.ln()) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(kind: OutputKind, ending: Option<Ending>, shape: [u32; 4]) -> OutputInfo<'static> {
        let len = shape.iter().product::<u32>() as usize;
        OutputInfo { index: 0, name: "y", kind, ending, shape, scale: 0.5, len }
    }

    #[test]
    fn endings_decide_before_kinds() {
        use Ending::{ArgMax, LogSoftmax, Sigmoid, Softmax, UnitLength, UnitSum};
        use OutputKind::{Dense, Embedding, Logits, Values};
        for (kind, ending, len, reading) in [
            (Logits, Some(Softmax), 10, Reading::Shares),
            (Embedding, Some(LogSoftmax), 10, Reading::Shares),
            (Logits, Some(Sigmoid), 1, Reading::Chances),
            (Embedding, Some(Sigmoid), 10, Reading::Chances),
            (Logits, Some(ArgMax), 10, Reading::Class),
            (Embedding, Some(UnitLength), 10, Reading::Vector),
            (Embedding, Some(UnitSum), 10, Reading::Vector),
            (Logits, None, 10, Reading::Shares),
            (Logits, None, 1, Reading::Values),
            (Embedding, None, 10, Reading::Vector),
            (Values, None, 4, Reading::Values),
            (Values, Some(Sigmoid), 4, Reading::Values),
            (Dense, None, 4, Reading::Map),
            (Dense, Some(ArgMax), 4, Reading::Map),
        ] {
            let found = output(kind, ending, [len, 1, 1, 1]).reading();
            assert_eq!(found, reading, "{kind:?} {ending:?} {len}");
        }
    }

    #[test]
    fn endings_are_computed_over_the_channels() {
        let row = |ending| output(OutputKind::Logits, Some(ending), [3, 1, 1, 1]);
        let near = |found: Vec<f32>, expected: &[f32]| {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
            }
        };
        // 0, 1 and 3 in units of a half; e⁰ + e¹ + e³ = 23.803819.
        let values = [0, 2, 6];
        near(row(Ending::Softmax).ended(&values), &[0.042_010_1, 0.114_195_2, 0.843_794_7]);
        near(row(Ending::LogSoftmax).ended(&values), &[-3.169_846, -2.169_846, -0.169_846]);
        near(row(Ending::Sigmoid).ended(&values), &[0.5, 0.731_058_6, 0.952_574_1]);
        near(row(Ending::UnitLength).ended(&[6, 0, -8]), &[0.6, 0.0, -0.8]);
        near(row(Ending::UnitSum).ended(&[6, 0, -2]), &[0.75, 0.0, -0.25]);
        near(row(Ending::UnitLength).ended(&[0, 0, 0]), &[0.0; 3]);
        near(row(Ending::ArgMax).ended(&[1, 7, 7]), &[1.0]);
        near(row(Ending::Softmax).real(&values), &[0.0, 1.0, 3.0]);
        assert_eq!(row(Ending::UnitLength).length(&[6, 0, -8]), 5.0);
        let map = output(OutputKind::Dense, Some(Ending::ArgMax), [1, 3, 2, 1]);
        near(map.ended(&[1, 2, 5, 4, 3, 3]), &[1.0, 0.0, 0.0]);
        let extreme = row(Ending::LogSoftmax).ended(&[i32::MIN, 0, i32::MAX]);
        assert_eq!(extreme[2], 0.0);
        assert!(extreme.iter().all(|value| value.is_finite()), "{extreme:?}");
    }
}
