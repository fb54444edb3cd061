//! What casts of constants and of computed tensors have in common.

use super::model::Element;
use super::reader::Ignored;
use super::tensor;

/// What no cast between the element types that are read depends on.
pub(crate) const IGNORED: &[Ignored] = &[
    Ignored::new("round_mode", "only floats of 8 bits are rounded by it, and are refused"),
    Ignored::new("saturate", "only floats of 8 bits are limited by it, and are refused"),
];

/// The element type that a `Cast` to `DataType` `code` gives; none if it is not read.
pub(crate) fn target(code: i64) -> Option<Element> {
    tensor::element(i32::try_from(code).ok()?)
}
