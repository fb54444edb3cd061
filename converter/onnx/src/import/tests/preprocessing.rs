//! What models do with their pixels before the first layer.

use float::Preprocessing;
use runtime::{ChannelOrder, FloatBits};

use super::{Sketch, close};
use crate::import::preprocessing::preprocessing;
use crate::import::{Normalisation, build};
use crate::model::{Array, Element, Output};

/// Nodes between the image and the output: an op, and the values of its constant input.
type Chain = &'static [(&'static str, &'static [f32])];

fn chain(sketch: &mut Sketch, chain: Chain) -> String {
    let mut name = "x".to_owned();
    for (op, values) in chain {
        let shape = if values.len() == 1 { Vec::new() } else { vec![1, values.len(), 1, 1] };
        let constant = sketch.constant(Array { shape, data: values.to_vec().into() });
        name = sketch.node(op, &[&name, &constant], &[]);
    }
    name
}

/// The image after `chain`, its pixels from 0 to `white` before.
fn expected(sketch: &Sketch, chain: Chain, white: f32) -> Vec<f32> {
    let values = sketch.image().to_f32s();
    let plane = values.len() / 3;
    let step = |(at, x): (usize, f32), (op, constant): &(&str, &[f32])| {
        let c = constant[at / plane % constant.len()];
        let y = match *op {
            "Add" => x + c,
            "Sub" => x - c,
            "Mul" => x * c,
            "Div" => x / c,
            other => panic!("{other}"),
        };
        (at, y)
    };
    let pixels = values.into_iter().map(|value| value * white).enumerate();
    pixels.map(|pixel| chain.iter().fold(pixel, step).1).collect()
}

#[test]
fn graphs_that_rescale_bytes_are_given_bytes() {
    let bytes: [Chain; 6] = [
        &[("Div", &[255.0])],
        &[("Div", &[127.5]), ("Sub", &[1.0])],
        &[("Mul", &[1.0 / 127.5]), ("Add", &[-1.0])],
        &[("Sub", &[127.0]), ("Div", &[127.0])],
        &[("Sub", &[123.7, 116.3, 103.5])],
        &[("Div", &[255.0]), ("Sub", &[0.5, 0.4, 0.3]), ("Div", &[0.2, 0.25, 0.5])],
    ];
    let unit: [Chain; 3] = [
        &[("Sub", &[0.5]), ("Div", &[0.5])],
        &[("Mul", &[255.0]), ("Sub", &[123.7, 116.3, 103.5]), ("Mul", &[0.017])],
        &[("Sub", &[0.485, 0.456, 0.406]), ("Div", &[0.229, 0.224, 0.225])],
    ];
    let bytes = bytes.iter().map(|chain| (*chain, Preprocessing::Bytes, 255.0));
    let unit = unit.iter().map(|chain| (*chain, Preprocessing::Unit, 1.0));
    for (steps, found, white) in bytes.chain(unit) {
        let mut sketch = Sketch::new([1, 3, 4, 4]);
        let out = chain(&mut sketch, steps);
        assert_eq!(sketch.build(&out).unwrap().preprocessing, Some(found), "{steps:?}");
        close(&sketch.run(&out), &expected(&sketch, steps, white));
    }
}

#[test]
fn a_batch_norm_of_bytes_is_given_bytes() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let parameters = [[1.0, 1.5, 0.5], [0.1, -0.2, 0.0], [123.0, 117.0, 104.0], [4900.0, 3600.0, 6400.0]];
    let names = parameters.map(|values| sketch.constant(Array::vector(values.to_vec())));
    let [gamma, beta, mean, variance] = &names;
    let out = sketch.node("BatchNormalization", &["x", gamma, beta, mean, variance], &[]);
    assert_eq!(sketch.build(&out).unwrap().preprocessing, Some(Preprocessing::Bytes));
    let [gamma, beta, mean, variance] = parameters;
    let values = sketch.image().to_f32s().into_iter().enumerate();
    let expected = values.map(|(at, value)| {
        let c = at / 16;
        (value * 255.0 - mean[c]) / (variance[c] + 1e-5_f32).sqrt() * gamma[c] + beta[c]
    });
    close(&sketch.run(&out), &expected.collect::<Vec<f32>>());
}

#[test]
fn scaling_that_a_layer_takes_in_is_seen() {
    // The factor goes into the weights, and no constant of the pixels shows it.
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let scaled = chain(&mut sketch, &[("Div", &[127.5])]);
    let last = sketch.transpose(&scaled, &[0, 2, 3, 1]);
    let weights = sketch.floats(&[3, 2]);
    let out = sketch.node("MatMul", &[&last, &weights], &[]);
    assert_eq!(sketch.build(&out).unwrap().preprocessing, Some(Preprocessing::Bytes));
}

#[test]
fn a_first_layer_that_reads_pixels_as_they_are() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let weights = sketch.floats(&[5, 3, 4, 4]);
    let out = sketch.node("Conv", &["x", &weights], &[]);
    assert_eq!(sketch.build(&out).unwrap().preprocessing, Some(Preprocessing::Absent));
    let mut model = sketch.model.clone();
    model.inputs[0].element = Element::U8;
    model.outputs = vec![Output { name: out, shape: Vec::new() }];
    let graph = build(model, Normalisation::default()).unwrap();
    assert_eq!(graph.preprocessing, Some(Preprocessing::Bytes));
}

#[test]
fn a_change_of_sign_is_no_normalisation() {
    let found = |steps: &[(&str, f32)]| {
        let mut sketch = Sketch::new([1, 3, 4, 4]);
        let mut out = sketch.node("Neg", &["x"], &[]);
        for (op, value) in steps {
            let value = sketch.constant(Array::scalar(*value));
            out = sketch.node(op, &[&out, &value], &[]);
        }
        sketch.check(&out);
        sketch.build(&out).unwrap().preprocessing.unwrap()
    };
    assert_eq!(found(&[]), Preprocessing::Absent);
    assert_eq!(found(&[("Mul", -1.0)]), Preprocessing::Absent);
    assert_eq!(found(&[("Add", 0.5)]), Preprocessing::Unit);
    assert_eq!(found(&[("Div", 0.25)]), Preprocessing::Unit);
}

#[test]
fn what_a_table_holds_says_nothing_about_pixels() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let (table, far) = (sketch.floats(&[256, 4]), sketch.constant(Array::scalar(-100.0)));
    let picked = sketch.node("Gather", &[&table, "x"], &[]);
    sketch.node("Add", &[&picked, &far], &[]);
    assert_eq!(preprocessing(&sketch.model, "x"), Preprocessing::Absent);
}

#[test]
fn what_is_stated_is_done_before() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let out = chain(&mut sketch, &[("Div", &[127.5]), ("Sub", &[1.0])]);
    let mut model = sketch.model.clone();
    model.outputs = vec![Output { name: out, shape: Vec::new() }];
    let graph = build(model, Normalisation { mean: &[0.5], std: &[0.25] }).unwrap();
    assert_eq!(graph.preprocessing, Some(Preprocessing::Bytes));
    let bits = graph.image.std[0].0;
    assert!((f32::from_bits(bits) - 0.25 * 127.5).abs() < 1e-4, "{}", f32::from_bits(bits));
}

#[test]
fn what_metadata_states_is_done_unless_the_command_or_the_graph_do() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let weights = sketch.floats(&[5, 3, 4, 4]);
    let plain = sketch.node("Conv", &["x", &weights], &[]);
    let metadata = [("mean", "[0.5, 0.4, 0.3]"), ("std", "0.25"), ("Image.BitmapPixelFormat", "Bgr8")];
    sketch.model.metadata = metadata.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let built = |sketch: &Sketch, out: &str, given| {
        let mut model = sketch.model.clone();
        model.outputs = vec![Output { name: out.to_owned(), shape: Vec::new() }];
        build(model, given).unwrap()
    };
    let values =
        |bits: [FloatBits; 4]| bits[..3].iter().map(|bits| f32::from_bits(bits.0)).collect::<Vec<_>>();
    let graph = built(&sketch, &plain, Normalisation::default());
    assert_eq!((values(graph.image.mean), values(graph.image.std)), (vec![0.5, 0.4, 0.3], vec![0.25; 3]));
    assert_eq!(graph.image.order, ChannelOrder::Bgr);
    assert_eq!(graph.stated.unwrap().source, "`mean` and `std`");
    let graph = built(&sketch, &plain, Normalisation { mean: &[0.1], std: &[0.2] });
    assert_eq!((values(graph.image.mean), values(graph.image.std)), (vec![0.1; 3], vec![0.2; 3]));
    assert_eq!(graph.stated.unwrap().std, [0.25]);

    // A graph that divides by 255 itself: what is stated describes that.
    let mut divides = Sketch::new([1, 3, 4, 4]);
    divides.model.metadata = sketch.model.metadata.clone();
    let scaled = chain(&mut divides, &[("Div", &[255.0])]);
    let graph = built(&divides, &scaled, Normalisation::default());
    assert_eq!(graph.preprocessing, Some(Preprocessing::Bytes));
    assert_eq!(values(graph.image.mean), [0.0; 3]);
}
