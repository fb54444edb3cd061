//! LayerNorm written as its steps:
//! `d = x − mean(x)`, `d / √(mean(d²) + ε) · γ + β`.

use super::fusion::Fusion;
use super::matcher::Matcher;
use crate::model::{Array, Attribute, Node};
use crate::reader::Reader;

/// The part of a LayerNorm without γ and β.
struct Standardised<'a> {
    x: &'a str,
    epsilon: f64,
    axes: Vec<i64>,
    /// Its nodes but the last.
    interior: Vec<usize>,
}

/// A LayerNorm whose division, or multiplication with a reciprocal, is node `index`.
pub(super) fn layer_norm(matcher: &Matcher, index: usize) -> Option<Fusion> {
    let node = matcher.node(index)?;
    let mut core = standardised(matcher, node)?;
    let mut root = index;
    let mut output = node.output();
    let mut constants = [None, None];
    for (constant, op) in constants.iter_mut().zip(["Mul", "Add"]) {
        if let Some((next, node)) = matcher.only_reader(output).filter(|(_, node)| node.is(op))
            && let Some(array) = parameter(matcher, node, core.axes.len())
        {
            core.interior.push(root);
            root = next;
            output = node.output();
            *constant = Some(array);
        }
    }
    let [gamma, beta] = constants;
    // Which axis is the last is known only by γ if the axis is counted from the start.
    if core.axes[0] >= 0 && (gamma.is_none() || core.axes.len() > 1) {
        return None;
    }
    if !matcher.private(&core.interior, root) {
        return None;
    }
    let named = |array: Option<Array>, role: &str| array.map(|array| (format!("{output}/{role}"), array));
    let (gamma, beta) = (named(gamma, "scale"), named(beta, "bias"));
    let name = |constant: &Option<(String, Array)>| {
        constant.as_ref().map_or(String::new(), |(name, _)| name.clone())
    };
    let inputs = vec![core.x.into(), name(&gamma), name(&beta)];
    let node =
        Node { name: matcher.node(root)?.name.into(), ..Node::new("LayerNormalization", inputs, output) }
            .with("axis", Attribute::Int(core.axes[0]))
            .with("epsilon", Attribute::Float(core.epsilon as f32));
    Some(Fusion { root, interior: core.interior, node, constants: gamma.into_iter().chain(beta).collect() })
}

/// The constant operand of `node` with `rank` dimensions, leading ones dropped.
fn parameter(matcher: &Matcher, node: &Reader, rank: usize) -> Option<Array> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let array = matcher.constant(a).or_else(|| matcher.constant(b))?;
    array.f32s()?;
    let extra = array.rank().checked_sub(rank)?;
    let (ones, shape) = array.shape.split_at(extra);
    let fits = array.len() > 1 && ones.iter().all(|&dim| dim == 1);
    fits.then(|| array.reshape(shape.to_vec())).flatten()
}

fn standardised<'a>(matcher: &Matcher<'a>, node: &Reader<'a>) -> Option<Standardised<'a>> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    if node.is("Div") {
        return centred(matcher, a, root_of(matcher, b)?);
    }
    if !node.is("Mul") {
        return None;
    }
    let reciprocal = |d, r| centred(matcher, d, reciprocal_root(matcher, r)?);
    reciprocal(a, b).or_else(|| reciprocal(b, a))
}

/// What a square root is taken of, and the nodes of the root.
pub(super) type Root<'a> = (&'a str, Vec<usize>);

/// `√v`.
pub(super) fn root_of<'a>(matcher: &Matcher<'a>, value: &str) -> Option<Root<'a>> {
    if let Some((index, sqrt)) = matcher.made_by(value, "Sqrt") {
        return Some((sqrt.input(0)?, vec![index]));
    }
    let (index, pow) = matcher.made_by(value, "Pow")?;
    (matcher.scalar(pow.input(1)?)? == 0.5).then_some((pow.input(0)?, vec![index]))
}

/// `1 / √v`.
fn reciprocal_root<'a>(matcher: &Matcher<'a>, value: &str) -> Option<Root<'a>> {
    if let Some((index, pow)) = matcher.made_by(value, "Pow") {
        return (matcher.scalar(pow.input(1)?)? == -0.5).then_some((pow.input(0)?, vec![index]));
    }
    let (index, root) = match matcher.made_by(value, "Reciprocal") {
        Some((index, node)) => (index, node.input(0)?),
        None => {
            let (index, node) = matcher.made_by(value, "Div")?;
            (matcher.scalar(node.input(0)?)? == 1.0).then_some((index, node.input(1)?))?
        }
    };
    let (inner, mut nodes) = root_of(matcher, root)?;
    nodes.push(index);
    Some((inner, nodes))
}

/// `d / √v` where `v` is the variance of what `d` is centred from, plus ε.
fn centred<'a>(matcher: &Matcher<'a>, d: &str, (v, mut interior): Root<'a>) -> Option<Standardised<'a>> {
    let (add, sum) = matcher.made_by(v, "Add")?;
    let (variance, epsilon) = matcher.with_scalar(sum).filter(|(_, epsilon)| *epsilon >= 0.0)?;
    let (outer, squares, axes) = mean(matcher, variance)?;
    let (square, again) = squared(matcher, squares)?;
    let (sub, difference) = matcher.made_by(d, "Sub")?;
    let (x, average) = (difference.input(0)?, difference.input(1)?);
    let (inner, of, inner_axes) = mean(matcher, average)?;
    if of != x || inner_axes != axes {
        return None;
    }
    interior.extend([add, outer, square, sub, inner]);
    if again != d {
        // Some exporters compute the difference, and even the mean, once for each use.
        let (twin, node) = matcher.made_by(again, "Sub")?;
        let (twin_mean, of, twin_axes) = mean(matcher, node.input(1)?)?;
        if node.input(0)? != x || of != x || twin_axes != axes {
            return None;
        }
        interior.push(twin);
        if twin_mean != inner {
            interior.push(twin_mean);
        }
    }
    Some(Standardised { x, epsilon, axes, interior })
}

/// What is averaged by the node that makes `value`, and over which axes: one, or several
/// that end at the last.
fn mean<'a>(matcher: &Matcher<'a>, value: &str) -> Option<(usize, &'a str, Vec<i64>)> {
    let (index, node) = matcher.made_by(value, "ReduceMean")?;
    let mut axes = matcher.kept_axes(node)?.to_vec();
    axes.sort_unstable();
    let last = axes.iter().rev().zip(1..).all(|(&axis, from_end)| axis == -from_end);
    let fits = last || (axes.len() == 1 && axes[0] > 0);
    fits.then_some((index, node.input(0)?, axes))
}

/// What is squared by the node that makes `value`.
pub(super) fn squared<'a>(matcher: &Matcher<'a>, value: &str) -> Option<(usize, &'a str)> {
    if let Some((index, pow)) = matcher.made_by(value, "Pow") {
        let exponent = matcher.constant(pow.input(1)?)?.scalar_f32()?;
        return (exponent == 2.0).then_some((index, pow.input(0)?));
    }
    let (index, node) = matcher.made_by(value, "Mul")?;
    (node.input(0)? == node.input(1)?).then_some((index, node.input(0)?))
}
