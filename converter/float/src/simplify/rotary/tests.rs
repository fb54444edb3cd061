use runtime::{ChannelOrder, Image, OutputKind};

use super::replace;
use crate::eval::Evaluator;
use crate::graph::{Dense, Graph, Node, Output, Pairs, Part};
use crate::layout::TensorId;
use crate::math;

const HEADS: usize = 2;
const HALF: usize = 3;
const HEAD_DIM: usize = 2 * HALF;
const WIDTH: usize = HEADS * HEAD_DIM;
/// Rows of the image, of which the first is not turned where there is a class token.
const TOKENS: usize = 6;

/// How a model writes its rotation.
#[derive(Clone, Copy, Debug)]
struct Form {
    pairs: Pairs,
    class: bool,
    /// The product with sines is the first operand of the sum.
    reversed: bool,
    /// Heads come before tokens behind it.
    by_head: bool,
    /// Of the half that is negated.
    sign: f32,
    /// The factor of the second head's angles.
    second: f32,
    /// The factor of all of it.
    gain: f32,
}

const PLAIN: Form = Form {
    pairs: Pairs::Halves,
    class: false,
    reversed: false,
    by_head: false,
    sign: -1.0,
    second: 1.0,
    gain: 1.0,
};

struct Sketch(Graph);

impl Sketch {
    fn node(&mut self, rows: usize, width: usize, node: impl FnOnce(TensorId) -> Node) -> TensorId {
        let out = self.0.tensor("t", rows, width);
        self.0.nodes.push(node(out));
        out
    }

    /// The product of `x` with cosines or sines of `tokens` tokens.
    fn weighted(&mut self, x: TensorId, tokens: usize, form: Form, function: fn(f32) -> f32) -> TensorId {
        let angle = |at: usize| {
            let (token, head, channel) = (at / WIDTH, at % WIDTH / HEAD_DIM, at % HEAD_DIM);
            let pair = if form.pairs == Pairs::Halves { channel % HALF } else { channel / 2 };
            let angle = (token + 1) as f32 / (1 + pair) as f32;
            if head == 1 { form.second * angle } else { angle }
        };
        let values = (0..tokens * WIDTH).map(|at| form.gain * function(angle(at))).collect();
        let y = self.node(tokens, WIDTH, |out| Node::Concat { parts: vec![Part::Constant(values)], out });
        self.node(tokens, WIDTH, |out| Node::Mul { x, y, out })
    }

    /// Channels in the places of those that they are a pair with, the first of each pair times `sign`.
    fn swapped(&mut self, x: TensorId, tokens: usize, Form { pairs, sign, .. }: Form) -> TensorId {
        let rows = tokens * HEADS;
        let (apart, step) = if pairs == Pairs::Halves { (HALF, 1) } else { (1, 2) };
        let half = |offset| {
            let shape = [1, tokens, HEADS, HALF];
            move |out| Node::Permute { x, out, offset, shape, strides: [0, WIDTH, HEAD_DIM, step] }
        };
        let seconds = self.node(rows, HALF, half(apart));
        let firsts = self.node(rows, HALF, half(0));
        let (scale, offset) = (vec![sign; HALF], vec![0.0; HALF]);
        let negated = self.node(rows, HALF, |out| Node::Affine { x: seconds, out, scale, offset });
        let parts = vec![Part::Tensor(negated), Part::Tensor(firsts)];
        let both = self.node(2 * rows, HALF, |out| Node::Concat { parts, out });
        let part = rows * HALF;
        let (shape, strides) = match pairs {
            Pairs::Halves => ([tokens, HEADS, 2, HALF], [HEADS * HALF, HALF, part, 1]),
            Pairs::Neighbours => ([tokens, HEADS, HALF, 2], [HEADS * HALF, HALF, 1, part]),
        };
        self.node(tokens, WIDTH, |out| Node::Permute { x: both, out, offset: 0, shape, strides })
    }
}

/// A model that turns the part of its rows that `form` says.
fn model(form: Form) -> Graph {
    let image = Image::plain([TOKENS as u16, 1], 3, ChannelOrder::Rgb);
    let mut sketch = Sketch(Graph::new(image));
    let pixels =
        sketch.node(TOKENS, 3, |out| Node::Pixels { x: 0, out, mean: vec![0.5; 3], std: vec![0.3; 3] });
    let (n, k) = (3 * WIDTH, 3);
    let weights = (0..n * k).map(|i| (i * 7 % 11) as f32 / 5.0 - 1.0).collect();
    let dense = Dense { n, k, weights, bias: vec![0.25; n] };
    let packed = sketch.node(TOKENS, n, |out| Node::Linear { x: pixels, out, dense });
    // The second third of each row, and of the rows those that are turned.
    let first = usize::from(form.class);
    let tokens = TOKENS - first;
    let part = |start: usize, rows: usize| {
        let (shape, strides) = ([rows, 1, 1, WIDTH], [n, 0, 0, 1]);
        move |out| Node::Permute { x: packed, out, offset: start * n + WIDTH, shape, strides }
    };
    let x = sketch.node(tokens, WIDTH, part(first, tokens));
    let straight = sketch.weighted(x, tokens, form, math::cosf);
    let swapped = sketch.swapped(x, tokens, form);
    let swapped = sketch.weighted(swapped, tokens, form, math::sinf);
    let (x, y) = if form.reversed { (swapped, straight) } else { (straight, swapped) };
    let mut out = sketch.node(tokens, WIDTH, |out| Node::Add { x, y, out });
    if form.class {
        let class = sketch.node(1, WIDTH, part(0, 1));
        let parts = vec![Part::Tensor(class), Part::Tensor(out)];
        out = sketch.node(TOKENS, WIDTH, |out| Node::Concat { parts, out });
    }
    if form.by_head {
        let (shape, strides) = ([1, HEADS, TOKENS, HEAD_DIM], [0, HEAD_DIM, WIDTH, 1]);
        out = sketch.node(HEADS * TOKENS, HEAD_DIM, |made| Node::Permute {
            x: out,
            out: made,
            offset: 0,
            shape,
            strides,
        });
    }
    let (name, kind, shape) = ("out".into(), OutputKind::Embedding, [TOKENS * WIDTH, 1, 1, 1]);
    sketch.0.outputs.push(Output { name, tensor: out, kind, shape, ending: None });
    sketch.0
}

/// The nodes that are left, where the values are those of before.
fn replaced(form: Form) -> Vec<Node> {
    let before = model(form);
    let mut after = before.clone();
    replace(&mut after);
    let frame: Vec<u8> = (0..TOKENS as u8 * 3).map(|i| i.wrapping_mul(53)).collect();
    let [a, b] = [&before, &after].map(|graph| Evaluator::new(graph).unwrap().run(&frame).remove(0));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-5), "{form:?}: {a:?} {b:?}");
    after.nodes
}

#[test]
fn every_form_is_one_rotation() {
    for pairs in [Pairs::Halves, Pairs::Neighbours] {
        for (class, reversed, by_head) in [
            (false, false, false),
            (true, false, false),
            (true, true, false),
            (false, true, true),
            (true, false, true),
        ] {
            let nodes = replaced(Form { pairs, class, reversed, by_head, ..PLAIN });
            let rest = &nodes[2..];
            let Node::Rotary { offset, head_dim, pairs: found, angles, .. } = &rest[0] else {
                panic!("{rest:?}");
            };
            assert_eq!(
                (*offset, *head_dim, *found, angles.len()),
                (WIDTH, HEAD_DIM, pairs, TOKENS * HEAD_DIM)
            );
            if class {
                assert_eq!(angles[..HEAD_DIM], [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
            }
            // A layout with heads first is a copy behind it.
            assert_eq!(rest.len(), 1 + usize::from(by_head), "{rest:?}");
        }
    }
}

#[test]
fn heads_of_other_angles_are_one_head_of_neighbours() {
    let nodes = replaced(Form { pairs: Pairs::Neighbours, second: 0.5, ..PLAIN });
    assert!(matches!(nodes[2], Node::Rotary { head_dim: WIDTH, .. }), "{:?}", nodes[2]);
}

#[test]
fn what_is_no_rotation_stays() {
    for form in [
        Form { sign: 1.0, ..PLAIN },
        Form { second: 0.5, ..PLAIN },
        Form { gain: 1.5, ..PLAIN },
        Form { sign: 1.0, pairs: Pairs::Neighbours, ..PLAIN },
    ] {
        let nodes = replaced(form);
        assert!(!nodes.iter().any(|node| matches!(node, Node::Rotary { .. })), "{form:?}");
    }
}
