//! Straight-through estimators: `step − soft + soft` is `step`.
//!
//! A step has no gradient to train by, so training borrows that of a soft function, as
//! `step(x).detach() − soft(x).detach() + soft(x)`, and exporters write the sum out.

use std::collections::HashSet;

use super::matcher::Matcher;
use crate::model::Model;
use crate::reader::Reader;

/// Most values that are looked at behind one sum.
const MAX_VALUES: usize = 128;

/// Deepest tree of nodes that is compared.
const MAX_DEPTH: usize = 8;

/// Makes the sums identities of their steps.
pub(super) fn remove(model: &mut Model) {
    let found: Vec<(usize, String)> = {
        let matcher = Matcher::new(model);
        let steps =
            (0..model.nodes.len()).filter_map(|index| Some((index, matcher.find(step, index)?.into())));
        steps.collect()
    };
    for (index, step) in found {
        let node = &mut model.nodes[index];
        node.op = "Identity".into();
        node.inputs = vec![step];
        node.attributes.clear();
    }
}

/// The step of the estimator whose last sum is node `index`.
fn step<'a>(matcher: &Matcher<'a>, index: usize) -> Option<&'a str> {
    let node = matcher.node(index)?;
    let (a, b) = (node.input(0)?, node.input(1)?);
    let (step, soft) = if node.is("Add") {
        // (step − soft) + soft, either way round.
        [(a, b), (b, a)].into_iter().find_map(|(difference, soft)| {
            let (_, inner) = matcher.made_by(source(matcher, difference), "Sub")?;
            let (step, subtracted) = (inner.input(0)?, inner.input(1)?);
            (whole(inner) && same(matcher, subtracted, soft, 0)).then_some((step, soft))
        })?
    } else if node.is("Sub") {
        // (step + soft) − soft.
        let (_, inner) = matcher.made_by(source(matcher, a), "Add")?;
        let (x, y) = (inner.input(0)?, inner.input(1)?);
        if !whole(inner) {
            return None;
        }
        [(x, y), (y, x)].into_iter().find(|(_, soft)| same(matcher, soft, b, 0))?
    } else {
        return None;
    };
    (whole(node) && covers(matcher, step, soft)).then_some(step)
}

/// Whether nothing of a node that goes is left unread.
fn whole(node: &Reader) -> bool {
    node.check(&[]).is_ok()
}

/// `value` behind identities.
fn source<'a>(matcher: &Matcher<'a>, mut value: &'a str) -> &'a str {
    while let Some((_, node)) = matcher.made_by(value, "Identity") {
        let Some(input) = node.input(0).filter(|_| whole(node)) else { break };
        value = input;
    }
    value
}

/// Whether two values are computed alike from the same.
fn same<'a>(matcher: &Matcher<'a>, a: &'a str, b: &'a str, depth: usize) -> bool {
    let (a, b) = (source(matcher, a), source(matcher, b));
    if a == b {
        return true;
    }
    let (Some(x), Some(y)) = (matcher.maker(a), matcher.maker(b)) else { return false };
    let alike = x.outputs.len() == 1 && x.is_like(y) && x.count() == y.count();
    let equal = |at: usize| match (x.input(at), y.input(at)) {
        (Some(a), Some(b)) => a == b || same(matcher, a, b, depth + 1),
        (a, b) => a == b,
    };
    depth < MAX_DEPTH && alike && (elementwise(x) || x.is("Constant")) && (0..x.count()).all(equal)
}

/// Whether `step` has the shape of the sum: every tensor that `soft` is computed from,
/// element by element, is one that `step` is computed from.
fn covers<'a>(matcher: &Matcher<'a>, step: &'a str, soft: &'a str) -> bool {
    let Some(behind) = walk(matcher, step, |_| false) else { return false };
    let known = |value: &str| behind.contains(value) || is_scalar(matcher, value);
    let inside = |value: &&&str| !known(value);
    let Some(values) = walk(matcher, soft, known) else { return false };
    values.iter().filter(inside).all(|value| matcher.maker(value).is_some_and(elementwise))
}

/// `value` and what it is computed from, element by element, up to what is `known`; none if
/// that is too much.
fn walk<'a>(matcher: &Matcher<'a>, value: &'a str, known: impl Fn(&str) -> bool) -> Option<HashSet<&'a str>> {
    let (mut seen, mut open) = (HashSet::new(), vec![value]);
    while let Some(value) = open.pop() {
        if !seen.insert(value) || known(value) {
            continue;
        }
        if seen.len() > MAX_VALUES {
            return None;
        }
        if let Some(node) = matcher.maker(value).filter(|node| elementwise(node)) {
            open.extend(node.all_inputs());
        }
    }
    Some(seen)
}

/// Whether `value` is a constant of one element.
fn is_scalar(matcher: &Matcher, value: &str) -> bool {
    let stored = matcher.constant(value);
    let constant = || matcher.maker(value).filter(|node| node.is("Constant"))?.tensor("value");
    stored.or_else(constant).is_some_and(|array| array.len() == 1 && array.rank() <= 1)
}

/// Whether an element of the node's output depends on the same element of its inputs only.
fn elementwise(node: &Reader) -> bool {
    let ops = [
        "Identity",
        "Cast",
        "Sign",
        "Clip",
        "Tanh",
        "Sigmoid",
        "Relu",
        "Abs",
        "Neg",
        "Pow",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Min",
        "Max",
        "Where",
        "Less",
        "LessOrEqual",
        "Greater",
        "GreaterOrEqual",
        "Equal",
        "Not",
        "And",
        "Or",
    ];
    node.is_own() && ops.contains(&node.op)
}
