//! Small models of every operator that is accepted, in lines of text.

use std::collections::HashMap;

use onnx::Model;
use onnx::model::{Array, Attribute, Element, Input, Node, Output};

use crate::source::Source;

/// Models as lines `output = Op input input key=value`, from `x`, an image of 3 × 8 × 8, to the
/// last line's output. `name = floats 2,3` is a constant of −1…1, `name = ints 4,5` lists
/// integers, `name = bools 2,3` holds truth values, and a number among inputs is a scalar.
pub(super) const SEEDS: &[&str] = &[
    // A transformer block.
    "w = floats 8,3,4,4\nc = Conv x w kernel_shape=4,4 strides=4,4\ns = ints 1,8,4\nr = Reshape c s\n\
     t = Transpose r perm=0,2,1\ng = floats 8\nb = floats 8\nn = LayerNormalization t g b axis=-1\n\
     wq = floats 8,8\nwk = floats 8,8\nwv = floats 8,8\nq = MatMul n wq\nk = MatMul n wk\nv = MatMul n wv\n\
     h = ints 1,4,2,4\nqh = Reshape q h\nkh = Reshape k h\nvh = Reshape v h\nqt = Transpose qh perm=0,2,1,3\n\
     kt = Transpose kh perm=0,2,3,1\nvt = Transpose vh perm=0,2,1,3\na = MatMul qt kt\nf = Mul a 0.5\n\
     p = Softmax f axis=-1\no = MatMul p vt\nu = Transpose o perm=0,2,1,3\nj = ints 1,4,8\nz = Reshape u j\n\
     e = Add t z\nm = ReduceMean e axes=1 keepdims=0\nk1 = floats 8,5\nb1 = floats 5\ny = Gemm m k1 b1",
    // The decompositions of LayerNorm and GELU.
    "w = floats 6,3,2,2\nc = Conv x w strides=2,2\ns = ints 1,6,16\nr = Reshape c s\nt = Transpose r perm=0,2,1\n\
     m = ReduceMean t axes=-1\nd = Sub t m\nq = Pow d 2.0\nv = ReduceMean q axes=-1\ne = Add v 0.00001\n\
     h = Sqrt e\nn = Div d h\ng = floats 6\nl = Mul n g\nk = floats 6,8\nu = MatMul l k\ni = Div u 1.41421356\n\
     f = Erf i\no = Add f 1.0\np = Mul u o\ny = Mul p 0.5",
    // LayerNorm over channels, and TensorFlow's.
    "w = floats 4,3,1,1\nc = Conv x w\nm = ReduceMean c axes=1\nd = Sub c m\nq = Mul d d\nv = ReduceMean q axes=1\n\
     e = Add v 0.00001\nr = Sqrt e\nn = Div d r\ng = floats 4,1,1\nl = Mul g n\nb = floats 4,1,1\na = Add l b\n\
     t = Transpose a perm=0,2,3,1\nmm = ReduceMean t axes=-1\ndd = Sub t mm\nqq = Mul dd dd\nvv = ReduceMean qq axes=-1\n\
     ee = Add vv 0.00001\nrr = Sqrt ee\nii = Reciprocal rr\ngg = floats 4\nss = Mul ii gg\nxx = Mul t ss\nyy = Mul mm ss\n\
     bb = floats 4\ncc = Sub bb yy\ny = Add xx cc",
    // A convolutional net.
    "w = floats 6,3,3,3\nc = Conv x w pads=1,1,1,1\ng = floats 6\nb = floats 6\nm = floats 6\nv = positive 6\n\
     n = BatchNormalization c g b m v\nr = Relu n\np = MaxPool r kernel_shape=2,2 strides=2,2\nd = floats 6,1,3,3\n\
     k = Conv p d group=6 pads=1,1,1,1\nh = HardSwish k\na = GlobalAveragePool h\nf = Flatten a\nl = floats 6,4\n\
     y = MatMul f l",
    // Gates.
    "w = floats 4,3,1,1\nc = Conv x w\na = GlobalAveragePool c\nk = floats 4,4,1,1\ns = Conv a k\ng = Sigmoid s\n\
     m = Mul c g\nu = Sigmoid m\nt = Mul m u\nh = Tanh t\ne = Elu h alpha=0.7\nl = LeakyRelu e alpha=0.2\n\
     i = HardSigmoid l alpha=0.3\nz = Mul i l\nq = QuickGelu z\no = Swish q\ny = Gelu o",
    // Pooling, resizing and joining.
    "p = AveragePool x kernel_shape=2,2 strides=2,2\nk = scales 1,1,2,2\nr = Resize p _ k\nw = floats 3,3,2,2\n\
     t = ConvTranspose p w strides=2,2\nj = Concat r t x axis=1\nl = Clip j -0.5 1.5\nd = DepthToSpace l2 blocksize=2\n\
     e = Neg l\nl2 = floats 1,4,2,2\ny = ReduceMean e axes=2,3",
    // Movement.
    "t = Transpose x perm=0,2,3,1\nb = ints 1,0\ne = ints 7,8\na = ints 1,2\nn = Slice t b e a\ni = ints 2,0,1\n\
     g = Gather n i axis=3\np = ints 0,1,0,0,0,0,2,0\nd = Pad g p\nu = Split d axis=2 outputs=2\nj = Concat u u/1 axis=3\n\
     s = ints 1,-1,6\nr = Reshape j s\nz = ints 1\nq = Unsqueeze r z\nv = Squeeze q z\nw = floats 6,3\ny = MatMul v w",
    // Blocks of space, repeats.
    "s = SpaceToDepth x blocksize=2\nd = DepthToSpace s blocksize=2 mode=CRD\nr = ints 1,1,1,2\nt = Tile d r\n\
     a = ReduceSum t axes=3 keepdims=1\ne = ints 1,3,8,4\nx2 = Expand a e\nm = Max x2 0.1\nn = Min m a\n\
     u = ReduceMax n axes=2\nv = ReduceMin n axes=2\ny = Sub u v",
    // Masks.
    "s = ints 1,12,16\nr = Reshape x s\nw = floats 16,8\nq = MatMul r w\nt = Transpose q perm=0,2,1\na = MatMul q t\n\
     k = bools 12,12\nm = Where k a -1e9\nb = mask 12,12\nh = Softmax m axis=-1\ni = MatMul q t\nf = Mul i 0.3\nj = Add f b\n\
     o = Softmax j axis=-1\np = Add h o\ny = MatMul p q",
    // Attention.
    "s = ints 1,12,16\nr = Reshape x s\nw = floats 16,8\nq = MatMul r w\nk = bools 12,12\n\
     a = Attention q q q k q_num_heads=2 kv_num_heads=2\nw2 = floats 16,4\nk2 = MatMul r w2\n\
     c = Attention a k2 k2 q_num_heads=4 kv_num_heads=2 is_causal=1\n\
     e = Einsum c w equation=bij,kj->bik\nn = Einsum e equation=bij->bji\nz = com.microsoft.FastGelu n\ny = ReduceMean z axes=-1",
    // A part of constants.
    "w = floats 1,3,8,8\nk = floats 3,3,3,3\nc = Conv w k pads=1,1,1,1\ns = Softmax c axis=1\nl = CumSum s 2i\n\
     o = OneHot 1i 8i v\nv = floats 2\nt = TopK l 3i axis=1 outputs=2\nr = Relu t\na = Add x r\np = Mul a o\n\
     i = ints 0,0,1\nu = floats 8\nj = ints 1,3\nii = Reshape i j\nh = ints 1,8\nuu = Reshape u h\nz = ScatterND w ii uu\n\
     y = Add p z",
    // Norms without a mean, and a rotation of what they make.
    "w = floats 8,3,2,2\nc = Conv x w strides=2,2\ns = ints 1,8,16\nr = Reshape c s\nt = Transpose r perm=0,2,1\n\
     g = floats 8\nn = RMSNormalization t g axis=-1\nh = ints 1,16,2,4\nq = Reshape n h\nu = LpNormalization q axis=-1\n\
     v = Transpose u perm=0,2,1,3\na = floats 1,16,2\nb = floats 1,16,2\ny = RotaryEmbedding v a b",
];

/// The model of `seed`.
pub(super) fn model(seed: &str) -> Model {
    let mut model = Model {
        nodes: Vec::new(),
        constants: HashMap::new(),
        inputs: vec![Input {
            name: "x".into(),
            shape: [1, 3, 8, 8].map(Some).to_vec(),
            element: Element::Float,
        }],
        outputs: Vec::new(),
        opset: 17,
        metadata: HashMap::new(),
    };
    let mut source = Source::new(seed.len() as u64);
    for line in seed.lines() {
        let (name, call) = line.split_once(" = ").expect("a line of a seed");
        let mut words = call.split(' ');
        let op = words.next().unwrap_or_default();
        let words: Vec<&str> = words.collect();
        match constant(op, words.first().copied().unwrap_or_default(), &mut source) {
            Some(array) => drop(model.constants.insert(name.into(), array)),
            None => push(&mut model, name, op, &words),
        }
    }
    let last = model.nodes.last().map_or("x", |node| node.output()).to_owned();
    model.outputs = vec![Output { name: last, shape: Vec::new() }];
    model
}

/// A constant of `kind`, which none of the operators is called.
fn constant(kind: &str, list: &str, source: &mut Source) -> Option<Array> {
    let numbers: Vec<i64> = list.split(',').filter_map(|number| number.parse().ok()).collect();
    let shape: Vec<usize> = numbers.iter().map(|&dim| dim.unsigned_abs() as usize).collect();
    let len = shape.iter().product::<usize>();
    let mut unit = || source.below(2001) as f32 / 1000.0 - 1.0;
    match kind {
        "floats" => Array::new(shape, (0..len).map(|_| unit()).collect::<Vec<f32>>()),
        "positive" => Array::new(shape, (0..len).map(|_| 1.2 + unit()).collect::<Vec<f32>>()),
        "mask" => {
            let low = |at: usize| if at % 5 == 1 { -1e4 } else { 0.0 };
            Array::new(shape, (0..len).map(low).collect::<Vec<f32>>())
        }
        "bools" => Array::new(shape, (0..len).map(|at| at % 3 != 1).collect::<Vec<bool>>()),
        "scales" => Some(Array::vector(numbers.iter().map(|&scale| scale as f32).collect::<Vec<f32>>())),
        "ints" => Some(Array::vector(numbers)),
        _ => None,
    }
}

fn push(model: &mut Model, name: &str, op: &str, words: &[&str]) {
    let (domain, op) = op.rsplit_once('.').unwrap_or(("", op));
    let mut node = Node { domain: domain.into(), ..Node::new(op, Vec::new(), name) };
    for word in words {
        match word.split_once('=') {
            Some(("outputs", count)) => {
                let count: usize = count.parse().unwrap_or(1);
                node.outputs.extend((1..count).map(|at| format!("{name}/{at}")));
            }
            Some((key, value)) => drop(node.attributes.insert(key.into(), attribute(key, value))),
            None => {
                let scalar = word.parse().map(Array::scalar).ok();
                let integer = word
                    .strip_suffix('i')
                    .and_then(|word| word.parse().ok())
                    .map(|v: i64| Array::vector(vec![v]));
                if let Some(array) = scalar.or(integer) {
                    model.constants.insert((*word).into(), array);
                }
                node.inputs.push(word.replace('_', ""));
            }
        }
    }
    model.nodes.push(node);
}

fn attribute(key: &str, value: &str) -> Attribute {
    let integers: Vec<i64> = value.split(',').filter_map(|number| number.parse().ok()).collect();
    let lists = ["axes", "perm", "pads", "strides", "kernel_shape"];
    match (integers.as_slice(), value.parse()) {
        (_, _) if lists.contains(&key) => Attribute::Ints(integers),
        (&[integer], _) => Attribute::Int(integer),
        (_, Ok(float)) => Attribute::Float(float),
        (_, Err(_)) => Attribute::String(value.into()),
    }
}
