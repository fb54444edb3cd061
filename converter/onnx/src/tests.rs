//! Whole files: the bundled model, and everything that can be wrong with one.

use bytes::Bytes;
use prost::Message;

use super::model::{Array, Attribute, Element};
use super::proto::{
    AttributeProto, DimensionProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    SparseTensorProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};
use super::*;

fn bundled() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/vit_fmnist_fp32.onnx");
    std::fs::read(path).expect("the bundled model")
}

fn binarized() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/binary_straight.onnx");
    std::fs::read(path).expect("a binarized model")
}

fn import_damaged(bytes: Vec<u8>) {
    let normalisation = Normalisation { mean: &[0.286], std: &[0.353] };
    // Any answer will do; a panic will not.
    let _ = read(bytes.into(), None, normalisation);
}

#[test]
fn the_bundled_model_is_read_and_fused() {
    let mut model = parse::parse(bundled().into(), None).unwrap();
    assert_eq!((model.opset, model.nodes.len(), model.inputs.len(), model.outputs.len()), (17, 447, 1, 1));
    let input = &model.inputs[0];
    assert_eq!((input.element, &input.shape[..]), (Element::Float, &[None, Some(1), Some(28), Some(28)][..]));
    patterns::fuse(&mut model).unwrap();
    let count = |op: &str| model.nodes.iter().filter(|node| node.op == op).count();
    // Six blocks of two LayerNorms and a GELU, and the final LayerNorm.
    let found = ["LayerNormalization", "Gelu", "Softmax", "Conv", "Erf", "ReduceMean", "Pow"].map(count);
    assert_eq!(found, [13, 6, 6, 1, 0, 0, 0]);
}

/// A generator of numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// The bundled model with large weights shrunk to a number: they would hide its fields.
fn dense_fields() -> Vec<u8> {
    let mut model = ModelProto::decode(Bytes::from(bundled())).unwrap();
    let graph = model.graph.as_mut().unwrap();
    for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.raw_data.len() > 1024) {
        tensor.raw_data.truncate(4);
        tensor.dims.fill(1);
    }
    model.encode_to_vec()
}

#[test]
fn damaged_bytes_do_not_panic() {
    let whole = bundled();
    let fields = dense_fields();
    let mut numbers = Numbers(0x5eed);
    for round in 0..400 {
        let mut bytes = if round % 8 == 0 { whole.clone() } else { fields.clone() };
        for _ in 0..1 + numbers.below(4) {
            let at = numbers.below(bytes.len());
            match numbers.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] ^= 1 << numbers.below(8),
                2 => bytes[at] = [0, 0xff, 0x7f, 0x80][numbers.below(4)],
                _ => drop(bytes.splice(at..at, [numbers.below(256) as u8])),
            }
        }
        import_damaged(bytes);
    }
}

#[test]
fn damaged_messages_do_not_panic() {
    for (file, rounds) in [(bundled(), 400), (binarized(), 2000)] {
        let model = ModelProto::decode(Bytes::from(file)).unwrap();
        let mut numbers = Numbers(0xface);
        for _ in 0..rounds {
            let mut model = model.clone();
            let graph = model.graph.as_mut().unwrap();
            for _ in 0..1 + numbers.below(3) {
                damage(graph, &mut numbers);
            }
            import_damaged(model.encode_to_vec());
        }
    }
}

/// Changes a field to another value that a file can hold.
fn damage(graph: &mut GraphProto, numbers: &mut Numbers) {
    const INTS: [i64; 8] = [0, 1, -1, 2, 7, 1 << 40, i64::MAX, i64::MIN];
    let (node, other) = (numbers.below(graph.node.len()), numbers.below(graph.node.len()));
    let tensor = numbers.below(graph.initializer.len());
    let int = INTS[numbers.below(INTS.len())];
    match numbers.below(8) {
        0 => graph.node[node].op_type = graph.node[other].op_type.clone(),
        1 => graph.node[node].attribute = graph.node[other].attribute.clone(),
        2 => drop(graph.node[node].input.pop()),
        3 => graph.node[node].input = graph.node[other].input.clone(),
        4 => graph.initializer[tensor].dims.push(int),
        5 => graph.initializer[tensor].dims.reverse(),
        6 => {
            for attribute in &mut graph.node[node].attribute {
                attribute.i = int;
                attribute.ints.iter_mut().for_each(|value| *value = int);
                if let Some(tensor) = attribute.t.as_mut().filter(|tensor| tensor.raw_data.len() == 8) {
                    tensor.raw_data = int.to_le_bytes().to_vec().into();
                }
            }
        }
        _ => drop(graph.node.remove(node)),
    }
}

fn info(name: &str) -> ValueInfoProto {
    let dim = |value| DimensionProto { dim_value: value };
    let shape = TensorShapeProto { dim: vec![dim(None), dim(Some(3)), dim(Some(0))] };
    let tensor_type = Some(TensorTypeProto { elem_type: 1, shape: Some(shape) });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn node(op: &str, input: &str, output: &str) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        input: vec![input.into()],
        output: vec![output.into()],
        ..Default::default()
    }
}

/// `x → Relu → y` in opset 17.
fn relu() -> ModelProto {
    let graph = GraphProto {
        node: vec![node("Relu", "x", "y")],
        input: vec![info("x")],
        output: vec![info("y")],
        ..Default::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
    ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }
}

/// What is said about `relu` after a change of its graph.
fn refused(change: impl FnOnce(&mut ModelProto)) -> String {
    let mut model = relu();
    change(&mut model);
    parse::parse(model.encode_to_vec().into(), None).unwrap_err().to_string()
}

fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

fn weights(name: &str, values: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.into(),
        data_type: 1,
        dims: vec![values.len() as i64],
        float_data: values,
        ..Default::default()
    }
}

#[test]
fn a_small_model_is_read() {
    let model = parse::parse(relu().encode_to_vec().into(), None).unwrap();
    assert_eq!(model.inputs[0].shape, [None, Some(3), None]);
    assert_eq!((model.nodes[0].name.as_str(), model.nodes[0].output()), ("y", "y"));
}

#[test]
fn files_that_are_no_models_are_refused() {
    for bytes in [&b""[..], b"PK\x03\x04 a zip file", b"{\"json\": true}", &[0xff; 64]] {
        let error = parse::parse(bytes.to_vec().into(), None).unwrap_err().to_string();
        assert!(error.contains("not a readable ONNX file"), "{error}");
    }
}

#[test]
fn every_error_says_what_and_what_would_work() {
    let cases: [(String, &[&str]); 12] = [
        (refused(|model| model.opset_import[0].version = 10), &["opset 10", "11 to 24"]),
        (refused(|model| model.opset_import.clear()), &["opset 0"]),
        (
            refused(|model| graph(model).initializer.push(weights("w", vec![1.0, f32::NAN]))),
            &["`w`", "NaN", "element 1", "finite"],
        ),
        (
            refused(|model| {
                graph(model).initializer.push(TensorProto { data_type: 8, ..weights("w", vec![]) })
            }),
            &["`w`", "string", "float32"],
        ),
        (
            refused(|model| {
                let values = Some(weights("w", vec![1.0]));
                graph(model).sparse_initializer.push(SparseTensorProto { values });
            }),
            &["`w`", "sparse"],
        ),
        (
            refused(|model| {
                let pair = StringStringEntryProto { key: "location".into(), value: "w.bin".into() };
                let tensor =
                    TensorProto { data_location: 1, external_data: vec![pair], ..weights("w", vec![0.0]) };
                graph(model).initializer.push(tensor);
            }),
            &["`w`", "`w.bin`"],
        ),
        (
            refused(|model| {
                let body = AttributeProto { name: "body".into(), kind: 5, ..Default::default() };
                let mut loop_ = node("Loop", "x", "z");
                loop_.name = "/head/Loop".into();
                loop_.attribute.push(body);
                graph(model).node.push(loop_);
            }),
            &["`head/Loop`", "loops"],
        ),
        (refused(|model| graph(model).node[0].input[0] = "z".into()), &["`z`", "not made"]),
        (refused(|model| graph(model).output[0].name = "z".into()), &["`z`", "not made"]),
        (refused(|model| graph(model).node.push(node("Relu", "x", "y"))), &["`y`", "made twice"]),
        (
            refused(|model| graph(model).node.extend([node("Relu", "b", "a"), node("Relu", "a", "b")])),
            &["`a`", "depends on itself"],
        ),
        (
            refused(|model| graph(model).node = vec![node("Relu", "x", "y"); (1 << 16) + 1]),
            &["nodes", "65537", "65536"],
        ),
    ];
    for (error, words) in cases {
        for word in words {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    }
}

fn truth(name: &str, value: u8) -> TensorProto {
    TensorProto { name: name.into(), data_type: 9, raw_data: vec![value].into(), ..Default::default() }
}

/// An `If` of two branches.
fn choice(condition: &str, output: &str, branches: [GraphProto; 2]) -> NodeProto {
    let mut choice = node("If", condition, output);
    choice.attribute = ["else_branch", "then_branch"]
        .into_iter()
        .zip(branches)
        .map(|(name, graph)| AttributeProto {
            name: name.into(),
            kind: AttributeProto::GRAPH,
            g: Some(Box::new(graph)),
            ..Default::default()
        })
        .collect();
    choice
}

fn branch(nodes: Vec<NodeProto>, output: &str) -> GraphProto {
    GraphProto { node: nodes, output: vec![info(output)], ..Default::default() }
}

#[test]
fn branches_that_constants_choose_are_taken() {
    let taken = |outer: u8, inner: u8| {
        let mut model = relu();
        let twice = NodeProto { input: vec!["a".into(), "two".into()], ..node("Mul", "", "t") };
        let mut doubled = branch(vec![node("Abs", "r", "a"), twice], "t");
        doubled.initializer = vec![weights("two", vec![2.0])];
        // Both branches name what they make alike, and read what is outside.
        let nested = choice("inner", "t", [branch(vec![node("Sigmoid", "r", "t")], "t"), doubled]);
        graph(&mut model).node = vec![
            node("Relu", "x", "r"),
            choice("outer", "y", [branch(vec![node("Tanh", "r", "t")], "t"), branch(vec![nested], "t")]),
        ];
        graph(&mut model).initializer = vec![truth("outer", outer), truth("inner", inner)];
        let mut model = parse::parse(model.encode_to_vec().into(), None).unwrap();
        patterns::fuse(&mut model).unwrap();
        model.nodes.into_iter().map(|node| node.op).collect::<Vec<_>>()
    };
    assert_eq!(taken(0, 1), ["Relu", "Tanh", "Identity"]);
    assert_eq!(taken(1, 0), ["Relu", "Sigmoid", "Identity"]);
    assert_eq!(taken(1, 1), ["Relu", "Abs", "Mul", "Identity"]);
}

#[test]
fn branches_that_shapes_choose_are_taken() {
    let read_with = |rank: i64, condition: &str| {
        let mut model = relu();
        let dims = [1, 3, 2, 2].map(|dim| DimensionProto { dim_value: Some(dim) });
        for value in [0, 1] {
            let graph = graph(&mut model);
            let info = if value == 0 { &mut graph.input[0] } else { &mut graph.output[0] };
            let tensor = info.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
            tensor.shape = Some(TensorShapeProto { dim: dims.to_vec() });
        }
        let wanted =
            TensorProto { data_type: 7, int64_data: vec![rank], dims: Vec::new(), ..weights("rank", vec![]) };
        graph(&mut model).initializer = vec![wanted];
        let equal = NodeProto { input: vec!["z".into(), "rank".into()], ..node("Equal", "", "e") };
        // The other branch would not be valid.
        let other = branch(vec![node("Surprise", "x", "t")], "t");
        graph(&mut model).node = vec![
            node("Shape", "x", "s"),
            node("Size", "s", "z"),
            equal,
            choice(condition, "y", [other, branch(vec![node("Relu", "x", "t")], "t")]),
        ];
        read(model.encode_to_vec().into(), None, Normalisation::default())
    };
    let graph = read_with(4, "e").unwrap();
    assert!(matches!(graph.nodes[..], [float::Node::Pixels { .. }, float::Node::Activate { .. }, ..]));
    assert!(read_with(5, "e").unwrap_err().to_string().contains("Surprise"));
    let computed = read_with(4, "x").unwrap_err().to_string();
    assert!(computed.contains("depends on the image"), "{computed}");
}

#[test]
fn deep_branches_end() {
    let mut graph = branch(vec![node("Relu", "x", "t")], "t");
    for _ in 0..200 {
        graph = branch(vec![choice("x", "t", [graph, branch(Vec::new(), "x")])], "t");
    }
    let model = ModelProto { graph: Some(graph), ..relu() };
    let error = parse::parse(model.encode_to_vec().into(), None).unwrap_err();
    assert!(matches!(error, OnnxError::NotOnnx { .. }), "{error}");
}

#[test]
fn nodes_are_sorted() {
    let mut model = relu();
    graph(&mut model).node = vec![node("Exp", "b", "y"), node("Neg", "a", "b"), node("Abs", "x", "a")];
    let model = parse::parse(model.encode_to_vec().into(), None).unwrap();
    assert_eq!(model.nodes.iter().map(|node| node.op.as_str()).collect::<Vec<_>>(), ["Abs", "Neg", "Exp"]);
}

#[test]
fn functions_and_attributes_are_read() {
    let mut model = relu();
    let attribute = |name: &str| AttributeProto { name: name.into(), ..Default::default() };
    let mut inner = node("Clip", "a", "b");
    inner.attribute = vec![
        AttributeProto { i: 3, kind: 2, ..attribute("i") },
        AttributeProto { f: 0.5, ..attribute("f") },
        AttributeProto { s: Bytes::from_static(b"text"), ..attribute("s") },
        AttributeProto { ints: vec![1, 2], ..attribute("is") },
        AttributeProto { floats: vec![1.5], kind: 6, ..attribute("fs") },
        AttributeProto { strings: vec![Bytes::from_static(b"t")], ..attribute("ss") },
        AttributeProto { t: Some(weights("", vec![1.0, 2.0])), kind: 4, ..attribute("t") },
    ];
    model.functions.push(FunctionProto {
        name: "F".into(),
        domain: "own".into(),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: vec![inner],
        ..Default::default()
    });
    let call = &mut graph(&mut model).node[0];
    (call.op_type, call.domain) = ("F".into(), "own".into());
    let model = parse::parse(model.encode_to_vec().into(), None).unwrap();
    let [node] = model.nodes.as_slice() else { panic!("{:?}", model.nodes) };
    assert!(node.is("Clip"));
    assert_eq!((node.inputs[0].as_str(), node.output()), ("x", "y"));
    assert_eq!((node.int("i", 0), node.float("f", 0.0), node.string("s", "")), (3, 0.5, "text"));
    assert_eq!((node.ints("is"), node.floats("fs")), (Some(&[1, 2][..]), Some(&[1.5][..])));
    assert_eq!(node.tensor("t"), Some(&Array::vector(vec![1.0_f32, 2.0])));
    assert_eq!(node.attributes["ss"], Attribute::Strings(vec!["t".into()]));
    assert_eq!((node.int("f", 9), node.ints("i")), (9, None));
}
