//! LayerNorm written as its steps:
//! `d = x − mean(x)`, `d / √(mean(d²) + ε) · γ + β`, with γ anywhere in the product, and
//! TensorFlow's `x · s + (β − mean(x) · s)` with `s = γ / √(mean(d²) + ε)`; RMSNorm with `d = x`,
//! as `RMSNormalization`.

use super::fusion::Fusion;
use super::matcher::Matcher;
use crate::model::{Array, Attribute, Node};
use crate::reader::Reader;

/// Deepest tree of factors that is looked at.
const MAX_DEPTH: usize = 2;

/// A LayerNorm as far as it was found.
struct Found<'a> {
    spread: Spread<'a>,
    gamma: Option<&'a str>,
    beta: Option<&'a str>,
    /// Its nodes but the last.
    interior: Vec<usize>,
}

/// A LayerNorm whose division, or multiplication with a reciprocal, or TensorFlow's sum, is
/// node `index`.
pub(super) fn layer_norm(matcher: &Matcher, index: usize) -> Option<Fusion> {
    let node = matcher.node(index)?;
    let mut found = quotient(matcher, node).or_else(|| affine(matcher, node))?;
    let mut root = index;
    let mut output = node.output();
    for op in ["Mul", "Add"] {
        let open = match op {
            "Add" => found.beta.is_none() && found.spread.mean.is_some(),
            _ => found.beta.is_none() && found.gamma.is_none(),
        };
        if open
            && let Some((next, node)) = matcher.only_reader(output).filter(|(_, node)| node.is(op))
            && let Some(value) = constant_operand(matcher, node)
            && parameter(matcher, value, &found.spread.axes).is_some()
        {
            found.interior.push(root);
            root = next;
            output = node.output();
            *(if op == "Mul" { &mut found.gamma } else { &mut found.beta }) = Some(value);
        }
    }
    if !matcher.private(&found.interior, root) {
        return None;
    }
    fusion(matcher, &found, root, output)
}

fn fusion(matcher: &Matcher, found: &Found, root: usize, output: &str) -> Option<Fusion> {
    let axes = &found.spread.axes;
    let read = |value: Option<&str>| match value {
        Some(value) => parameter(matcher, value, axes).map(Some),
        None => Some(None),
    };
    let (gamma, beta) = (read(found.gamma)?, read(found.beta)?);
    let centred = found.spread.mean.is_some();
    // Which axis is the last is known only by γ if the axis is counted from the start.
    if axes[0] >= 0 && (gamma.is_none() && centred || axes.len() > 1) {
        return None;
    }
    let given = || gamma.iter().chain(&beta);
    let bare = if axes.len() == 1 { axes[0] } else { -1 };
    let place = given().map(|parameter| parameter.place).next().unwrap_or(bare);
    // A sum is a mean if it is divided by as many elements as there are.
    let elements = given().map(|parameter| parameter.array.len()).next();
    let counted = found.spread.counts.iter().all(|&count| elements.is_some_and(|len| len as f64 == count));
    if given().any(|parameter| parameter.place != place) || !counted {
        return None;
    }
    let named = |parameter: Option<Parameter>, role: &str| {
        parameter.map(|parameter| (format!("{output}/{role}"), parameter.array))
    };
    let (gamma, beta) = (named(gamma, "scale"), named(beta, "bias"));
    let name = |constant: &Option<(String, Array)>| {
        constant.as_ref().map_or(String::new(), |(name, _)| name.clone())
    };
    let inputs = vec![found.spread.x.into(), name(&gamma), name(&beta)];
    let op = match (place, centred) {
        (-1, true) => "LayerNormalization",
        (-1, false) => "RMSNormalization",
        _ => "ChannelNormalization",
    };
    let mut node = Node { name: matcher.node(root)?.name.into(), ..Node::new(op, inputs, output) }
        .with("axis", Attribute::Int(axes[0]))
        .with("epsilon", Attribute::Float(found.spread.epsilon as f32));
    if place != -1 {
        node = node.with("place", Attribute::Int(place)).with("centred", Attribute::Int(centred.into()));
    }
    let constants = gamma.into_iter().chain(beta).collect();
    Some(Fusion { root, interior: found.interior.clone(), node, constants })
}

/// γ or β.
struct Parameter {
    /// As many dimensions as are normalised.
    array: Array,
    /// The last dimension that it runs along, counted from the end.
    place: i64,
}

/// The constant `value` with a dimension for each of `axes`: the last ones, or one before them.
fn parameter(matcher: &Matcher, value: &str, axes: &[i64]) -> Option<Parameter> {
    let array = matcher.constant(value)?;
    array.f32s()?;
    if array.len() < 2 {
        return None;
    }
    let rank = axes.len();
    let trailing = if rank == 1 { array.shape.iter().rev().take_while(|&&dim| dim == 1).count() } else { 0 };
    let shape = &array.shape[..array.rank() - trailing];
    let (ones, shape) = shape.split_at(shape.len().checked_sub(rank)?);
    let place = -1 - trailing as i64;
    let fits = ones.iter().all(|&dim| dim == 1) && (axes[0] >= 0 || rank > 1 || axes[0] == place);
    fits.then(|| array.reshape(shape.to_vec())).flatten().map(|array| Parameter { array, place })
}

/// The operand of `node` that is constant.
fn constant_operand<'a>(matcher: &Matcher<'a>, node: &Reader<'a>) -> Option<&'a str> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    [a, b].into_iter().find(|value| matcher.constant(value).is_some())
}

/// `d / √v`, or `d · 1/√v`, γ among the factors or not.
fn quotient<'a>(matcher: &Matcher<'a>, node: &Reader<'a>) -> Option<Found<'a>> {
    let mut interior = Vec::new();
    let mut factors = Vec::new();
    let root = match node.op {
        "Div" if node.is_own() => {
            collect(matcher, node.input(0)?, 0, &mut factors, &mut interior);
            Some(root_of(matcher, node.input(1)?)?)
        }
        "Mul" if node.is_own() => {
            collect(matcher, node.input(0)?, 0, &mut factors, &mut interior);
            collect(matcher, node.input(1)?, 0, &mut factors, &mut interior);
            None
        }
        _ => return None,
    };
    let root = match root {
        Some(root) => root,
        None => take(&mut factors, |value| reciprocal_root(matcher, value))?,
    };
    let gamma = take(&mut factors, |value| matcher.constant(value).map(|_| value));
    let &[d] = factors.as_slice() else { return None };
    let spread = spread(matcher, &root)?;
    if d != spread.difference {
        // Some exporters compute the difference, and even the mean, once for each use.
        let (twin, node) = matcher.made_by(d, "Sub")?;
        interior.push(twin);
        interior
            .extend(same_mean(matcher, &spread, node.input(1)?).filter(|_| node.input(0) == Some(spread.x))?);
    }
    interior.extend(&spread.interior);
    Some(Found { spread, gamma, beta: None, interior })
}

/// `x · s + (β − mean(x) · s)` with `s = 1/√v`, γ among its factors or not.
fn affine<'a>(matcher: &Matcher<'a>, node: &Reader<'a>) -> Option<Found<'a>> {
    if !node.is("Add") {
        return None;
    }
    let (a, b) = (node.input(0)?, node.input(1)?);
    let form = |scaled, shift| {
        let (first, scaled) = matcher.made_by(scaled, "Mul")?;
        let (second, shift) = matcher.made_by(shift, "Sub")?;
        let (third, centre) = matcher.made_by(shift.input(1)?, "Mul")?;
        let beta = shift.input(0).filter(|beta| matcher.constant(beta).is_some())?;
        let ends = |node: &Reader<'a>| Some([node.input(0)?, node.input(1)?]);
        let (scaled, centre) = (ends(scaled)?, ends(centre)?);
        let scale = scaled.into_iter().find(|value| centre.contains(value))?;
        let other = |ends: [&'a str; 2]| ends.into_iter().find(|&value| value != scale);
        let mut interior = vec![first, second, third];
        let mut factors = Vec::new();
        match matcher.made_by(scale, "Mul") {
            Some((index, product)) => {
                interior.push(index);
                factors.extend(ends(product)?);
            }
            None => factors.push(scale),
        }
        let root = take(&mut factors, |value| reciprocal_root(matcher, value))?;
        let gamma = take(&mut factors, |value| matcher.constant(value).map(|_| value));
        let spread = spread(matcher, &root)?;
        if !factors.is_empty() || other(scaled)? != spread.x {
            return None;
        }
        interior.extend(same_mean(matcher, &spread, other(centre)?)?);
        interior.extend(&spread.interior);
        Some(Found { spread, gamma, beta: Some(beta), interior })
    };
    form(a, b).or_else(|| form(b, a))
}

/// Adds the factors of `value`, through multiplications that nobody else reads.
fn collect<'a>(
    matcher: &Matcher<'a>,
    value: &'a str,
    depth: usize,
    factors: &mut Vec<&'a str>,
    nodes: &mut Vec<usize>,
) {
    let product = matcher.made_by(value, "Mul").filter(|_| depth < MAX_DEPTH);
    let product = product.filter(|_| matcher.only_reader(value).is_some());
    if let Some((index, node)) = product
        && let (Some(a), Some(b)) = (node.input(0), node.input(1))
        && a != b
    {
        nodes.push(index);
        collect(matcher, a, depth + 1, factors, nodes);
        return collect(matcher, b, depth + 1, factors, nodes);
    }
    factors.push(value);
}

/// Takes the first of `values` of which `find` finds something.
fn take<'a, T>(values: &mut Vec<&'a str>, find: impl Fn(&'a str) -> Option<T>) -> Option<T> {
    let (index, found) = values.iter().enumerate().find_map(|(at, &value)| Some((at, find(value)?)))?;
    values.remove(index);
    Some(found)
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

/// The variance of a value, with what is added to it.
struct Spread<'a> {
    x: &'a str,
    /// Its mean, if that is taken away.
    mean: Option<&'a str>,
    /// `x − mean`, or `x`.
    difference: &'a str,
    epsilon: f64,
    axes: Vec<i64>,
    /// What sums were divided by to be means.
    counts: Vec<f64>,
    /// The nodes, those of the root among them.
    interior: Vec<usize>,
}

/// What `v` of `√v` is: `mean((x − mean(x))²) + ε`, or `mean(x²) + ε`.
fn spread<'a>(matcher: &Matcher<'a>, (v, root): &Root<'a>) -> Option<Spread<'a>> {
    let (add, sum) = matcher.made_by(v, "Add")?;
    let (variance, epsilon) = matcher.with_scalar(sum).filter(|(_, epsilon)| *epsilon >= 0.0)?;
    let outer = mean(matcher, variance)?;
    let (square, difference) = squared(matcher, outer.of)?;
    let mut interior = [&root[..], &outer.nodes, &[add, square]].concat();
    let mut counts: Vec<f64> = outer.count.into_iter().collect();
    let Some(Centred { x, mean, nodes, count }) = centred(matcher, difference, &outer.axes) else {
        let (x, axes) = (difference, outer.axes);
        return Some(Spread { x, mean: None, difference, epsilon, axes, counts, interior });
    };
    interior.extend(nodes);
    counts.extend(count);
    Some(Spread { x, mean: Some(mean), difference, epsilon, axes: outer.axes, counts, interior })
}

/// A value less its mean.
struct Centred<'a> {
    x: &'a str,
    mean: &'a str,
    nodes: Vec<usize>,
    /// What a sum was divided by to be the mean.
    count: Option<f64>,
}

/// What `difference` is, if that is a value less its mean over `axes`.
fn centred<'a>(matcher: &Matcher<'a>, difference: &'a str, axes: &[i64]) -> Option<Centred<'a>> {
    let (sub, node) = matcher.made_by(difference, "Sub")?;
    let (x, centre) = (node.input(0)?, node.input(1)?);
    let inner = mean(matcher, centre).filter(|inner| inner.of == x && inner.axes == axes)?;
    let nodes = [&inner.nodes[..], &[sub]].concat();
    Some(Centred { x, mean: centre, nodes, count: inner.count })
}

/// The nodes of `value`, if that is the mean of `spread`, computed again or not.
fn same_mean(matcher: &Matcher, spread: &Spread, value: &str) -> Option<Vec<usize>> {
    if value == spread.mean? {
        return Some(Vec::new());
    }
    let twin = mean(matcher, value)?;
    let same = twin.of == spread.x && twin.axes == spread.axes && twin.count.is_none();
    same.then_some(twin.nodes)
}

/// An average.
struct Mean<'a> {
    of: &'a str,
    /// One, or several that end at the last.
    axes: Vec<i64>,
    /// What a sum is divided by.
    count: Option<f64>,
    nodes: Vec<usize>,
}

/// The average that `value` is.
fn mean<'a>(matcher: &Matcher<'a>, value: &str) -> Option<Mean<'a>> {
    let reduced = |value, op| {
        let (index, node) = matcher.made_by(value, op)?;
        let mut axes = matcher.kept_axes(node)?.to_vec();
        axes.sort_unstable();
        let last = axes.iter().rev().zip(1..).all(|(&axis, from_end)| axis == -from_end);
        let fits = last || axes.len() == 1 && axes[0] != 0;
        fits.then_some(Mean { of: node.input(0)?, axes, count: None, nodes: vec![index] })
    };
    if let Some(mean) = reduced(value, "ReduceMean") {
        return Some(mean);
    }
    let (index, count, sum) = match matcher.made_by(value, "Div") {
        Some((index, node)) => (index, matcher.scalar(node.input(1)?)?, node.input(0)?),
        None => {
            let (index, node) = matcher.made_by(value, "Mul")?;
            let (sum, factor) = matcher.with_scalar(node)?;
            // As far as a float of 32 bits can say one part of a number of elements.
            let count = (1.0 / factor).round();
            (index, if (count as f32).recip() == factor as f32 { count } else { 0.0 }, sum)
        }
    };
    let mut mean = reduced(sum, "ReduceSum")?;
    mean.nodes.push(index);
    Some(Mean { count: Some(count), ..mean })
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
