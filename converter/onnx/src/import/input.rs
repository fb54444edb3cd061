//! The model's input as a view of the frame.

use float::{Graph, Node, Preprocessing, StatedPixels};
use runtime::image::{Fit, MAX_SIDE};
use runtime::{ChannelOrder, FloatBits, Image};

use super::importer::{MAX_ELEMENTS, Result, interface};
use super::metadata;
use super::preprocessing::preprocessing;
use super::view::{View, dense};
use crate::error::OnnxError;
use crate::model::{Element, Input, Model};

/// What the user says about the pixels that the model was trained with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Normalisation<'a> {
    /// Mean of pixels scaled to \[0, 1\], one for each channel or one for all; empty if not stated.
    pub mean: &'a [f32],
    /// Standard deviation, likewise.
    pub std: &'a [f32],
}

/// What is taken.
const WANTED: &str = "an image is taken, N × C × H × W with 1 to 4 channels";

/// Names that exporters give to inputs of audio models.
const AUDIO: &[&str] =
    &["audio", "fbank", "input_features", "input_values", "mel", "spectrogram", "speech", "wave"];

fn is_text(input: &Input) -> bool {
    input.element == Element::Int && input.shape.len() <= 3
}

/// What an input is that is no image, as far as its type, name and dimensions show.
fn no_image(input: &Input) -> Option<String> {
    let name = input.name.to_lowercase();
    let fixed = |at: usize| input.shape.get(at).copied().flatten();
    match input.shape.len() {
        _ if input.element == Element::Bool => Some("it holds truth values, as masks do".into()),
        0..=3 if is_text(input) => Some("it holds integers, as token ids of text do".into()),
        0..=3 if AUDIO.iter().any(|word| name.contains(word)) => {
            Some("its name says that it is audio".into())
        }
        0 | 1 => Some("it has no height and width".into()),
        2 => {
            let count = fixed(1).map_or("some".into(), |count| count.to_string());
            Some(format!("it is a flat vector of {count} values, whose height and width nobody states"))
        }
        3 if fixed(1) == Some(1) || fixed(2) == Some(1) => {
            Some("it is a sequence of values, as audio is".into())
        }
        5.. => Some("it has more dimensions than one image, as video has".into()),
        _ => None,
    }
}

/// Dimensions of the image, and the value of the model that it is.
struct Layout {
    /// Height, width, channels.
    size: [usize; 3],
    shape: Vec<usize>,
    /// Axes of the model's value from height to channels: `shape` cut into batch, then
    /// these.
    channels_last: bool,
}

/// A graph with the frame and its pixels, and the model's input.
pub(super) fn frame(model: &Model, given: Normalisation) -> Result<(Graph, View)> {
    let [input] = model.inputs.as_slice() else {
        let names: Vec<&str> = model.inputs.iter().map(|input| input.name.as_str()).collect();
        let part = match model.inputs.iter().any(is_text) {
            true => "; one of them holds token ids of text: export the image encoder alone",
            false => "",
        };
        let reason =
            format!("the model must have one input, an image; it has {} ({names:?}){part}", names.len());
        return Err(interface("input", names.first().copied().unwrap_or(""), reason));
    };
    if let Some(what) = no_image(input) {
        return Err(interface("input", &input.name, format!("{what}; {WANTED}")));
    }
    let layout = layout(input)?;
    let [height, width, channels] = layout.size;
    let preprocessing = match input.element {
        Element::U8 => Preprocessing::Bytes,
        Element::Float | Element::Int | Element::Bool => preprocessing(model, &input.name),
    };
    let stated = metadata::pixels(&model.metadata, channels);
    let silent = given.mean.is_empty() && given.std.is_empty();
    let given = match &stated {
        Some(StatedPixels { mean, std, .. }) if silent && preprocessing == Preprocessing::Absent => {
            Normalisation { mean, std }
        }
        Some(_) | None => given,
    };
    let (mean, std) = normalisation(preprocessing, channels, given)?;
    let bits = |values: &[f32]| {
        let mut all = [FloatBits(0); 4];
        all.iter_mut().zip(values).for_each(|(bits, value)| *bits = FloatBits(value.to_bits()));
        all
    };
    let mut graph = Graph::new(Image {
        height: height as u16,
        width: width as u16,
        channels: channels as u8,
        order: match channels {
            1 => ChannelOrder::Gray,
            3 if metadata::blue_first(&model.metadata) => ChannelOrder::Bgr,
            3 => ChannelOrder::Rgb,
            _ => ChannelOrder::Other,
        },
        fit: Fit::stretched(height as u16, width as u16),
        mean: bits(&mean),
        std: bits(&std),
    });
    graph.preprocessing = Some(preprocessing);
    graph.stated = stated;
    let out = graph.tensor("pixels", height * width, channels);
    graph.nodes.push(Node::Pixels { x: 0, out, mean, std });
    let order = if layout.channels_last { [0, 1, 2, 3] } else { [0, 2, 3, 1] };
    let shape =
        if layout.channels_last { [1, height, width, channels] } else { [1, channels, height, width] };
    let view = View::laid_out(out, dense(&shape, &order));
    let view = view.reshape(&layout.shape);
    view.map(|view| (graph, view))
        .ok_or_else(|| interface("input", &input.name, "its shape is not an image's"))
}

fn layout(input: &Input) -> Result<Layout> {
    let error = |reason: String| interface("input", &input.name, reason);
    let rank = input.shape.len();
    let batched = rank == 4 || (rank == 3 && matches!(input.shape[0], None | Some(1)));
    let mut shape = Vec::with_capacity(rank);
    for (axis, &dim) in input.shape.iter().enumerate() {
        shape.push(match dim {
            None if axis == 0 && batched => 1,
            Some(batch) if axis == 0 && batched && batch != 1 => {
                return Err(error(format!(
                    "its batch is fixed at {batch}; export with a batch of 1, or with `dynamic_axes`"
                )));
            }
            Some(len) if len > 0 => len,
            _ => {
                let shape = input.shape.iter().map(|dim| dim.map_or("?".into(), |len| len.to_string()));
                return Err(error(format!(
                    "dimension {axis} of its shape {} is not fixed; export with a fixed image size",
                    shape.collect::<Vec<_>>().join(" × ")
                )));
            }
        });
    }
    let few = |len: usize| (1..=4).contains(&len);
    let (size, channels_last) = match *shape.as_slice() {
        [_, c, h, w] if few(c) && !(few(w) && input.element == Element::U8) => ([h, w, c], false),
        [_, h, w, c] if few(c) => ([h, w, c], true),
        [1, h, w] => ([h, w, 1], false),
        [c, h, w] if few(c) => ([h, w, c], false),
        [h, w, c] if few(c) => ([h, w, c], true),
        _ => return Err(error(format!("a shape of {shape:?} is not an image's; {WANTED}"))),
    };
    let limit = usize::from(MAX_SIDE);
    if let Some(side) = size[..2].iter().find(|&&side| side > limit) {
        return Err(error(format!(
            "an image of {} × {} pixels is too large: a side of {side} exceeds the limit of {limit}; export the model \
             with a smaller image",
            size[0], size[1]
        )));
    }
    let values = size.iter().product::<usize>();
    if values > MAX_ELEMENTS {
        return Err(error(format!(
            "an image of {} × {} pixels is too large: its {values} values exceed the limit of {MAX_ELEMENTS}; export \
             the model with a smaller image",
            size[0], size[1]
        )));
    }
    Ok(Layout { size, shape, channels_last })
}

/// Mean and standard deviation of each channel, for pixels in 0..=1.
fn normalisation(
    preprocessing: Preprocessing,
    channels: usize,
    given: Normalisation,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let stated = !given.mean.is_empty() || !given.std.is_empty();
    let unit = match preprocessing {
        Preprocessing::Bytes if !stated => 1.0 / 255.0,
        Preprocessing::Bytes | Preprocessing::Unit | Preprocessing::Absent => 1.0,
    };
    let spread = |values: &[f32], default: f32, what: &'static str| -> Result<Vec<f32>> {
        match values {
            [] => Ok(vec![default; channels]),
            [value] => Ok(vec![*value; channels]),
            values if values.len() == channels => Ok(values.to_vec()),
            values => {
                let count = if channels == 1 { "1 channel".into() } else { format!("{channels} channels") };
                let reason = format!(
                    "has {} values, the image has {count}; give one for each, or one for all",
                    values.len()
                );
                Err(OnnxError::Normalisation { what, reason })
            }
        }
    };
    let mean = spread(given.mean, 0.0, "the mean")?;
    let std = spread(given.std, unit, "the std")?;
    let refuse =
        |what, reason: &str| -> Result<_> { Err(OnnxError::Normalisation { what, reason: reason.into() }) };
    if mean.iter().any(|mean| !mean.is_finite()) {
        return refuse("the mean", "must be finite");
    }
    if std.iter().any(|std| !std.is_normal() || *std < 0.0) {
        return refuse("the std", "must be finite and above zero");
    }
    Ok((mean, std))
}
