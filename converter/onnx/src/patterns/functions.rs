//! Functions written as their steps: `log σ(x)`, and softmax as exponentials over their sum.

use super::fusion::Fusion;
use super::matcher::Matcher;
use crate::model::{Attribute, Node};

/// `log σ(x)` whose logarithm is node `index`, as `LogSigmoid`.
pub(super) fn log_sigmoid(matcher: &Matcher, index: usize) -> Option<Fusion> {
    let node = matcher.node(index).filter(|node| node.is("Log"))?;
    let (inner, sigmoid) = matcher.made_by(node.input(0)?, "Sigmoid")?;
    let x = sigmoid.input(0)?;
    let interior = vec![inner];
    if !matcher.private(&interior, index) {
        return None;
    }
    let fused = Node { name: node.name.into(), ..Node::new("LogSigmoid", vec![x.into()], node.output()) };
    Some(Fusion { root: index, interior, node: fused, constants: Vec::new() })
}

/// `eᵘ / Σ eᵘ` along an axis whose division is node `index`, as `Softmax`; `u` may be `x − max x`
/// along the same axis.
pub(super) fn softmax(matcher: &Matcher, index: usize) -> Option<Fusion> {
    let node = matcher.node(index).filter(|node| node.is("Div"))?;
    let (exponentials, sum) = (node.input(0)?, node.input(1)?);
    let (reduced, reduction) = matcher.made_by(sum, "ReduceSum")?;
    let &[axis] = matcher.kept_axes(reduction)? else { return None };
    let (exp, exponent) = matcher.made_by(exponentials, "Exp")?;
    // Before opset 13 an axis stood for itself and all behind it.
    if reduction.input(0)? != exponentials || (matcher.opset() < 13 && axis != -1) {
        return None;
    }
    let plain = (exponent.input(0)?, vec![reduced, exp]);
    let from_largest = less_largest(matcher, plain.0, axis)
        .map(|(x, nodes)| (x, [plain.1.as_slice(), &nodes].concat()))
        .filter(|(_, interior)| matcher.private(interior, index));
    let (x, interior) = from_largest.unwrap_or(plain);
    if !matcher.private(&interior, index) {
        return None;
    }
    let fused = Node { name: node.name.into(), ..Node::new("Softmax", vec![x.into()], node.output()) }
        .with("axis", Attribute::Int(axis));
    Some(Fusion { root: index, interior, node: fused, constants: Vec::new() })
}

/// What `u` is, less its largest element along `axis`, and the nodes that subtract that.
fn less_largest<'a>(matcher: &Matcher<'a>, u: &str, axis: i64) -> Option<(&'a str, [usize; 2])> {
    let (sub, difference) = matcher.made_by(u, "Sub")?;
    let x = difference.input(0)?;
    let (max, reduction) = matcher.made_by(difference.input(1)?, "ReduceMax")?;
    let same = reduction.input(0)? == x && matcher.kept_axes(reduction)? == [axis];
    same.then_some((x, [sub, max]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::fused;

    #[test]
    fn the_logarithm_of_a_sigmoid() {
        assert_eq!(fused("s = Sigmoid x\ny = Log s"), ["LogSigmoid"]);
        assert_eq!(fused("s = Sigmoid x\nl = Log s\ny = Add l s"), ["Sigmoid", "Log", "Add"]);
    }

    #[test]
    fn softmax_in_its_forms() {
        let sum = "s = ReduceSum e axes=-1 keepdims=1\ny = Div e s";
        assert_eq!(fused(&format!("e = Exp x\n{sum}")), ["Softmax"]);
        let largest = "m = ReduceMax x axes=-1 keepdims=1\nu = Sub x m\ne = Exp u";
        assert_eq!(fused(&format!("{largest}\n{sum}")), ["Softmax"]);
        // The largest along another axis, and what others read.
        let other = "m = ReduceMax x axes=-2 keepdims=1\nu = Sub x m\ne = Exp u";
        assert_eq!(fused(&format!("{other}\n{sum}")), ["ReduceMax", "Sub", "Softmax"]);
        let read = "s = ReduceSum e axes=-1 keepdims=1\nq = Div e s\ny = Add q e";
        assert_eq!(fused(&format!("e = Exp x\n{read}")), ["Exp", "ReduceSum", "Div", "Add"]);
        let by_another = "s = ReduceSum x axes=-1 keepdims=1\ny = Div e s";
        assert_eq!(fused(&format!("e = Exp x\n{by_another}")), ["Exp", "ReduceSum", "Div"]);
    }
}
