//! Normalisation to unit length: `x / max(‖x‖, ε)` or `x / (‖x‖ + ε)`, as `LpNormalization` with
//! an `epsilon`.

use super::fusion::Fusion;
use super::matcher::Matcher;
use super::norm::{root_of, squared};
use crate::model::{Attribute, Node};
use crate::reader::Reader;

/// The normalisation whose division is node `index`.
pub(super) fn unit(matcher: &Matcher, index: usize) -> Option<Fusion> {
    let node = matcher.node(index).filter(|node| node.is("Div"))?;
    let (x, mut length) = (node.input(0)?, node.input(1)?);
    let mut interior = Vec::new();
    if let Some((expand, inner)) = matcher.made_by(length, "Expand") {
        interior.push(expand);
        // Its shape is that of the dividend, or the division would not be one of elements.
        inner.ignore_input(1);
        length = inner.input(0)?;
    }
    let mut epsilon = 0.0;
    for op in ["Clip", "Max", "Add"] {
        let Some((limit, inner)) = matcher.made_by(length, op) else { continue };
        let (value, least) = (inner.input(0)?, matcher.scalar(inner.input(1)?)?);
        if !(0.0..=1e-3).contains(&least) || inner.input(2).is_some() {
            return None;
        }
        interior.push(limit);
        (length, epsilon) = (value, least);
        break;
    }
    let axis = norm_of(matcher, x, length, &mut interior)?;
    if !matcher.private(&interior, index) {
        return None;
    }
    let fused =
        Node { name: node.name.into(), ..Node::new("LpNormalization", vec![x.into()], node.output()) }
            .with("axis", Attribute::Int(axis))
            .with("epsilon", Attribute::Float(epsilon as f32));
    Some(Fusion { root: index, interior, node: fused, constants: Vec::new() })
}

/// The axis along which `length` is the Euclidean norm of `x`.
fn norm_of(matcher: &Matcher, x: &str, length: &str, interior: &mut Vec<usize>) -> Option<i64> {
    if let Some((index, reduce)) = matcher.made_by(length, "ReduceL2") {
        interior.push(index);
        return (reduce.input(0)? == x).then(|| one_axis(matcher, reduce))?;
    }
    let (sum, root) = root_of(matcher, length)?;
    interior.extend(root);
    let (index, reduce) = matcher.made_by(sum, "ReduceSum")?;
    let (square, of) = squared(matcher, reduce.input(0)?)?;
    interior.extend([index, square]);
    (of == x).then(|| one_axis(matcher, reduce))?
}

/// The one axis of a reduction that is kept.
fn one_axis<'a>(matcher: &Matcher<'a>, reduce: &Reader<'a>) -> Option<i64> {
    match *matcher.kept_axes(reduce)? {
        [axis] => Some(axis),
        _ => None,
    }
}
