//! Every pattern in the forms that exporters write.

use std::collections::HashMap;

use super::*;
use crate::model::{Array, Attribute, Element, Input, Node, Output};

/// A model from lines `output = Op input input key=int,int`; numbers among the inputs are
/// scalar constants, and `w4` a vector of four.
fn model(text: &str) -> Model {
    let mut model = Model {
        nodes: Vec::new(),
        constants: HashMap::from([("w4".into(), Array::vector(vec![1.0_f32, 2.0, 3.0, 4.0]))]),
        inputs: vec![Input { name: "x".into(), shape: vec![None, Some(4)], element: Element::Float }],
        outputs: vec![Output { name: "y".into(), shape: Vec::new() }],
        opset: 17,
        metadata: HashMap::new(),
    };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (output, call) = line.split_once(" = ").unwrap();
        let mut words = call.split(' ');
        let op = words.next().unwrap();
        let mut node = Node::new(op, Vec::new(), output.split(' ').next().unwrap());
        node.outputs = output.split(' ').map(|name| name.replace('_', "")).collect();
        if let Some(own) = op.strip_prefix("ms.") {
            (node.op, node.domain) = (own.into(), "com.microsoft".into());
        }
        for word in words {
            if let Some((key, value)) = word.split_once('=') {
                let ints: Vec<i64> = value.split(',').filter_map(|int| int.parse().ok()).collect();
                let attribute = match (ints.as_slice(), key) {
                    (_, "axes" | "perm") => Attribute::Ints(ints),
                    (&[int], _) => Attribute::Int(int),
                    _ => Attribute::Float(value.parse().unwrap()),
                };
                node.attributes.insert(key.into(), attribute);
                continue;
            }
            if let Ok(value) = word.parse::<f32>() {
                model.constants.insert(word.into(), Array::scalar(value));
            }
            node.inputs.push(word.replace('_', ""));
        }
        model.nodes.push(node);
    }
    model
}

/// The nodes left of a model, as `op` or `op(approximate)`.
pub(super) fn fused(text: &str) -> Vec<String> {
    let mut model = model(text);
    fuse(&mut model).unwrap();
    let show = |node: &Node| match node.string("approximate", "") {
        "" => node.op.clone(),
        approximate => format!("{}({approximate})", node.op),
    };
    model.nodes.iter().map(show).collect()
}

const ERF: &str = "u = Div x 1.41421356\ne = Erf u\ns = Add e 1.0\n";

#[test]
fn erf_gelu_in_every_order() {
    for tail in [
        "p = Mul x s\ny = Mul p 0.5",
        "p = Mul s x\ny = Mul 0.5 p",
        "h = Mul x 0.5\ny = Mul h s",
        "h = Mul 0.5 x\ny = Mul s h",
        "h = Mul 0.5 s\ny = Mul x h",
        "p = Mul x s\ny = Div p 2.0",
        "h = Div x 2.0\ny = Mul s h",
    ] {
        assert_eq!(fused(&format!("{ERF}{tail}")), ["Gelu(none)"], "{tail}");
    }
    assert_eq!(
        fused("u = Mul 0.70710678 x\ne = Erf u\ns = Add 1.0 e\np = Mul x s\ny = Mul p 0.5"),
        ["Gelu(none)"]
    );
    let halved = "u = Mul x 0.7071\ne = Erf u\nh = Mul e 0.5\ns = Add h 0.5\ny = Mul x s";
    assert_eq!(fused(halved), ["Gelu(none)"]);
    let computed = "k = Sqrt 2.0\nu = Div x k\ne = Erf u\ns = Add e 1.0\np = Mul x s\ny = Mul p 0.5";
    assert_eq!(fused(computed), ["Gelu(none)"]);
}

#[test]
fn what_only_looks_like_gelu_is_left_alone() {
    assert_eq!(fused(&format!("{ERF}p = Mul x s\ny = Mul p 0.4")).len(), 5);
    assert_eq!(fused("u = Div x 2.0\ne = Erf u\ns = Add e 1.0\np = Mul x s\ny = Mul p 0.5").len(), 5);
    assert_eq!(fused(&format!("z = Relu x\n{ERF}p = Mul z s\ny = Mul p 0.5")).len(), 6);
    // The sum is read elsewhere too.
    assert_eq!(fused(&format!("{ERF}p = Mul x s\nq = Mul p 0.5\ny = Add q s")).len(), 6);
}

#[test]
fn tanh_gelu() {
    let head = "c = Mul t 0.044715\na = Add x c\nu = Mul a 0.7978845608\n";
    let tail = "e = Tanh u\ns = Add e 1.0\nh = Mul x 0.5\ny = Mul h s";
    assert_eq!(fused(&format!("t = Pow x 3.0\n{head}{tail}")), ["Gelu(tanh)"]);
    assert_eq!(fused(&format!("q = Mul x x\nt = Mul q x\n{head}{tail}")), ["Gelu(tanh)"]);
    assert_eq!(fused(&format!("q = Mul x x\nt = Mul x q\n{head}{tail}")), ["Gelu(tanh)"]);
    let factored = "q = Mul x x\nc = Mul q 0.044715\na = Add c 1.0\nb = Mul x 0.7978845608\nu = Mul b a\n";
    assert_eq!(fused(&format!("{factored}{tail}")), ["Gelu(tanh)"]);
    assert_eq!(fused(&format!("t = Pow x 2.0\n{head}{tail}")).len(), 8);
}

#[test]
fn sigmoid_gates() {
    assert_eq!(fused("u = Mul x 1.702\ns = Sigmoid u\ny = Mul x s"), ["QuickGelu"]);
    assert_eq!(fused("s = Sigmoid x\ny = Mul s x"), ["Silu"]);
    assert_eq!(fused("u = Mul x 1.5\ns = Sigmoid u\ny = Mul x s").len(), 3);
    assert_eq!(fused("z = Relu x\ns = Sigmoid x\ny = Mul z s").len(), 3);
    assert_eq!(fused("s = HardSigmoid x alpha=0.1666667\ny = Mul x s"), ["HardSwish"]);
    assert_eq!(fused("a = Add x 3.0\ns = Clip a 0.0 6.0\np = Mul x s\ny = Div p 6.0"), ["HardSwish"]);
}

const CENTRE: &str = "m = ReduceMean x axes=-1\nd = Sub x m\nq = Pow d 2.0\nv = ReduceMean q axes=-1\n";

/// The fused node, if it is the only one, with the names of its inputs that are there.
fn norm(text: &str) -> (Node, usize) {
    let mut model = model(text);
    fuse(&mut model).unwrap();
    assert_eq!(model.nodes.len(), 1, "{text}: {:?}", model.nodes);
    let node = model.nodes.remove(0);
    assert_eq!(
        (node.op.as_str(), node.output(), node.int("axis", 0)),
        ("LayerNormalization", "y", -1),
        "{text}"
    );
    assert!((node.float("epsilon", 0.0) - 1e-5).abs() < 1e-9, "{text}");
    assert_eq!(node.input(0), Some("x"), "{text}");
    let known = node.inputs[1..].iter().filter(|name| !name.is_empty());
    let known = known.inspect(|name| assert_eq!(model.constants[*name].len(), 4)).count();
    (node, known)
}

#[test]
fn layer_norm_in_its_forms() {
    for (root, known) in [
        ("e = Add v 0.00001\ns = Sqrt e\nn = Div d s\ng = Mul n w4\ny = Add g w4", 2),
        ("e = Add 0.00001 v\ns = Sqrt e\nn = Div d s\ng = Mul w4 n\ny = Add w4 g", 2),
        ("e = Add v 0.00001\ns = Sqrt e\nr = Reciprocal s\nn = Mul d r\ny = Mul n w4", 1),
        ("e = Add v 0.00001\ns = Sqrt e\nr = Div 1.0 s\nn = Mul r d\ny = Add n w4", 1),
        ("e = Add v 0.00001\nr = Pow e -0.5\ny = Mul d r", 0),
        ("e = Add v 0.00001\ns = Sqrt e\ny = Div d s", 0),
    ] {
        assert_eq!(norm(&format!("{CENTRE}{root}")).1, known, "{root}");
    }
    let root = "e = Add v 0.00001\ns = Sqrt e\ny = Div d s";
    let squares = "m = ReduceMean x axes=-1\nd = Sub x m\nq = Mul d d\nv = ReduceMean q axes=-1\n";
    norm(&format!("{squares}{root}"));
    let twice =
        "m = ReduceMean x axes=-1\nd = Sub x m\nd2 = Sub x m\nq = Pow d2 2.0\nv = ReduceMean q axes=-1\n";
    norm(&format!("{twice}{root}"));
    let cast = "x32 = Cast x to=1\nm = ReduceMean x32 axes=-1\nd = Sub x32 m\nc = Cast d to=1\nq = Pow c 2.0\n\
                v = ReduceMean q axes=-1\ne = Add v 0.00001\ns = Sqrt e\nn = Div d s\nh = Cast n to=10\ny = Mul h w4";
    assert_eq!(norm(cast).1, 1);
}

#[test]
fn an_axis_from_the_start_needs_gamma() {
    let text = format!("{CENTRE}e = Add v 0.00001\ns = Sqrt e\nn = Div d s\n").replace("axes=-1", "axes=1");
    assert_eq!(fused(&format!("{text}y = Mul n w4")), ["LayerNormalization"]);
    assert_eq!(fused(&format!("{text}y = Relu n")).len(), 8);
}

#[test]
fn what_only_looks_like_layer_norm_is_left_alone() {
    let root = "e = Add v 0.00001\ns = Sqrt e\ny = Div d s";
    let other = CENTRE.replace("q axes=-1", "q axes=-2");
    assert_eq!(fused(&format!("{other}{root}")), ["ReduceMean", "Sub", "ChannelNormalization"]);
    let cube = CENTRE.replace("2.0", "3.0");
    assert_eq!(fused(&format!("{cube}{root}")).len(), 7);
    // The variance is read elsewhere too.
    assert_eq!(fused(&format!("{CENTRE}e = Add v 0.00001\ns = Sqrt e\nn = Div d s\ny = Add n v")).len(), 8);
}

#[test]
fn no_ops_disappear() {
    assert_eq!(fused("a = Identity x\nb = Dropout a\nc = Cast b to=10\ny = Relu c"), ["Relu"]);
    assert_eq!(fused("a = Relu x\ny = Identity a"), ["Relu", "Identity"]);
    assert_eq!(fused("a = Relu x\ny = Cast a to=16"), ["Relu", "Identity"]);
    assert_eq!(fused("a = Cast x to=7\ny = Cast a to=1"), ["Cast", "Cast"]);
    assert_eq!(fused("a = Softmax x\nb = IsNaN a\ny = Where b 0.0 a"), ["Softmax", "Identity"]);
    assert_eq!(fused("a = Relu x\nb = IsNaN a\ny = Where b 0.0 a"), ["Relu", "IsNaN", "Where"]);
    assert_eq!(fused("unused = Exp x\nk = Add 1.0 2.0\ny = Mul x k"), ["Mul"]);
}

#[test]
fn fused_nodes_are_taken_apart() {
    assert_eq!(fused("y = ms.Gelu x"), ["Gelu(none)"]);
    assert_eq!(fused("y = ms.BiasGelu x w4"), ["Add", "Gelu(none)"]);
    assert_eq!(fused("y = ms.FastGelu x"), ["Gelu(tanh)"]);
    assert_eq!(fused("y = ms.QuickGelu x alpha=1.702"), ["QuickGelu"]);
    assert_eq!(fused("y = ms.QuickGelu x alpha=1.5"), ["QuickGelu"], "left alone");
    assert_eq!(fused("y = ms.SkipLayerNormalization x x w4 w4 w4"), ["Add", "Add", "LayerNormalization"]);
    let two = "n _ _ s = ms.SkipLayerNormalization x x w4 w4\ny = Add n s";
    assert_eq!(fused(two), ["Add", "LayerNormalization", "Add"]);
    assert_eq!(fused("y = ms.FusedMatMul x x alpha=0.5"), ["MatMul", "Mul"]);
    let turned = "t = Transpose x perm=0,2,1,3\ny = ms.FusedMatMul x t transB=1";
    let mut model = model(turned);
    fuse(&mut model).unwrap();
    let turn = &model.nodes[0];
    assert_eq!((turn.op.as_str(), turn.ints("perm")), ("Transpose", Some(&[0, 2, 3, 1][..])));
    assert_eq!(model.nodes.len(), 2);
    assert_eq!(fused("y = ms.FusedMatMul x x transB=1"), ["FusedMatMul"], "the rank is not known");
}

#[test]
fn fused_attention_is_taken_apart() {
    let mut model = model("y = ms.Attention x w b num_heads=2");
    model.constants.insert("w".into(), Array::new(vec![4, 12], vec![0.1_f32; 48]).unwrap());
    model.constants.insert("b".into(), Array::vector(vec![0.2_f32; 12]));
    fuse(&mut model).unwrap();
    let ops: Vec<&str> = model.nodes.iter().map(|node| node.op.as_str()).collect();
    assert_eq!(ops, ["MatMul", "Add", "Split", "Attention"]);
    let attention = model.nodes.last().unwrap();
    assert_eq!(
        (attention.output(), attention.int("q_num_heads", 0), attention.int("kv_num_heads", 0)),
        ("y", 2, 2)
    );
    assert!(!attention.attributes.contains_key("scale"), "the usual one");
    assert_eq!(fused("y = ms.MultiHeadAttention x x x num_heads=2 scale=0.5"), ["Attention"]);
    assert_eq!(fused("y = ms.MultiHeadAttention x x x _ _ w4 num_heads=2"), ["Attention"]);
    let apart = "t = Transpose x perm=0,2,1,3\ny = ms.MultiHeadAttention x t t num_heads=2";
    assert_eq!(fused(apart), ["Transpose", "Attention"]);
}

#[test]
fn masked_attention_is_left_alone() {
    for text in [
        "y = ms.Attention x w4 w4 x num_heads=2",
        "y = ms.Attention x x x num_heads=2",
        "y = ms.Attention x w4 w4 num_heads=0",
        "y = ms.MultiHeadAttention x x x w4 x num_heads=2",
        "y = ms.MultiHeadAttention x x x num_heads=0",
        "y = ms.MultiHeadAttention x _ _ w4 num_heads=2",
        "y = ms.MultiHeadAttention x _ x num_heads=2",
    ] {
        assert_eq!(fused(text).len(), 1, "{text}");
    }
}

#[test]
fn layer_norm_in_other_spellings() {
    let spread = "m = ReduceMean x axes=-1\nd = Sub x m\nq = Mul d d\n";
    let root = format!("{spread}v = ReduceMean q axes=-1\ne = Add v 1e-5\nr = Sqrt e\n");
    let reciprocal = format!("{root}i = Reciprocal r\n");
    for text in [
        // γ first.
        format!("{root}g = Mul w4 d\nn = Div g r\ny = Add n w4"),
        format!("{reciprocal}g = Mul d w4\nn = Mul g i\ny = Add n w4"),
        format!("{reciprocal}g = Mul i w4\nn = Mul g d\ny = Add n w4"),
        // TensorFlow's batch normalisation.
        format!("{reciprocal}s = Mul i w4\na = Mul x s\nb = Mul m s\nc = Sub w4 b\ny = Add a c"),
        format!("{reciprocal}a = Mul x i\nb = Mul m i\nc = Sub w4 b\ny = Add c a"),
        // Sums divided by the number of elements.
        format!(
            "{spread}t = ReduceSum q axes=-1\nv = Div t 4.0\ne = Add v 1e-5\nr = Sqrt e\nn = Div d r\ny = Mul n w4"
        ),
        format!(
            "{spread}t = ReduceSum q axes=-1\nv = Mul 0.25 t\ne = Add v 1e-5\nr = Sqrt e\nn = Div d r\ny = Mul n w4"
        ),
    ] {
        assert_eq!(fused(&text), ["LayerNormalization"], "{text}");
    }
    for text in [
        // Another divisor than the number of elements, or one that nothing confirms.
        format!(
            "{spread}t = ReduceSum q axes=-1\nv = Div t 3.0\ne = Add v 1e-5\nr = Sqrt e\nn = Div d r\ny = Mul n w4"
        ),
        format!("{spread}t = ReduceSum q axes=-1\nv = Div t 4.0\ne = Add v 1e-5\nr = Sqrt e\ny = Div d r"),
        // Another value's mean, or x without it.
        format!(
            "{reciprocal}z = Relu x\nk = ReduceMean z axes=-1\ns = Mul i w4\na = Mul x s\nb = Mul k s\nc = Sub w4 b\ny = Add a c"
        ),
        format!("{reciprocal}s = Mul i w4\na = Mul d s\nb = Mul m s\nc = Sub w4 b\ny = Add a c"),
        // Two parameters.
        format!("{reciprocal}g = Mul i w4\nh = Mul g w4\ny = Mul h d"),
    ] {
        assert!(!fused(&text).contains(&"LayerNormalization".into()), "{text}");
    }
}

#[test]
fn layer_norm_over_channels() {
    let norm = |axis: &str| {
        format!(
            "m = ReduceMean x axes={axis}\nd = Sub x m\nq = Pow d 2.0\nv = ReduceMean q axes={axis}\ne = Add v 1e-6\n\
             r = Sqrt e\nn = Div d r\ng = Mul n c4\ny = Add g c4"
        )
    };
    for (axis, shape, place) in
        [("1", vec![4, 1, 1], Some(-3)), ("-3", vec![1, 4, 1, 1], Some(-3)), ("-2", vec![4, 1, 1], Some(-2))]
    {
        let mut model = model(&norm(axis));
        model.constants.insert("c4".into(), Array::new(shape, vec![1.0_f32, 2.0, 3.0, 4.0]).unwrap());
        fuse(&mut model).unwrap();
        let found = model.nodes.iter().find(|node| node.op == "ChannelNormalization");
        assert_eq!(found.map(|node| node.int("place", 0)), place, "{axis}");
    }
}

#[test]
fn rotary_embeddings_of_onnx_runtime() {
    let mut model = model("y = ms.RotaryEmbedding x w4 w4 w4 interleaved=1 num_heads=2");
    fuse(&mut model).unwrap();
    let node = &model.nodes[0];
    let found = ["interleaved", "num_heads", "rotary_embedding_dim"].map(|name| node.int(name, -1));
    assert_eq!((node.domain.as_str(), node.inputs.len(), found), ("", 4, [1, 2, 0]));
    for other in ["x w4 w4 w4 scale=0.5", "x w4 w4 w4 is_packed_batching=1", "x _ w4 w4"] {
        assert_eq!(fused(&format!("y = ms.RotaryEmbedding {other}")).len(), 1, "{other}");
    }
}

#[test]
fn norms_without_a_mean() {
    let square = "q = Pow x 2.0\nv = ReduceMean q axes=-1\n";
    let last = "e = Add v 1e-6\ns = Sqrt e\nr = Reciprocal s\nn = Mul x r\ny = Mul n w4";
    for text in [
        format!("{square}{last}"),
        format!("{square}{}", last.replace("x r", "r x")),
        format!("q = Mul x x\nv = ReduceMean q axes=-1\n{last}"),
        format!("{square}e = Add v 1e-6\ns = Sqrt e\nn = Div x s\ny = Mul w4 n"),
        format!("{square}e = Add v 1e-6\nr = Pow e -0.5\ng = Mul x w4\ny = Mul g r"),
        format!("{square}e = Add v 1e-6\ns = Sqrt e\ny = Div x s"),
        format!("q = Pow x 2.0\nt = ReduceSum q axes=-1\nv = Div t 4.0\n{last}"),
        format!("{}{last}", square.replace("axes=-1", "axes=2")),
    ] {
        assert_eq!(fused(&text), ["RMSNormalization"], "{text}");
    }
    let from_start = square.replace("axes=-1", "axes=1");
    let bare = format!("{from_start}e = Add v 1e-6\ns = Sqrt e\ny = Div x s");
    assert_eq!(fused(&bare), ["ChannelNormalization"], "its axis is that of the reduction");
    assert_eq!(
        fused(&format!("{square}{last}").replace("x r", "z r").replace("q =", "z = Relu x\nq =")).len(),
        8
    );
    assert_eq!(fused("y = ms.SkipSimplifiedLayerNormalization x x w4"), ["Add", "RMSNormalization"]);
    let biased = "n _ _ s = ms.SkipSimplifiedLayerNormalization x x w4 w4\ny = Add n s";
    assert_eq!(fused(biased), ["Add", "Add", "RMSNormalization", "Add"]);
}

#[test]
fn division_by_the_length() {
    for text in [
        "l = ReduceL2 x axes=-1\ny = Div x l",
        "l = ReduceL2 x axes=1\nc = Clip l 1e-12\ns = Shape x\ne = Expand c s\ny = Div x e",
        "l = ReduceL2 x axes=1\nc = Max l 1e-8\ny = Div x c",
        "q = Mul x x\ns = ReduceSum q axes=-1\nl = Sqrt s\nc = Add l 1e-6\ny = Div x c",
        "q = Pow x 2.0\ns = ReduceSum q axes=-1\nl = Pow s 0.5\ny = Div x l",
    ] {
        assert_eq!(fused(text), ["LpNormalization"], "{text}");
    }
    for text in [
        "l = ReduceL2 x axes=-1\nc = Clip l 0.5\ny = Div x c",
        "l = ReduceL2 x axes=-1 keepdims=0\ny = Div x l",
        "z = Relu x\nl = ReduceL2 z axes=-1\ny = Div x l",
    ] {
        assert!(!fused(text).contains(&"LpNormalization".into()), "{text}");
    }
}

/// The sign's value at 0, of a model that is nothing but a sign.
fn zero_of(text: &str) -> Option<i64> {
    let mut model = model(text);
    fuse(&mut model).unwrap();
    let [sign] = model.nodes.as_slice() else { return None };
    (sign.is("Sign") && sign.input(0) == Some("x")).then(|| sign.int("zero", 0))
}

#[test]
fn signs_as_choices() {
    for (text, zero) in [
        ("y = Sign x", 0),
        ("c = GreaterOrEqual x 0.0\ny = Where c 1.0 -1.0", 1),
        ("c = Greater x 0.0\ny = Where c 1.0 -1.0", -1),
        ("c = Less x 0.0\ny = Where c -1.0 1.0", 1),
        ("c = LessOrEqual 0.0 x\ny = Where c 1.0 -1.0", 1),
        ("c = Less x 0.0\nn = Not c\ny = Where n 1.0 -1.0", 1),
        (
            "c = Greater x 0.0\ns = Shape x\no = ConstantOfShape s\nk = Add 0.0 1.0\nm = Expand k s\nn = Neg m\ny = Where c m n",
            -1,
        ),
    ] {
        assert_eq!(zero_of(text), Some(zero), "{text}");
    }
    for text in [
        "c = Greater x 0.0\ny = Where c -1.0 1.0",
        "c = Greater x 0.5\ny = Where c 1.0 -1.0",
        "c = Greater x 0.0\ny = Where c 1.0 -2.0",
        "c = Greater x x\ny = Where c 1.0 -1.0",
        "c = Greater x 0.0\ny = Where c 1.0 w4",
        "c = Equal x 0.0\ny = Where c 1.0 -1.0",
    ] {
        assert_eq!(zero_of(text), None, "{text}");
    }
}

#[test]
fn straight_through_estimators_disappear() {
    for soft in ["Clip x -1.0 1.0", "Tanh x", "Identity x"] {
        for sum in ["d = Sub b s\ny = Add d s", "d = Sub b s\ny = Add s d", "d = Add s b\ny = Sub d s"] {
            let text = format!("b = Sign x\ns = {soft}\n{sum}");
            assert_eq!(fused(&text), ["Sign", "Identity"], "{text}");
        }
    }
    // The soft function is computed twice, or detached.
    assert_eq!(fused("b = Sign x\ns = Tanh x\nt = Tanh x\nd = Sub b s\ny = Add d t"), ["Sign", "Identity"]);
    assert_eq!(
        fused("b = Sign x\ns = Tanh x\nt = Identity s\nd = Sub b t\ny = Add d s"),
        ["Sign", "Identity"]
    );
    for text in [
        // Another soft function, the wrong order, and a sum of another shape than the step.
        "b = Sign x\ns = Tanh x\nt = Sigmoid x\nd = Sub b s\ny = Add d t",
        "b = Sign x\ns = Tanh x\nd = Sub s b\ny = Add d s",
        "m = ReduceMax x axes=-1\nb = Sign m\ns = Tanh x\nd = Sub b s\ny = Add d s",
        "b = Sign x\ns = Mul x w4\nd = Sub b s\ny = Add d s",
    ] {
        assert!(fused(text).contains(&"Add".into()), "{text}");
    }
}

#[test]
fn keys_of_large_probabilities() {
    let chosen = |tail: &str| {
        let mut model = model(&format!("p = Softmax x\nm = ReduceMax p axes=-1\n{tail}"));
        fuse(&mut model).unwrap();
        let last = model.nodes.last().filter(|node| node.is("AtLeast") && node.input(0) == Some("p"))?;
        (model.nodes.len() == 2).then(|| (last.float("ratio", 0.0), last.int("axis", 0)))
    };
    for tail in [
        "t = Mul m 0.25\nc = GreaterOrEqual p t\ny = Cast c to=1",
        "t = Mul 0.25 m\nc = Greater p t\ny = Where c 1.0 0.0",
        "t = Div m 4.0\nc = LessOrEqual t p\ny = Cast c to=1",
        "t = Div m 4.0\nc = Less p t\ny = Where c 0.0 1.0",
        "q = Div p m\nc = GreaterOrEqual q 0.25\ny = Where c 1.0 0.0",
    ] {
        assert_eq!(chosen(tail), Some((0.25, -1)), "{tail}");
    }
    let straight = "p = Softmax x\nm = ReduceMax p axes=-1\nt = Div m 4.0\nc = Greater p t\nw = Where c 1.0 0.0\n\
                    d = Sub w p\nz = Add d p\ny = Relu z";
    assert_eq!(fused(straight), ["Softmax", "AtLeast", "Relu"]);
    assert_eq!(chosen("c = GreaterOrEqual p m\ny = Cast c to=1"), Some((1.0, -1)));
    for tail in [
        "c = Greater p m\ny = Cast c to=1",
        "t = Mul m 1.5\nc = GreaterOrEqual p t\ny = Cast c to=1",
        "t = Mul m 0.25\nc = GreaterOrEqual t p\ny = Cast c to=1",
        "t = Mul m 0.25\nc = GreaterOrEqual x t\ny = Cast c to=1",
        "t = Mul m 0.25\nc = GreaterOrEqual p t\ny = Where c 1.0 p",
        "t = Mul m m\nc = GreaterOrEqual p t\ny = Cast c to=1",
    ] {
        assert_eq!(chosen(tail), None, "{tail}");
    }
}

#[test]
fn attributes_of_joined_nodes_are_read_or_refused() {
    let norm = |attribute: &str| {
        let text =
            CENTRE.replace("v = ReduceMean q axes=-1", &format!("v = ReduceMean q axes=-1 {attribute}"));
        fuse(&mut model(&format!("{text}e = Add v 0.00001\ns = Sqrt e\ny = Div d s")))
    };
    norm("keepdims=1").unwrap();
    norm("noop_with_empty_axes=1").unwrap();
    for (result, op) in [
        (norm("surprise=1"), "`v` (ReduceMean)"),
        (
            fuse(&mut model(&format!(
                "{}p = Mul x s\ny = Mul p 0.5",
                ERF.replace("Erf u", "Erf u surprise=1")
            ))),
            "`e` (Erf)",
        ),
        (fuse(&mut model("s = Sigmoid x\ny = Mul s x surprise=1")), "`y` (Mul)"),
        (fuse(&mut model("y = Sign x surprise=1")), "`y` (Sign)"),
    ] {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(op) && message.contains("`surprise` of 1"), "{message}");
    }
    let zero = fuse(&mut model("y = Sign x zero=1")).unwrap_err().to_string();
    assert!(zero.contains("`zero` of 1"), "{zero}");
    // What would be removed stays, for the walk to refuse.
    assert_eq!(fused("i = Identity x surprise=1\ny = Relu i"), ["Identity", "Relu"]);
    assert_eq!(fused("i = Dropout x seed=1\ny = Relu i"), ["Relu"]);
}
