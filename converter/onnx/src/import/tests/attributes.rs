//! Nothing of a node is left aside: every attribute and input is read, or the node is refused.

use super::{Sketch, ints};
use crate::error::OnnxError;
use crate::fold;
use crate::import::op::Domain;
use crate::import::ops::all;
use crate::import::outputs::ENDINGS;
use crate::import::{Normalisation, build};
use crate::model::{Array, Attribute, Element, Model, Node, Output};
use crate::patterns::{FUSED, fuse};

type Attributes = Vec<(&'static str, Attribute)>;

/// Operators of any number of inputs, or whose equation counts them.
const VARIADIC: [&str; 6] = ["Concat", "Einsum", "Max", "Mean", "Min", "Sum"];

fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

fn text(value: &str) -> Attribute {
    Attribute::String(value.into())
}

/// Inputs and attributes of a node of `op` that is accepted, of an image of four channels.
fn example(sketch: &mut Sketch, op: &str) -> (Vec<String>, Attributes) {
    let mut attributes = Vec::new();
    let x = || "x".to_string();
    let ones = |sketch: &mut Sketch| sketch.constant(Array::vector(vec![1.0_f32; 4]));
    let inputs = match op {
        "MatMul" | "FusedMatMul" => vec![x(), sketch.floats(&[4, 3])],
        "Gemm" => vec![sketch.reshape("x", &[4, 16]), sketch.floats(&[16, 3])],
        "Attention" => vec![x(); 3],
        "Einsum" => {
            attributes.push(("equation", text("nchw->nhwc")));
            vec![x()]
        }
        "Conv" => vec![x(), sketch.floats(&[2, 4, 1, 1])],
        "ConvTranspose" => vec![x(), sketch.floats(&[4, 2, 2, 2])],
        "Col2Im" => vec![sketch.reshape("x", &[1, 4, 16]), sketch.ints(&[5, 5]), sketch.ints(&[2, 2])],
        "AveragePool" | "MaxPool" => {
            attributes.push(("kernel_shape", ints(&[2, 2])));
            vec![x()]
        }
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "CastLike" => vec![x(), sketch.constant(Array::scalar(2.0))],
        "Max" | "Min" | "Sum" | "Mean" => vec![x(), x()],
        "Concat" => {
            attributes.push(("axis", int(1)));
            vec![x(), x()]
        }
        "PRelu" => vec![x(), sketch.floats(&[4, 1, 1])],
        "GatherND" => vec![x(), sketch.ints(&[0, 1])],
        "ScatterND" => vec![x(), sketch.ints(&[0, 1, 2, 3]), sketch.constant(Array::scalar(2.0))],
        "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization" => vec![x(), ones(sketch)],
        "ChannelNormalization" => {
            attributes.extend([("axis", int(1)), ("place", int(-3))]);
            vec![x(), ones(sketch)]
        }
        "GroupNormalization" => {
            attributes.push(("num_groups", int(4)));
            vec![x(), ones(sketch), ones(sketch)]
        }
        "InstanceNormalization" => vec![x(), ones(sketch), ones(sketch)],
        "ResponseNormalization" => {
            attributes.extend([("axes", ints(&[2, 3])), ("axis", int(1))]);
            vec![x()]
        }
        "If" => vec![sketch.constant(Array::new(Vec::new(), vec![true]).unwrap()), x(), x()],
        "SkipLayerNormalization" => vec![x(), x(), ones(sketch)],
        "RotaryEmbedding" => vec![x(), sketch.floats(&[1, 4, 2]), sketch.floats(&[1, 4, 2])],
        "BatchNormalization" => {
            let parameters = ones(sketch);
            [x()].into_iter().chain(vec![parameters; 4]).collect()
        }
        "Where" => {
            let condition = sketch.constant(Array::new(vec![1], vec![true]).unwrap());
            vec![condition, x(), x()]
        }
        "Cast" => {
            attributes.push(("to", int(1)));
            vec![x()]
        }
        "DepthToSpace" | "SpaceToDepth" => {
            attributes.push(("blocksize", int(2)));
            vec![x()]
        }
        "Reshape" => vec![x(), sketch.ints(&[1, -1])],
        "Unsqueeze" | "Gather" => vec![x(), sketch.ints(&[0])],
        "Expand" | "Tile" => vec![x(), sketch.ints(&[1, 1, 1, 1])],
        "Slice" => vec![x(), sketch.ints(&[0]), sketch.ints(&[1])],
        "Pad" => vec![x(), sketch.ints(&[0; 8])],
        "Resize" => {
            let scales = sketch.constant(Array::vector(vec![1.0_f32, 1.0, 2.0, 2.0]));
            vec![x(), String::new(), scales]
        }
        "Gelu" | "QuickGelu" | "Silu" | "Swish" | "Relu" | "LeakyRelu" | "Elu" | "Selu" | "Clip"
        | "Sigmoid" | "LpNormalization" | "Tanh" | "HardSwish" | "HardSigmoid" | "Neg" | "Softmax"
        | "ReduceMean" | "ReduceSum" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" | "ReduceMax"
        | "ReduceMin" | "GlobalAveragePool" | "GlobalMaxPool" | "Sign" | "AtLeast" | "IsNaN" | "IsInf"
        | "Identity" | "Dropout" | "Flatten" | "Squeeze" | "Transpose" | "Shape" | "Size" | "Split"
        | "Softplus" | "LogSigmoid" | "Softsign" | "Mish" | "Celu" | "ThresholdedRelu" | "Abs" | "Erf"
        | "Exp" | "Log" | "Sin" | "Cos" | "Sqrt" | "Reciprocal" => {
            vec![x()]
        }
        _ => panic!("there is no example of {op}"),
    };
    (inputs, attributes)
}

/// The example of `op` with `more` attributes, as the node of a sketch.
fn sketch(op: &str, domain: &str, more: Attributes) -> (Sketch, String) {
    let mut sketch = Sketch::new([1, 4, 4, 4]);
    let (inputs, mut attributes) = example(&mut sketch, op);
    attributes.extend(more);
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let out = sketch.node(op, &inputs, &attributes);
    let node = sketch.model.nodes.last_mut().unwrap();
    node.domain = domain.into();
    (sketch, out)
}

/// What is said about `out`, of which something that depends on the image is made.
fn outcome(mut sketch: Sketch, op: &str, out: &str) -> Result<(), OnnxError> {
    let out = match op {
        "Shape" | "Size" => sketch.node("Reshape", &["x", out], &[]),
        "IsNaN" | "IsInf" => sketch.node("Where", &[out, "x", "x"], &[]),
        _ => out.into(),
    };
    sketch.build(&out).map(drop)
}

/// The message of a refusal, which names the node, the operator, and `what`.
fn refused(result: Result<(), OnnxError>, node: &str, op: &str, what: &str) {
    let message = result.expect_err(op).to_string();
    for word in [format!("node `{node}` ({op})"), what.to_string()] {
        assert!(message.contains(&word), "`{word}` is not in: {message}");
    }
}

fn surprise() -> Attributes {
    vec![("surprise", int(1))]
}

/// The node with an input far behind those that any operator has.
fn with_extra(node: &mut Node) {
    node.inputs.resize(7, String::new());
    node.inputs.push(node.inputs[0].clone());
}

#[test]
fn every_imported_operator_refuses_what_it_does_not_read() {
    for op in all() {
        let full = match op.domain {
            Domain::Onnx | Domain::Joined => op.name.to_string(),
            Domain::Microsoft => format!("{}::{}", op.domain.name(), op.name),
        };
        let (plain, out) = sketch(op.name, op.domain.name(), Vec::new());
        outcome(plain, op.name, &out).unwrap_or_else(|error| panic!("{full}: {error}"));
        let (with, out) = sketch(op.name, op.domain.name(), surprise());
        refused(outcome(with, op.name, &out), &out, &full, "attribute `surprise` of 1");
        for ignored in op.ignored {
            let more = vec![(ignored.attribute, int(1))];
            let (with, out) = sketch(op.name, op.domain.name(), more);
            outcome(with, op.name, &out).unwrap_or_else(|error| panic!("{full}: {error}"));
        }
        if !VARIADIC.contains(&op.name) {
            let (mut extra, out) = sketch(op.name, op.domain.name(), Vec::new());
            with_extra(extra.model.nodes.last_mut().unwrap());
            refused(outcome(extra, op.name, &out), &out, &full, "input 7, `");
        }
    }
}

#[test]
fn every_ending_refuses_what_it_does_not_read() {
    let ends = |op: &str, more: Attributes| {
        let mut sketch = Sketch::new([1, 4, 4, 4]);
        let mut row = sketch.reshape("x", &[1, 64]);
        if op == "Log" {
            row = sketch.node("Softmax", &[&row], &[]);
        }
        let mut attributes = more;
        if op == "ArgMax" {
            attributes.push(("axis", int(1)));
        }
        let out = sketch.node(op, &[&row], &attributes);
        let outputs = vec![Output { name: out, shape: Vec::new() }];
        build(Model { outputs, ..sketch.model }, Normalisation::default()).map(drop)
    };
    for ending in ENDINGS {
        ends(ending.op, Vec::new()).unwrap();
        let name = if ending.op == "Log" { "v2" } else { "v1" };
        refused(ends(ending.op, surprise()), name, ending.op, "attribute `surprise` of 1");
        for ignored in ending.ignored {
            ends(ending.op, vec![(ignored.attribute, int(1))]).unwrap();
        }
    }
    refused(ends("ArgMax", vec![("select_last_index", int(1))]), "v1", "ArgMax", "select_last_index");
}

/// Constant inputs and attributes of a node of `op` that is evaluated.
fn constants(op: &str) -> (Vec<Option<Array>>, Attributes) {
    let mut attributes = Vec::new();
    let f = || Some(Array::new(vec![2, 2], vec![0.5_f32, 1.0, 2.0, 3.0]).unwrap());
    let b = || Some(Array::new(vec![2, 2], vec![true, false, true, true]).unwrap());
    let i = |values: &[i64]| Some(Array::vector(values.to_vec()));
    let number = |value| Some(Array::integer(value));
    let inputs = match op {
        "Constant" => {
            attributes.push(("value_float", Attribute::Float(1.0)));
            Vec::new()
        }
        "ConstantOfShape" => vec![i(&[2])],
        "Range" => vec![number(0), number(3), number(1)],
        "Cast" => {
            attributes.push(("to", int(7)));
            vec![f()]
        }
        "Not" => vec![b()],
        "And" | "Or" | "Xor" => vec![b(), b()],
        "Where" => vec![b(), f(), f()],
        "Reshape" => vec![f(), i(&[4])],
        "Unsqueeze" | "Gather" => vec![f(), i(&[0])],
        "Expand" | "Tile" => vec![f(), i(&[1, 1])],
        "Pad" => vec![f(), i(&[0; 4])],
        "Slice" => vec![f(), i(&[0]), i(&[1])],
        "GatherElements" => vec![f(), Some(Array::new(vec![1, 1], vec![0_i64]).unwrap())],
        "GatherND" => vec![f(), i(&[0])],
        "ScatterElements" => {
            let one = Array::new(vec![1, 1], vec![1.0_f32]).unwrap();
            vec![f(), Some(Array::new(vec![1, 1], vec![0_i64]).unwrap()), Some(one)]
        }
        "ScatterND" => vec![f(), i(&[0]), Some(Array::vector(vec![1.0_f32, 2.0]))],
        "CumSum" => vec![f(), number(0)],
        "TopK" => vec![f(), i(&[1])],
        "OneHot" => vec![i(&[0, 1]), number(2), Some(Array::vector(vec![0.0_f32, 1.0]))],
        "DequantizeLinear" => vec![i(&[3, -4]), Some(Array::scalar(0.5))],
        "Resize" => vec![f(), None, Some(Array::vector(vec![2.0_f32, 2.0]))],
        "CastLike" | "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "Min" | "Max" | "Equal" | "Less"
        | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "MatMul" | "Gemm" => vec![f(), f()],
        "Concat" => {
            attributes.push(("axis", int(0)));
            vec![f(), f()]
        }
        _ => vec![f()],
    };
    (inputs, attributes)
}

#[test]
fn every_evaluated_operator_refuses_what_it_does_not_read() {
    for (op, ignored) in fold::rows() {
        let run = |more: Attributes, extra: bool| {
            let (mut inputs, attributes) = constants(op);
            let name = |input: &Option<Array>| input.as_ref().map_or(String::new(), |_| "c".into());
            let mut node = Node::new(op, inputs.iter().map(name).collect(), "y");
            for (key, value) in attributes.into_iter().chain(more) {
                node = node.with(key, value);
            }
            if extra {
                inputs.resize(7, None);
                inputs.push(Some(Array::scalar(1.0)));
                node.inputs.resize(7, String::new());
                node.inputs.push("c".into());
            }
            let inputs: Vec<Option<&Array>> = inputs.iter().map(Option::as_ref).collect();
            fold::evaluate(&node, &inputs, 17).map(|outputs| assert!(outputs.is_some(), "{op}"))
        };
        run(Vec::new(), false).unwrap_or_else(|error| panic!("{op}: {error}"));
        refused(run(surprise(), false), "y", op, "attribute `surprise` of 1");
        for ignored in ignored {
            run(vec![(ignored.attribute, int(1))], false).unwrap();
        }
        if !VARIADIC.contains(&op) {
            refused(run(Vec::new(), true), "y", op, "input 7, `c`");
        }
    }
}

#[test]
fn every_fused_operator_refuses_what_it_does_not_read() {
    for fused in FUSED {
        let run = |more: Attributes| {
            let mut sketch = Sketch::new([1, 4, 4, 4]);
            let rows = sketch.reshape("x", &[1, 16, 4]);
            let (w, gamma) = (sketch.floats(&[4, 12]), sketch.floats(&[4]));
            let (first, angles) = (sketch.ints(&[0]), sketch.floats(&[16, 2]));
            let inputs: &[&str] = match fused.name {
                "Attention" | "FusedMatMul" | "TransposeMatMul" => &[&rows, &w],
                "BiasGelu" | "LayerNormalization" => &[&rows, &gamma],
                "FastGelu" | "Gelu" | "QuickGelu" => &[&rows],
                "RotaryEmbedding" => &[&rows, &first, &angles, &angles],
                "MultiHeadAttention" => &[&rows, &rows, &rows],
                "SkipLayerNormalization" | "SkipSimplifiedLayerNormalization" => &[&rows, &rows, &gamma],
                name => panic!("there is no example of {name}"),
            };
            let mut attributes = more;
            if fused.name.ends_with("Attention") {
                attributes.extend([("num_heads", int(2)), ("scale", Attribute::Float(0.5))]);
            }
            let out = sketch.node(fused.name, inputs, &attributes);
            sketch.model.nodes[1].domain = "com.microsoft".into();
            let mut model = sketch.model;
            model.outputs = vec![Output { name: out, shape: Vec::new() }];
            fuse(&mut model)?;
            assert!(model.nodes.iter().all(|node| node.domain.is_empty()), "{}", fused.name);
            build(model, Normalisation::default()).map(drop)
        };
        run(Vec::new()).unwrap_or_else(|error| panic!("{}: {error}", fused.name));
        let own = fused.name == "LayerNormalization";
        let full = if own { fused.name.into() } else { format!("com.microsoft::{}", fused.name) };
        refused(run(surprise()), "v1", &full, "attribute `surprise` of 1");
        for ignored in fused.ignored {
            run(vec![(ignored.attribute, int(1))]).unwrap();
        }
    }
}

#[test]
fn values_that_would_change_the_result_are_refused() {
    let cases: [(&str, &str, Attribute, &str); 16] = [
        ("BatchNormalization", "training_mode", int(1), "training mode"),
        ("Cast", "to", int(7), "integers of computed floats"),
        ("Cast", "to", int(2), "integers of computed floats"),
        ("Cast", "to", int(9), "truth values"),
        ("Cast", "to", int(17), "element type 17"),
        ("Softmax", "axis", Attribute::Float(1.0), "attribute `axis` of 1"),
        ("Clip", "max", Attribute::Float(6.0), "attribute `max` of 6"),
        ("Gemm", "broadcast", int(1), "attribute `broadcast` of 1"),
        ("Pad", "value", Attribute::Float(0.5), "attribute `value` of 0.5"),
        ("Slice", "axes", ints(&[1]), "attribute `axes` of [1]"),
        ("Gelu", "approximate", text("sigmoid"), "approximate of sigmoid"),
        ("DepthToSpace", "mode", text("RCD"), "mode of RCD"),
        ("Conv", "kernel_shape", ints(&[3, 3]), "kernel_shape of [3, 3]"),
        ("AveragePool", "auto_pad", text("SAME"), "auto_pad of SAME"),
        ("Resize", "exclude_outside", int(1), "interpolation"),
        ("Resize", "keep_aspect_ratio_policy", text("not_larger"), "interpolation"),
    ];
    for (op, name, value, what) in cases {
        let (sketch, out) = sketch(op, "", vec![(name, value)]);
        refused(outcome(sketch, op, &out), &out, op, what);
    }
    let (mut trained, out) = sketch("BatchNormalization", "", Vec::new());
    trained.model.nodes[0].outputs.push("mean".into());
    refused(outcome(trained, "BatchNormalization", &out), &out, "BatchNormalization", "training mode");
    let (mut padded, out) = sketch("MaxPool", "", vec![("auto_pad", text("SAME_UPPER"))]);
    padded.model.nodes[0] = padded.model.nodes[0].clone().with("pads", ints(&[1; 4]));
    refused(outcome(padded, "MaxPool", &out), &out, "MaxPool", "auto_pad and pads");
}

#[test]
fn casts_of_computed_tensors_are_those_between_floats() {
    let mut there = Sketch::new([1, 4, 4, 4]);
    let whole = there.node("Cast", &["x"], &[("to", int(7))]);
    let back = there.node("Cast", &[&whole], &[("to", int(1))]);
    refused(there.build(&back).map(drop), &whole, "Cast", "integers of computed floats");
    for (like, what) in [
        (Array::integer(1), "integers of computed floats"),
        (Array::new(vec![1], vec![true]).unwrap(), "truth values"),
    ] {
        let mut sketch = Sketch::new([1, 4, 4, 4]);
        let like = sketch.constant(like);
        let out = sketch.node("CastLike", &["x", &like], &[]);
        refused(sketch.build(&out).map(drop), &out, "CastLike", what);
    }
    // The elements of an image of bytes are integers already, however they are moved.
    for (code, accepted) in [(6, true), (7, true), (3, false), (9, false)] {
        let mut sketch = Sketch::new([1, 4, 4, 4]);
        sketch.model.inputs[0].element = Element::U8;
        let turned = sketch.transpose("x", &[0, 2, 3, 1]);
        let wide = sketch.node("Cast", &[&turned], &[("to", int(code))]);
        let out = sketch.node("Cast", &[&wide], &[("to", int(1))]);
        assert_eq!(sketch.build(&out).is_ok(), accepted, "{code}");
    }
    let mut drops = Sketch::new([1, 4, 4, 4]);
    let trains = drops.constant(Array::new(vec![1], vec![true]).unwrap());
    let out = drops.node("Dropout", &["x", "", &trains], &[]);
    refused(drops.build(&out).map(drop), &out, "Dropout", "training mode");
}
