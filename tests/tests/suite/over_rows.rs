//! Norms over all rows, quotients, and steep functions: blocks of them, quantized, against the float
//! model.

use converter::calibrate::QuantizeOptions;
use converter::{BuildOptions, convert};
use float::{Function, Node, TensorId};

use crate::gates::{Block, WIDTH};

#[test]
fn group_and_instance_norms() {
    for groups in [1, 4, WIDTH] {
        let (mut block, features) = Block::new();
        let ramp = |step: f32| (0..WIDTH).map(|c| 0.5 + step * c as f32).collect();
        let normed = block.node("normed", WIDTH, |out| Node::GroupNorm {
            x: features,
            out,
            groups,
            gamma: ramp(0.1),
            beta: ramp(-0.05),
            eps: 1e-5,
        });
        let (snr, _) = block.converted(normed, |_| None::<()>);
        assert!(snr >= 35.0, "{groups}: {snr}");
    }
}

#[test]
fn global_response_normalisation() {
    let (mut block, features) = Block::new();
    let hidden = block.linear("hidden", features, 2 * WIDTH);
    let hidden = block.activate("hidden.gelu", hidden, Function::Gelu);
    let shares = block.made("shares", 1, 2 * WIDTH, |out| Node::ResponseNorm { x: hidden, out, eps: 1e-6 });
    let gated = block.product("gated", hidden, shares);
    let sum = block.node("sum", 2 * WIDTH, |out| Node::Add { x: hidden, y: gated, out });
    let (snr, _) = block.converted(sum, |_| None::<()>);
    assert!(snr >= 30.0, "{snr}");
}

#[test]
fn quotients_by_rows_channels_and_elements() {
    for case in 0..4 {
        let (mut block, features) = Block::new();
        let (name, width) = ("divisor", if case == 0 { 1 } else { WIDTH });
        let gate = block.linear("gate", features, width);
        let mut gate = block.activate("gate.sigmoid", gate, Function::HardSigmoid { alpha: 0.2, beta: 0.5 });
        if case == 1 {
            gate = block.made("gate.mean", 1, WIDTH, |out| Node::Mean { x: gate, out });
        }
        let rows = block.graph.tensors[gate].rows;
        let divisor = block.made(name, rows, width, |out| Node::Affine {
            x: gate,
            out,
            scale: vec![2.0; width],
            offset: vec![0.3; width],
        });
        let quotient = match case {
            3 => block.node("quotient", WIDTH, |out| Node::Div { x: divisor, y: divisor, out }),
            _ => block.node("quotient", WIDTH, |out| Node::Div { x: features, y: divisor, out }),
        };
        let sum = block.node("sum", WIDTH, |out| Node::Add { x: features, y: quotient, out });
        let (snr, _) = block.converted(sum, |_| None::<()>);
        assert!(snr >= 30.0, "{case}: {snr}");
    }
}

#[test]
fn a_divisor_that_passes_through_zero_is_refused() {
    let (mut block, features) = Block::new();
    let quotient = block.node("quotient", WIDTH, |out| Node::Div { x: features, y: features, out });
    let (graph, frames) = block.finish(quotient);
    let options = QuantizeOptions::default();
    let error = convert(graph, &frames, &options, BuildOptions::default(), &()).unwrap_err().to_string();
    assert!(error.contains("`quotient`") && error.contains("values of both signs"), "{error}");
}

/// A function of what is at least `least`.
fn steep(function: Function, least: f32) -> (Block, TensorId) {
    let (mut block, features) = Block::new();
    let magnitudes = block.activate("magnitudes", features, Function::Abs);
    let away = block.node("away", WIDTH, |out| Node::Affine {
        x: magnitudes,
        out,
        scale: vec![1.0; WIDTH],
        offset: vec![least; WIDTH],
    });
    let made = block.activate("steep", away, function);
    (block, made)
}

#[test]
fn steep_functions_are_interpolated() {
    for (function, least) in [
        (Function::Power { exponent: 0.5 }, 0.0),
        (Function::Power { exponent: -1.0 }, 0.5),
        (Function::Log, 0.5),
        (Function::Exp, 0.0),
        (Function::Sin, 0.0),
    ] {
        let (block, made) = steep(function, least);
        let (snr, _) = block.converted(made, |_| None::<()>);
        assert!(snr >= 25.0, "{function:?}: {snr}");
    }
}

#[test]
fn what_is_too_steep_is_refused() {
    for function in [Function::Power { exponent: -1.0 }, Function::Log] {
        let (block, made) = steep(function, 1e-4);
        let (graph, frames) = block.finish(made);
        let options = QuantizeOptions::default();
        let error = convert(graph, &frames, &options, BuildOptions::default(), &()).unwrap_err().to_string();
        assert!(error.contains("`steep`") && error.contains("too steep"), "{error}");
    }
}
