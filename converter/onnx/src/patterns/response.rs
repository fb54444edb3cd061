//! Global response normalisation of ConvNeXt V2: `L / (mean(L) + ε)` with `L` the length of each
//! channel over the pixels, as `ResponseNormalization`.

use super::fusion::Fusion;
use super::matcher::Matcher;
use super::norm::{root_of, squared};
use crate::model::{Attribute, Node};

/// The normalisation whose division is node `index`.
pub(super) fn response(matcher: &Matcher, index: usize) -> Option<Fusion> {
    let node = matcher.node(index).filter(|node| node.is("Div"))?;
    let (length, divisor) = (node.input(0)?, node.input(1)?);
    let (add, sum) = matcher.made_by(divisor, "Add")?;
    let (mean, epsilon) = matcher.with_scalar(sum).filter(|(_, epsilon)| *epsilon >= 0.0)?;
    let (reduced, reduction) = matcher.made_by(mean, "ReduceMean")?;
    let &[axis] = matcher.kept_axes(reduction)? else { return None };
    if reduction.input(0)? != length {
        return None;
    }
    let mut interior = vec![add, reduced];
    let (x, axes) = match matcher.made_by(length, "ReduceL2") {
        Some((root, reduction)) => {
            interior.push(root);
            (reduction.input(0)?, matcher.kept_axes(reduction)?)
        }
        None => {
            let (sum, root) = root_of(matcher, length)?;
            let (reduced, reduction) = matcher.made_by(sum, "ReduceSum")?;
            let (square, x) = squared(matcher, reduction.input(0)?)?;
            interior.extend(root);
            interior.extend([reduced, square]);
            (x, matcher.kept_axes(reduction)?)
        }
    };
    if !matcher.private(&interior, index) {
        return None;
    }
    let fused =
        Node { name: node.name.into(), ..Node::new("ResponseNormalization", vec![x.into()], node.output()) }
            .with("axes", Attribute::Ints(axes.to_vec()))
            .with("axis", Attribute::Int(axis))
            .with("epsilon", Attribute::Float(epsilon as f32));
    Some(Fusion { root: index, interior, node: fused, constants: Vec::new() })
}
