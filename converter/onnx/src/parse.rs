//! Messages of an ONNX file to a [`Model`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::path::Path;

use bytes::Bytes;
use prost::Message;

use super::branches::{Flat, Guarded};
use super::error::OnnxError;
use super::functions::Functions;
use super::limits::{OPSETS, clean};
use super::model::{Array, Attribute, Input, Model, Node, Output};
use super::proto::{AttributeProto, GraphProto, ModelProto, OperatorSetIdProto, ValueInfoProto};
use super::scan;
use super::tensor::{self, External};

/// Most bytes of a file: protobuf allows no more.
const MAX_FILE: u64 = 1 << 31;

/// Refuses files that are too large to read.
pub fn check_file_len(len: u64) -> Result<(), OnnxError> {
    if len > MAX_FILE {
        return Err(OnnxError::Limit { what: "bytes of the file".into(), found: len, limit: MAX_FILE });
    }
    Ok(())
}

/// Reads a model, with external data from `directory`.
///
/// # Errors
///
/// [`OnnxError`] with what is wrong, and [`OnnxError::NotFinite`] for an
/// initializer of more than one element that holds NaN or +∞; −∞ excludes scores in masks.
pub fn parse(bytes: Bytes, directory: Option<&Path>) -> Result<Model, OnnxError> {
    check_file_len(bytes.len() as u64)?;
    scan::check(&bytes)?;
    let not_onnx = |reason: String| OnnxError::NotOnnx { reason };
    let proto = ModelProto::decode(bytes).map_err(|error| not_onnx(error.to_string()))?;
    let Some(mut graph) = proto.graph else {
        return Err(not_onnx("it holds no graph".into()));
    };
    let opset = default_opset(&proto.opset_import)?;
    for function in &proto.functions {
        if function.opset_import.iter().any(|set| is_default(&set.domain)) {
            default_opset(&function.opset_import)?;
        }
    }
    let mut flat = Flat::default();
    flat.extend(std::mem::take(&mut graph.node));
    graph.initializer.extend(flat.constants);
    let nodes = Functions::new(&proto.functions).inline(flat.nodes)?;
    let mut external = External::new(directory);
    let constants = initializers(&graph, &mut external)?;
    let nodes = nodes.into_iter().map(|proto| node(proto, &mut external)).collect::<Result<_, _>>()?;
    let inputs = graph.input.iter().filter(|input| !constants.contains_key(&input.name));
    let inputs = inputs.map(input).collect::<Result<_, _>>()?;
    let outputs = graph.output.iter().map(output).collect::<Result<_, _>>()?;
    let text = |bytes: Bytes| String::from_utf8(bytes.into()).ok();
    let entries = proto.metadata_props.into_iter();
    let metadata = entries.filter_map(|entry| Some((text(entry.key)?, text(entry.value)?))).collect();
    let mut model = Model { nodes, constants, inputs, outputs, opset, metadata };
    let makers = check_values(&model)?;
    if let Some(order) = topological(&model, &makers)? {
        let mut nodes: Vec<_> = model.nodes.into_iter().map(Some).collect();
        model.nodes = order.into_iter().filter_map(|index| nodes.get_mut(index)?.take()).collect();
    }
    Ok(model)
}

fn is_default(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// The version of ONNX's own operator set.
fn default_opset(imports: &[OperatorSetIdProto]) -> Result<i64, OnnxError> {
    let found = imports.iter().find(|set| is_default(&set.domain)).map_or(0, |set| set.version);
    if OPSETS.contains(&found) { Ok(found) } else { Err(OnnxError::Opset { found }) }
}

fn initializers(graph: &GraphProto, external: &mut External) -> Result<HashMap<String, Array>, OnnxError> {
    if let Some(sparse) = graph.sparse_initializer.first() {
        let tensor = sparse.values.as_ref().map_or("", |values| &values.name);
        let reason = "sparse tensors are not read; store it dense".into();
        return Err(OnnxError::Tensor { tensor: clean(tensor), reason });
    }
    let mut constants = HashMap::new();
    for tensor in &graph.initializer {
        let array = tensor::array(tensor, &clean(&tensor.name), external)?;
        // A lone infinity is a limit or what a mask is filled with, not a weight.
        if array.len() > 1 {
            array.check_mask(&clean(&tensor.name))?;
        }
        if tensor.name.is_empty() || constants.insert(tensor.name.clone(), array).is_some() {
            return Err(value_error(&tensor.name, "an initializer", "has no name of its own"));
        }
    }
    Ok(constants)
}

fn value_error(value: &str, role: impl Into<String>, problem: &'static str) -> OnnxError {
    OnnxError::Value { value: clean(value), role: role.into(), problem }
}

fn node((proto, guards): Guarded, external: &mut External) -> Result<Node, OnnxError> {
    let label = |text: &String| Some(clean(text)).filter(|text| !text.is_empty());
    let op = clean(&proto.op_type);
    let name = label(&proto.name)
        .or_else(|| proto.output.iter().find_map(label))
        .or_else(|| label(&op))
        .unwrap_or_else(|| "unnamed".into());
    let mut attributes = HashMap::new();
    for proto in proto.attribute {
        let subject = clean(&format!("{name}.{}", proto.name));
        let value = match attribute(&proto, &subject, external)? {
            Some(value) => value,
            None => {
                let hint = "loops, branches inside of the model's functions, and sparse tensors are not read; \
                            simplify the model with onnxsim, or export it for fixed shapes";
                return Err(OnnxError::Unsupported { node: name, op, hint: hint.into() });
            }
        };
        if attributes.contains_key(&proto.name) {
            let reason = format!("its attribute `{}` is there twice", clean(&proto.name));
            return Err(OnnxError::Node { node: name, op, reason });
        }
        attributes.insert(proto.name, value);
    }
    let domain = if is_default(&proto.domain) { String::new() } else { clean(&proto.domain) };
    Ok(Node { name, op, domain, inputs: proto.input, outputs: proto.output, attributes, guards })
}

/// The value of an attribute; none if it is a subgraph or a sparse tensor.
fn attribute(
    proto: &AttributeProto,
    subject: &str,
    external: &mut External,
) -> Result<Option<Attribute>, OnnxError> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(Some(match attribute_kind(proto) {
        AttributeProto::FLOAT => Attribute::Float(proto.f),
        AttributeProto::INT => Attribute::Int(proto.i),
        AttributeProto::STRING => Attribute::String(text(&proto.s)),
        AttributeProto::FLOATS => Attribute::Floats(proto.floats.clone()),
        AttributeProto::INTS => Attribute::Ints(proto.ints.clone()),
        AttributeProto::STRINGS => Attribute::Strings(proto.strings.iter().map(text).collect()),
        AttributeProto::TENSOR => match &proto.t {
            Some(tensor) => Attribute::Tensor(tensor::array(tensor, subject, external)?),
            None => {
                return Err(OnnxError::Tensor { tensor: subject.into(), reason: "it is not there".into() });
            }
        },
        _ => return Ok(None),
    }))
}

/// The type that an attribute states or, in files of before IR version 2, implies.
fn attribute_kind(proto: &AttributeProto) -> i32 {
    match proto {
        _ if proto.kind != 0 => proto.kind,
        _ if proto.g.is_some() => AttributeProto::GRAPH,
        _ if proto.t.is_some() => AttributeProto::TENSOR,
        _ if !proto.ints.is_empty() => AttributeProto::INTS,
        _ if !proto.floats.is_empty() => AttributeProto::FLOATS,
        _ if !proto.strings.is_empty() => AttributeProto::STRINGS,
        _ if !proto.s.is_empty() => AttributeProto::STRING,
        _ if proto.f != 0.0 => AttributeProto::FLOAT,
        _ => AttributeProto::INT,
    }
}

/// The element type and the dimensions of an input or output.
fn tensor_type(proto: &ValueInfoProto) -> Option<(i32, Vec<Option<usize>>)> {
    let tensor = proto.r#type.as_ref()?.tensor_type.as_ref()?;
    let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
    // Exporters write an unknown length as 0 or -1 at times.
    let length = |value: i64| usize::try_from(value).ok().filter(|&length| length > 0);
    Some((tensor.elem_type, dims.map(|dim| dim.dim_value.and_then(length)).collect()))
}

fn input(proto: &ValueInfoProto) -> Result<Input, OnnxError> {
    let fail = |reason: &str| {
        let reason = reason.into();
        OnnxError::Interface { what: "input", name: clean(&proto.name), reason }
    };
    let (code, shape) = tensor_type(proto).ok_or_else(|| fail("it is not a tensor"))?;
    let element = tensor::element(code).ok_or_else(|| fail("expected floats or unsigned bytes"))?;
    Ok(Input { name: proto.name.clone(), shape, element })
}

fn output(proto: &ValueInfoProto) -> Result<Output, OnnxError> {
    let shape = tensor_type(proto).map_or_else(Vec::new, |(_, shape)| shape);
    Ok(Output { name: proto.name.clone(), shape })
}

/// Checks that every value is made once; the node that makes each, none for inputs and
/// constants.
fn check_values(model: &Model) -> Result<HashMap<String, Option<usize>>, OnnxError> {
    let mut makers: HashMap<String, Option<usize>> =
        model.constants.keys().map(|name| (name.clone(), None)).collect();
    for input in &model.inputs {
        if input.name.is_empty() || makers.insert(input.name.clone(), None).is_some() {
            return Err(value_error(&input.name, "an input", "has no name of its own"));
        }
    }
    for (index, node) in model.nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|name| !name.is_empty()) {
            if makers.insert(output.clone(), Some(index)).is_some() {
                return Err(value_error(output, format!("made by node `{}`", node.name), "is made twice"));
            }
        }
    }
    match model.outputs.iter().find(|output| !makers.contains_key(&output.name)) {
        Some(output) => Err(value_error(&output.name, "an output", "is not made by any node")),
        None => Ok(makers),
    }
}

/// The order in which every value is made before it is read, as near to the file's as can
/// be; none if the file's is one. The format asks for such an order, but tools that insert
/// casts append them at the end.
fn topological(
    model: &Model,
    makers: &HashMap<String, Option<usize>>,
) -> Result<Option<Vec<usize>>, OnnxError> {
    let count = model.nodes.len();
    let mut readers = vec![Vec::new(); count];
    let mut missing = vec![0_usize; count];
    let mut sorted = true;
    for (index, node) in model.nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|name| !name.is_empty()) {
            let Some(maker) = makers.get(input) else {
                let role = format!("read by node `{}`", node.name);
                return Err(value_error(input, role, "is not made by any node"));
            };
            if let Some(maker) = *maker {
                sorted &= maker < index;
                readers[maker].push(index);
                missing[index] += 1;
            }
        }
    }
    if sorted {
        return Ok(None);
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..count).filter(|&index| missing[index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &reader in &readers[index] {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match missing.iter().position(|&missing| missing > 0) {
        None => Ok(Some(order)),
        Some(index) => {
            let node = &model.nodes[index];
            Err(value_error(node.output(), format!("made by node `{}`", node.name), "depends on itself"))
        }
    }
}
