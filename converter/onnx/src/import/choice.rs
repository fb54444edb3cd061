//! Choices by a condition, and tests of elements.

use super::importer::{Importer, MAX_ELEMENTS, Result, Value};
use super::op::{Handler, OnnxOp, Refused};
use super::view::dense;
use crate::fold::broadcast;
use crate::model::Array;
use crate::reader::Ignored;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new(
        "Where",
        Handler::Value(|i| i.choose()),
        "a constant condition that picks the same side everywhere",
    ),
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
    /// `Where` with a constant condition that picks one side everywhere.
    pub fn choose(&mut self) -> Result<Value> {
        let condition = self.weights(0, "condition")?;
        let picks = condition.to_i64s();
        let at = if picks.iter().all(|&pick| pick != 0) {
            1
        } else if picks.iter().all(|&pick| pick == 0) {
            2
        } else {
            return Err(self.node.unsupported("masks that differ from element to element are not supported"));
        };
        let shape = |value: &Value| match value {
            Value::Constant(array) => array.shape.clone(),
            Value::View(view) => view.shape(),
        };
        let (x, y) = (self.value(1)?, self.value(2)?);
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

    /// `IsNaN` and `IsInf` of what is computed from an image: never, for finite weights.
    pub fn never(&mut self) -> Result<Array> {
        let shape = self.view(0)?.shape();
        let len = shape.iter().product();
        self.spend(len)?;
        Ok(Array { shape, data: vec![false; len].into() })
    }
}
