//! The float evaluator, which conversion takes for the truth, against another
//! implementation of ONNX on the same files.

use std::path::Path;

use converter::import::{ImportOptions, Imported, import};
use float::{Evaluator, Graph};
use tract_onnx::prelude::*;

const MEAN: f32 = 0.25;
const STD: f32 = 0.5;

fn graph(path: &Path) -> Graph {
    let options = ImportOptions { mean: vec![MEAN], std: vec![STD], ..ImportOptions::default() };
    match import(path, &options).unwrap() {
        Imported::Float(graph) => graph,
        Imported::Quantized(_) => panic!("{} is not a float model", path.display()),
    }
}

/// The first output of the model at `path` for `frame`, channels last.
fn truth(path: &Path, graph: &Graph, frame: &[u8]) -> Vec<f32> {
    let [height, width] = [graph.image.height, graph.image.width].map(usize::from);
    let channels = usize::from(graph.image.channels);
    let shape = [1, channels, height, width];
    let input = tract_ndarray::Array4::from_shape_fn(shape, |(_, c, y, x)| {
        (f32::from(frame[(y * width + x) * channels + c]) / 255.0 - MEAN) / STD
    });
    let fact = InferenceFact::dt_shape(f32::datum_type(), shape);
    let model = onnx().model_for_path(path).unwrap().with_input_fact(0, fact).unwrap();
    let model = model.into_optimized().unwrap().into_runnable().unwrap();
    let outputs = model.run(tvec!(Tensor::from(input).into())).unwrap();
    let output = outputs[0].to_plain_array_view::<f32>().unwrap();
    if output.ndim() == 4 {
        return output.permuted_axes(vec![0, 2, 3, 1]).iter().copied().collect();
    }
    output.iter().copied().collect()
}

/// Compares the model at `path` on `frames`, to a share of the largest value.
///
/// # Panics
/// Where the two differ, or the model is not read.
pub fn compare(path: &Path, frames: &[Vec<u8>]) {
    let graph = graph(path);
    let evaluator = Evaluator::new(&graph).unwrap();
    for frame in frames {
        let (found, expected) = (evaluator.run(frame).remove(0), truth(path, &graph, frame));
        assert_eq!(found.len(), expected.len(), "{}", path.display());
        let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        assert!(largest > 0.01, "{}: every output is near zero", path.display());
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - expected).abs();
            assert!(error <= 2e-5 * largest, "{}: {found} at {at}, not {expected}", path.display());
        }
    }
}
