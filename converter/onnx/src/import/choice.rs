//! Choices by a condition, and tests of elements.

use super::elementwise::uniform;
use super::importer::{Importer, MAX_ELEMENTS, Result, Value};
use super::masks::excludes;
use super::op::{Handler, OnnxOp, Refused};
use super::view::{View, dense};
use crate::fold::broadcast;
use crate::model::{Array, Guard};
use crate::reader::Ignored;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new(
        "Where",
        Handler::Value(|i| i.choose()),
        "a constant condition that picks the same side everywhere, or scores of a softmax and one number of −10,000 or less",
    ),
    OnnxOp::new("If", Handler::Values(|i| i.branch()), "a condition that follows from constants and shapes"),
    OnnxOp::new("IsNaN", Handler::Value(|i| i.never().map(Value::from)), "no element is, for finite weights"),
    OnnxOp::new("IsInf", Handler::Value(|i| i.never().map(Value::from)), "no element is, for finite weights")
        .ignoring(&[
            Ignored::new("detect_negative", "no element is infinite"),
            Ignored::new("detect_positive", "no element is infinite"),
        ]),
];

pub(super) const REFUSED: &[Refused] = &[Refused {
    names: &["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not"],
    instead: "comparisons are supported as where(x >= 0, 1, -1), the sign of x, and as where(p >= ratio · max, 1, 0) \
              of a softmax p and its largest element along the same axis, in binarized models",
}];

impl Importer<'_> {
    /// Whether the node at hand is in no branch that does not count.
    pub(super) fn counts(&mut self, guards: &[Guard]) -> Result<bool> {
        for guard in guards {
            let Some(condition) = self.known(&guard.condition) else {
                return Err(self.node.unsupported(format!(
                    "it is in a branch of an `If` whose condition `{}` depends on the image; export with fixed \
                     shapes, by tracing",
                    guard.condition
                )));
            };
            if condition.to_i64s() != [i64::from(guard.holds)] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `If`: what the branch that counts makes.
    fn branch(&mut self) -> Result<Vec<Value>> {
        let holds = self.weights(0, "condition")?.to_i64s() == [1];
        let count = self.node.outputs.len();
        (0..=2 * count).for_each(|at| self.node.ignore_input(at));
        let first = if holds { 1 } else { 1 + count };
        (first..first + count).map(|at| self.value(at)).collect()
    }

    /// `Where` with a constant condition: one that picks one side everywhere, or a mask.
    fn choose(&mut self) -> Result<Value> {
        let condition = self.weights(0, "condition")?;
        let (x, y) = (self.value(1)?, self.value(2)?);
        let picks = condition.to_i64s();
        let at = if picks.iter().all(|&pick| pick != 0) {
            1
        } else if picks.iter().all(|&pick| pick == 0) {
            2
        } else {
            return match (x, y) {
                (Value::View(scores), Value::Constant(low)) => self.mask(&scores, &condition, &low, false),
                (Value::Constant(low), Value::View(scores)) => self.mask(&scores, &condition, &low, true),
                _ => Err(self.node.unsupported(
                    "a condition that differs from element to element picks scores of a softmax or numbers only",
                )),
            }
            .map(Value::from);
        };
        let shape = |value: &Value| match value {
            Value::Constant(array) => array.shape.clone(),
            Value::View(view) => view.shape(),
        };
        let joint = broadcast(&shape(&x), &shape(&y)).and_then(|joint| broadcast(&joint, &condition.shape));
        let Some(joint) = joint else { return Err(self.node.invalid("its inputs do not broadcast")) };
        match if at == 1 { x } else { y } {
            Value::View(view) => view.expand(&joint).map(Value::View).ok_or_else(|| self.unknown()),
            Value::Constant(array) => {
                let len = joint.iter().try_fold(1_usize, |n, &dim| n.checked_mul(dim));
                let Some(len) = len.filter(|&len| len <= MAX_ELEMENTS) else {
                    return Err(self.too_large());
                };
                let order: Vec<usize> = (0..joint.len()).collect();
                let values = self.to_storage(&dense(&joint, &order), len, &array)?;
                Ok(Array { shape: joint, data: values.into() }.into())
            }
        }
    }

    /// `scores` where `condition` is not `masked`, and `low` elsewhere.
    fn mask(&mut self, scores: &View, condition: &Array, low: &Array, masked: bool) -> Result<View> {
        let name = self.node.output();
        let number = uniform(low).filter(|&low| self.ends_in_softmax(name) && excludes(low));
        let Some(number) = number else {
            return Err(self.node.unsupported(
                "a condition that differs from element to element is supported as a mask: scores that only a softmax \
                 reads where it picks them, and −inf or one number of −10,000 or less elsewhere",
            ));
        };
        let hidden: Vec<bool> = condition.to_i64s().iter().map(|&picks| (picks != 0) == masked).collect();
        let hidden = Array { shape: condition.shape.clone(), data: hidden.into() };
        let joint = broadcast(&hidden.shape, &low.shape).ok_or_else(|| self.unknown())?;
        let len = joint.iter().try_fold(1_usize, |n, &dim| n.checked_mul(dim));
        let len = len.filter(|&len| len <= MAX_ELEMENTS).ok_or_else(|| self.too_large())?;
        let order: Vec<usize> = (0..joint.len()).collect();
        let axes = dense(&joint, &order);
        let hidden = self.to_storage(&axes, len, &hidden)?;
        self.exclude(scores, joint, hidden.into_iter().map(|hidden| hidden != 0.0), number)
    }

    /// `IsNaN` and `IsInf` of what is computed from an image: never, for finite weights.
    pub fn never(&mut self) -> Result<Array> {
        let shape = self.view(0)?.shape();
        let len = shape.iter().product();
        self.spend(len)?;
        Ok(Array { shape, data: vec![false; len].into() })
    }
}
