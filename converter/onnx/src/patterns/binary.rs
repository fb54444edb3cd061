//! Binarization: signs, and the softmax-aware choice of keys (BiViT, arXiv 2211.07091).

use super::fusion::Fusion;
use super::matcher::Matcher;
use crate::cast;
use crate::model::{Attribute, Element, Node};

/// The sign written as a choice of 1 or −1 that ends at node `index`; `zero` is what it gives
/// for 0.
pub(super) fn sign(matcher: &Matcher, index: usize) -> Option<Fusion> {
    let choice = Choice::read(matcher, index)?;
    let positive = match (choice.holds, choice.fails) {
        (1.0, -1.0) => true,
        (-1.0, 1.0) => false,
        _ => return None,
    };
    let Comparison { left, right, or_equal, .. } = choice.comparison;
    // x > 0, or 0 > x.
    let (x, above) = match (matcher.scalar(left), matcher.scalar(right)) {
        (None, Some(0.0)) => (left, true),
        (Some(0.0), None) => (right, false),
        _ => return None,
    };
    if positive != above {
        // What holds is 0 > x, and gives −1; or x > 0, and gives −1, which is no sign.
        return None;
    }
    // The side that an equal value falls on.
    let zero = if above == or_equal { 1 } else { -1 };
    let fused = Node { name: choice.name.into(), ..Node::new("Sign", vec![x.into()], choice.output) }
        .with("zero", Attribute::Int(zero));
    choice.fusion(matcher, index, Vec::new(), fused)
}

/// `1[p ≥ ratio · max p]` of a softmax `p`, that ends at node `index`.
pub(super) fn at_least(matcher: &Matcher, index: usize) -> Option<Fusion> {
    let choice = Choice::read(matcher, index)?;
    let Comparison { left, right, or_equal, .. } = choice.comparison;
    // p ≥ t, or its opposite t > p.
    let chosen = match (choice.holds, choice.fails) {
        (1.0, 0.0) => true,
        (0.0, 1.0) => false,
        _ => return None,
    };
    let (larger, smaller) = if chosen { (left, right) } else { (right, left) };
    let mut interior = Vec::new();
    let (p, largest, ratio) = match matcher.scalar(smaller) {
        // p / max ≥ ratio.
        Some(ratio) => {
            let (quotient, node) = matcher.made_by(larger, "Div")?;
            interior.push(quotient);
            (node.input(0)?, node.input(1)?, ratio)
        }
        None => {
            let product = matcher.product(smaller, &mut interior);
            let &[largest] = product.factors.as_slice() else { return None };
            (larger, largest, product.constant)
        }
    };
    let (reduce, maximum) = matcher.made_by(largest, "ReduceMax")?;
    interior.push(reduce);
    matcher.made_by(p, "Softmax")?;
    let &[axis] = matcher.kept_axes(maximum)? else { return None };
    // Strict or not is the same unless a probability equals its threshold exactly, which only
    // the largest itself does, for a ratio of 1.
    let below_one = ratio < 1.0 || or_equal == chosen && ratio == 1.0;
    if maximum.input(0) != Some(p) || !(ratio > 0.0 && below_one) {
        return None;
    }
    let fused = Node { name: choice.name.into(), ..Node::new("AtLeast", vec![p.into()], choice.output) }
        .with("ratio", Attribute::Float(ratio as f32))
        .with("axis", Attribute::Int(axis));
    choice.fusion(matcher, index, interior, fused)
}

/// `left > right`, or with `or_equal` `left ≥ right`.
struct Comparison<'a> {
    left: &'a str,
    right: &'a str,
    or_equal: bool,
    nodes: Vec<usize>,
}

/// A choice of one of two numbers for every element.
struct Choice<'a> {
    name: &'a str,
    output: &'a str,
    comparison: Comparison<'a>,
    /// The number where the comparison holds.
    holds: f32,
    /// And where it does not.
    fails: f32,
}

impl<'a> Choice<'a> {
    /// `Where` of two constants, or the truth value as a number.
    fn read(matcher: &Matcher<'a>, index: usize) -> Option<Self> {
        let root = matcher.node(index)?;
        let (holds, fails) = if root.is("Where") {
            (fill(matcher, root.input(1)?, 0)?, fill(matcher, root.input(2)?, 0)?)
        } else if root.is("Cast") {
            match cast::target(root.int("to", 0))? {
                Element::Float | Element::U8 | Element::Int => (1.0, 0.0),
                Element::Bool => return None,
            }
        } else if root.is("CastLike") {
            let like = matcher.constant(root.input(1)?);
            if like.is_some_and(|array| array.bools().is_some()) {
                return None;
            }
            (1.0, 0.0)
        } else {
            return None;
        };
        let mut nodes = Vec::new();
        let (mut condition, mut negated) = (root.input(0)?, false);
        while let Some((not, node)) = matcher.made_by(condition, "Not") {
            nodes.push(not);
            (condition, negated) = (node.input(0)?, !negated);
        }
        let ops = [("Greater", false), ("GreaterOrEqual", false), ("Less", true), ("LessOrEqual", true)];
        let (compare, node, swapped, or_equal) = ops.into_iter().find_map(|(op, swapped)| {
            let (compare, node) = matcher.made_by(condition, op)?;
            Some((compare, node, swapped, op.ends_with("OrEqual")))
        })?;
        nodes.push(compare);
        let (mut left, mut right) = (node.input(0)?, node.input(1)?);
        if swapped {
            (left, right) = (right, left);
        }
        let comparison = Comparison { left, right, or_equal, nodes };
        let (holds, fails) = if negated { (fails, holds) } else { (holds, fails) };
        Some(Self { name: root.name, output: root.output(), comparison, holds, fails })
    }

    fn fusion(self, matcher: &Matcher, root: usize, mut interior: Vec<usize>, node: Node) -> Option<Fusion> {
        interior.extend(self.comparison.nodes);
        matcher.private(&interior, root).then_some(Fusion { root, interior, node, constants: Vec::new() })
    }
}

/// The number that all elements of `value` are: a constant, or one in a computed shape.
fn fill(matcher: &Matcher, value: &str, depth: usize) -> Option<f32> {
    if let Some(array) = matcher.constant(value) {
        let (first, rest) = array.f32s()?.split_first()?;
        return rest.iter().all(|value| value == first).then_some(*first);
    }
    let node = matcher.maker(value).filter(|node| node.is_own() && depth < 4)?;
    let of = |at: usize| fill(matcher, node.input(at)?, depth + 1);
    let number = match node.op {
        "ConstantOfShape" => {
            // In any shape all elements are the same.
            node.ignore_input(0);
            node.tensor("value").map_or(Some(0.0), |array| array.scalar_f32())
        }
        "Expand" => {
            node.ignore_input(1);
            of(0)
        }
        "Identity" => of(0),
        "Neg" => Some(-of(0)?),
        "Mul" => Some(of(0)? * of(1)?),
        _ => None,
    };
    number.filter(|_| node.check(&[]).is_ok())
}
