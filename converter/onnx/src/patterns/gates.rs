//! Activations written as `x` times a function of `x`: GELU, SiLU, hard swish.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::fusion::Fusion;
use super::matcher::{Matcher, close};
use crate::model::{Attribute, Node};

/// The activation whose last multiplication or division is node `index`.
pub(super) fn gate(matcher: &Matcher, index: usize) -> Option<Fusion> {
    let node = matcher.node(index).filter(|node| node.is("Mul") || node.is("Div"))?;
    let mut nodes = Vec::new();
    let product = matcher.product(node.output(), &mut nodes);
    let &[a, b] = product.factors.as_slice() else { return None };
    [(a, b), (b, a)].into_iter().find_map(|(x, gate)| {
        let mut nodes = nodes.clone();
        let (op, approximate) = activation(matcher, product.constant, x, gate, &mut nodes)?;
        let interior: Vec<usize> = nodes.into_iter().filter(|&node| node != index).collect();
        if !matcher.private(&interior, index) {
            return None;
        }
        let mut fused = Node { name: node.name.into(), ..Node::new(op, vec![x.into()], node.output()) };
        if let Some(approximate) = approximate {
            fused = fused.with("approximate", Attribute::String(approximate.into()));
        }
        Some(Fusion { root: index, interior, node: fused, constants: Vec::new() })
    })
}

/// The op of `constant · x · gate`, and GELU's approximation.
fn activation<'a>(
    matcher: &Matcher<'a>,
    constant: f64,
    x: &'a str,
    gate: &'a str,
    nodes: &mut Vec<usize>,
) -> Option<(&'static str, Option<&'static str>)> {
    if let Some((index, sigmoid)) = matcher.made_by(gate, "Sigmoid") {
        nodes.push(index);
        let inner = matcher.inner_product(sigmoid.input(0)?, nodes);
        return match inner.constant {
            _ if inner.factors != [x] || !close(constant, 1.0) => None,
            k if close(k, 1.702) => Some(("QuickGelu", None)),
            k if close(k, 1.0) => Some(("Silu", None)),
            _ => None,
        };
    }
    if let Some((index, node)) = matcher.made_by(gate, "HardSigmoid") {
        nodes.push(index);
        let (alpha, beta) = (node.float("alpha", 0.2), node.float("beta", 0.5));
        let hard = close(alpha.into(), 1.0 / 6.0) && close(beta.into(), 0.5);
        return (node.input(0)? == x && hard && close(constant, 1.0)).then_some(("HardSwish", None));
    }
    if let Some((index, clip)) = matcher.made_by(gate, "Clip") {
        let limit = |at: usize| matcher.scalar(clip.input(at)?);
        let (add, sum) = matcher.made_by(clip.input(0)?, "Add")?;
        nodes.extend([index, add]);
        let hard = limit(1)? == 0.0 && limit(2)? == 6.0 && matcher.with_scalar(sum)? == (x, 3.0);
        return (hard && close(constant, 1.0 / 6.0)).then_some(("HardSwish", None));
    }
    gelu(matcher, constant, x, gate, nodes).map(|approximate| ("Gelu", Some(approximate)))
}

/// Which GELU `constant · x · gate` is: `gate = b + a · f(u)` with `a = b` and
/// `constant · b = ½`.
fn gelu<'a>(
    matcher: &Matcher<'a>,
    constant: f64,
    x: &'a str,
    gate: &'a str,
    nodes: &mut Vec<usize>,
) -> Option<&'static str> {
    let (add, sum) = matcher.made_by(gate, "Add")?;
    nodes.push(add);
    let (term, b) = matcher.with_scalar(sum)?;
    let term = matcher.inner_product(term, nodes);
    let &[function] = term.factors.as_slice() else { return None };
    if !close(term.constant, b) || !close(constant * b, 0.5) {
        return None;
    }
    if let Some((index, erf)) = matcher.made_by(function, "Erf") {
        nodes.push(index);
        let inner = matcher.inner_product(erf.input(0)?, nodes);
        return (inner.factors == [x] && close(inner.constant, FRAC_1_SQRT_2)).then_some("none");
    }
    let (index, tanh) = matcher.made_by(function, "Tanh")?;
    nodes.push(index);
    cubic(matcher, x, tanh.input(0)?, nodes).then_some("tanh")
}

/// Whether `u = √(2/π) · (x + 0.044715 x³)`, or that with `x` factored out.
fn cubic<'a>(matcher: &Matcher<'a>, x: &'a str, u: &'a str, nodes: &mut Vec<usize>) -> bool {
    let product = matcher.inner_product(u, nodes);
    // 2/√π · √½ is √(2/π).
    if !close(product.constant, FRAC_2_SQRT_PI * FRAC_1_SQRT_2) {
        return false;
    }
    let add = |value: &str| matcher.made_by(value, "Add");
    match *product.factors.as_slice() {
        [sum] => {
            let Some((index, node)) = add(sum) else { return false };
            let (Some(a), Some(b)) = (node.input(0), node.input(1)) else { return false };
            nodes.push(index);
            let term = if a == x { b } else { a };
            (a == x || b == x) && is_power(matcher, term, x, 3, nodes)
        }
        [a, b] => {
            let sum = if a == x { b } else { a };
            let Some((index, node)) = add(sum) else { return false };
            nodes.push(index);
            let Some((term, one)) = matcher.with_scalar(node) else { return false };
            (a == x || b == x) && close(one, 1.0) && is_power(matcher, term, x, 2, nodes)
        }
        _ => false,
    }
}

/// Whether `term` is `0.044715 · xⁿ`.
fn is_power<'a>(matcher: &Matcher<'a>, term: &'a str, x: &str, n: usize, nodes: &mut Vec<usize>) -> bool {
    let product = matcher.inner_product(term, nodes);
    product.factors.len() == n
        && product.factors.iter().all(|&factor| factor == x)
        && close(product.constant, 0.044715)
}
