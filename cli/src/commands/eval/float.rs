//! The float model that a container was converted from.

use std::fs;
use std::path::Path;

use conversion::identity;
use converter::import::{ImportOptions, Imported, import};
use facts::Stated;
use float::{Graph, Preprocessing};
use shiftformer::runtime::{FloatBits, Image};
use shiftformer::{Model, OutputInfo};

use crate::failure::Failure;

/// A float model, read as the conversion read it.
pub struct FloatModel {
    /// Its path, for messages.
    pub name: String,
    pub graph: Graph,
}

impl FloatModel {
    /// The model at `path`, from which `model`, in the file `container`, was converted; `config`
    /// is the file of its dimensions, where they are others than in the conversion.
    pub fn open(
        path: &Path,
        container: &Path,
        config: Option<&Path>,
        model: &Model,
    ) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let kept =
            report::read_facts(container, &identity(model)).ok().flatten().and_then(|facts| facts.stated);
        let known = kept.is_some();
        let mut options = match kept {
            Some(Stated { config, mean, std }) => ImportOptions { config, mean, std },
            None => normalised_as(model),
        };
        if let Some(path) = config {
            options.config = Some(fs::read_to_string(path).map_err(Failure::io("cannot read", path))?);
        }
        let mut graph = float_graph(path, &name, &options)?;
        // The container's normalisation includes the one that the model does itself.
        if !known && matches!(graph.preprocessing, Some(Preprocessing::Unit | Preprocessing::Bytes)) {
            (options.mean, options.std) = Default::default();
            graph = float_graph(path, &name, &options)?;
        }
        let size = |image: &Image| format!("{} × {} × {}", image.height, image.width, image.channels);
        match model.image() {
            Some(image) if size(&image) != size(&graph.image) => {
                let (found, expected) = (size(&graph.image), size(&image));
                Err(Failure::new(format!("{name} takes images of {found}, {} of {expected}", model.name()))
                    .help("give the model that the container was converted from"))
            }
            Some(_) | None => Ok(Self { name, graph }),
        }
    }

    /// The output that `output` of the container was made from: of its name and length, or at its
    /// place and of its length.
    pub fn output(&self, output: &OutputInfo<'_>) -> Option<usize> {
        let outputs = &self.graph.outputs;
        let fits = |index: usize| self.graph.tensors[outputs[index].tensor].len() == output.len;
        let named = (0..outputs.len()).find(|&index| outputs[index].name == output.name && fits(index));
        named.or(Some(output.index).filter(|&index| index < outputs.len() && fits(index)))
    }
}

/// The normalisation of `model`'s pixels.
fn normalised_as(model: &Model) -> ImportOptions {
    let values = |image: &Image, bits: &[FloatBits]| {
        bits[..usize::from(image.channels)].iter().map(|b| f32::from_bits(b.0)).collect()
    };
    let of = |image: Image| (values(&image, &image.mean), values(&image, &image.std));
    let (mean, std) = model.image().map(of).unwrap_or_default();
    ImportOptions { config: None, mean, std }
}

fn float_graph(path: &Path, name: &str, options: &ImportOptions) -> Result<Graph, Failure> {
    match import(path, options).map_err(Failure::convert(name))? {
        Imported::Float(graph) => Ok(graph),
        Imported::Quantized(_) => {
            Err(Failure::new(format!("{name} is an integer checkpoint, not a float model"))
                .help("--against takes an .onnx or .safetensors file of floats"))
        }
    }
}
