//! Removes nodes that nobody needs and nodes that do nothing.

use std::collections::{HashMap, HashSet};

use crate::cast;
use crate::import;
use crate::model::{Array, Data, Element, Model, Node};
use crate::reader::Reader;

/// Removes nodes that no output depends on, and constants that nobody reads.
pub(super) fn prune(model: &mut Model) {
    let mut needed: HashSet<String> = model.outputs.iter().map(|output| output.name.clone()).collect();
    let mut kept = Vec::new();
    while let Some(node) = model.nodes.pop() {
        if node.outputs.iter().any(|name| needed.contains(name)) {
            needed.extend(node.inputs.iter().filter(|name| !name.is_empty()).cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    model.nodes = kept;
    model.constants.retain(|name, _| needed.contains(name));
}

/// Removes identities, dropouts, casts between floats of different widths (all are
/// computed in 32 bits) and guards against NaN after a softmax.
///
/// One that makes an output of the model stays, as an `Identity`.
pub(super) fn remove(model: &mut Model) {
    let outputs: HashSet<&str> = model.outputs.iter().map(|output| output.name.as_str()).collect();
    let mut types: HashMap<String, Element> =
        model.inputs.iter().map(|input| (input.name.clone(), input.element)).collect();
    types.extend(model.constants.iter().map(|(name, array)| (name.clone(), constant_type(array))));
    let mut aliases: HashMap<String, String> = HashMap::new();
    let mut makers: HashMap<String, Maker> = HashMap::new();
    let nodes = std::mem::take(&mut model.nodes);
    for mut node in nodes {
        for input in &mut node.inputs {
            if let Some(source) = aliases.get(input) {
                input.clone_from(source);
            }
        }
        let element = result_type(&node, &types);
        if let Some(element) = element {
            types.extend(node.outputs.iter().map(|name| (name.clone(), element)));
        }
        let reader = Reader::new(&node);
        let source = passes(&reader, &types, &makers, &model.constants).map(String::from);
        // What is left unread is for the walk to refuse.
        let source = source.filter(|_| reader.check(import::ignored(&node)).is_ok());
        let maker = Maker {
            op: node.op.clone(),
            first: node.input(0).unwrap_or("").into(),
            bare: node.attributes.is_empty() && node.inputs.len() == 1,
        };
        makers.insert(node.output().into(), maker);
        match source {
            Some(source) if outputs.contains(node.output()) => {
                node.op = "Identity".into();
                node.inputs = vec![source];
                node.outputs.truncate(1);
                node.attributes.clear();
                model.nodes.push(node);
            }
            Some(source) => drop(aliases.insert(node.output().into(), source)),
            None => model.nodes.push(node),
        }
    }
}

/// What made a value.
struct Maker {
    op: String,
    /// Its first input.
    first: String,
    /// Whether that is all of it.
    bare: bool,
}

/// The input that `node` passes on unchanged, if it does.
fn passes<'a>(
    node: &Reader<'a>,
    types: &HashMap<String, Element>,
    makers: &HashMap<String, Maker>,
    constants: &HashMap<String, Array>,
) -> Option<&'a str> {
    let input = node.input(0)?;
    if !node.is_own() || node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return None;
    }
    match node.op {
        "Identity" => Some(input),
        "Dropout" => {
            // In evaluation mode its ratio says nothing.
            node.ignore_input(1);
            match node.input(2).map(|name| constants.get(name)) {
                None => Some(input),
                Some(mode) => (mode?.bools()? == [false]).then_some(input),
            }
        }
        "Cast" | "CastLike" => {
            // What either is to, the type of its output says.
            if node.is("Cast") {
                node.ignore("to");
            } else {
                node.ignore_input(1);
            }
            let (from, to) = (types.get(input)?, types.get(node.output())?);
            (from == to && *from != Element::U8).then_some(input)
        }
        "Where" => {
            let test = makers.get(input)?;
            let softmax = node.input(2)?;
            let zero = constants.get(node.input(1)?)?.scalar_f32()? == 0.0;
            let tests = test.op == "IsNaN" && test.bare && test.first == softmax;
            let guarded = tests && makers.get(softmax)?.op == "Softmax";
            (zero && guarded).then_some(softmax)
        }
        _ => None,
    }
}

fn constant_type(array: &Array) -> Element {
    match array.data {
        Data::F32(_) => Element::Float,
        Data::I64(_) => Element::Int,
        Data::Bool(_) => Element::Bool,
    }
}

/// The element type of a node's outputs, where it is known.
fn result_type(node: &Node, types: &HashMap<String, Element>) -> Option<Element> {
    let of = |index: usize| node.input(index).and_then(|name| types.get(name)).copied();
    match node.op.as_str() {
        "Cast" => cast::target(node.int("to", 0)),
        "CastLike" | "If" | "Where" => of(1),
        "Shape" | "Size" | "ArgMax" | "ArgMin" | "NonZero" | "QuantizeLinear" => Some(Element::Int),
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "IsNaN" | "IsInf" | "Not"
        | "And" | "Or" | "Xor" => Some(Element::Bool),
        "ConstantOfShape" => Some(node.tensor("value").map_or(Element::Float, constant_type)),
        "DequantizeLinear" => Some(Element::Float),
        _ => of(0),
    }
}
