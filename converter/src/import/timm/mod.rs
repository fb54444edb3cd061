//! timm's `VisionTransformer`, DeiT included: its state dict, and its configuration in JSON, which is
//! the `config.json` of its hub or the arguments of a `VisionTransformer` by their names.

mod heads;
mod keys;
#[cfg(test)]
mod tests;

use float::Function;
use runtime::image::Filter;
use serde_json::{Map, Value};

use self::keys::{COUNTED, OTHERS, UNUSED_ARGS, UNUSED_HUB, UNUSED_PRETRAINED, VISIBLE};
use super::hugging_face::Preprocessor;
use super::json::{
    count, flag, given, known, number, numbers, object, only, parse, present, side, text, wrong,
};
use super::labels;
use super::layout::{Family, Layout};
use super::options::ImportOptions;
use super::pictures::{Crop, Pictures};
use super::tensors::Tensors;
use super::vit::{self, Config, Pool, Stated};
use super::{Import, Imported, unread};
use crate::error::ConvertError;

/// The names that importers ask for.
pub static LAYOUT: Layout =
    Layout { family: Family::Timm, landmark: "patch_embed.proj.weight", bases: &[], names: &[] };

/// Epsilon of timm's LayerNorm, and that of its models with a norm in front of the blocks.
const EPS: f32 = 1e-6;
const EPS_PRE_NORM: f32 = 1e-5;
/// A tensor of models with a norm in front of the blocks, which are those of CLIP.
const PRE_NORM: &str = "norm_pre.weight";

/// Reads a model of timm's or, with names of its own, of torchvision's, whose configuration is of the
/// same kind.
pub fn import(
    tensors: &Tensors<'_>,
    family: Family,
    json: Option<&str>,
    preprocessor: Option<Preprocessor>,
    options: &ImportOptions,
) -> Result<Import, ConvertError> {
    let (mut config, labels) = config(tensors, json)?;
    if family == Family::Torchvision {
        ["cls_token", "norm.weight"].into_iter().try_for_each(|name| tensors.need(name))?;
    }
    let mut notes = Vec::new();
    if let Some(preprocessor) = preprocessor {
        notes.extend(preprocessor.apply(&mut config.pictures, &mut config.img_size, false)?);
    }
    let (mut graph, more) = vit::build(tensors, config, options)?;
    notes.extend(more);
    graph.labels = labels;
    tensors.finish(&[unread::TIMM])?;
    Ok(Import { model: Imported::Float(graph), notes })
}

/// What is computed with `tensors`, as the configuration `json` says or timm does by default, and
/// the names of the classes.
fn config(tensors: &Tensors<'_>, json: Option<&str>) -> Result<(Config, Vec<String>), ConvertError> {
    let given = Given::read(json)?;
    let width = tensors.shape(LAYOUT.landmark).and_then(|shape| shape.first().copied()).unwrap_or(0);
    let heads = given.num_heads.map_or_else(|| given.known_heads(width), Ok)?;
    let crop = given.crop()?;
    let pool = match given.pool {
        Some(Pool::Token) if tensors.contains("dist_token") => Some(Pool::Both),
        other => other,
    };
    let (function, eps) = (given.function(tensors)?, given.eps(tensors));
    let config = Config {
        img_size: given.img_size,
        pool,
        pool_prefix: given.pool_prefix,
        no_embed_class: given.no_embed_class,
        pictures: Pictures { crop, mean: given.mean, std: given.std, filter: given.filter },
        stated: given.stated,
        ..Config::new(heads, function, eps)
    };
    Ok((config, given.labels))
}

/// What the JSON says.
#[derive(Debug, Default)]
struct Given {
    /// timm's name of the model.
    architecture: Option<String>,
    num_heads: Option<usize>,
    img_size: Option<usize>,
    pool: Option<Pool>,
    pool_prefix: bool,
    no_embed_class: Option<bool>,
    mean: Vec<f32>,
    std: Vec<f32>,
    /// The arguments state the width.
    states_width: bool,
    crop_pct: Option<f64>,
    squash: bool,
    filter: Option<Filter>,
    act_layer: Option<Function>,
    eps: Option<f32>,
    labels: Vec<String>,
    stated: Stated,
}

impl Given {
    /// From JSON, if there is any.
    fn read(json: Option<&str>) -> Result<Self, ConvertError> {
        let mut config = Self::default();
        let Some(json) = json else { return Ok(config) };
        let keys = parse(json)?;
        if !["architecture", "model_args", "pretrained_cfg"].iter().any(|key| keys.contains_key(*key)) {
            config.arguments("the configuration", &keys)?;
            return Ok(config);
        }
        for (key, value) in given(&keys) {
            match key {
                "architecture" => config.architecture = Some(plain(text(key, value)?)?.to_owned()),
                "global_pool" => config.pool = Some(pool(value)?),
                "num_classes" => config.count("num_classes", "num_classes", number(key, value)?),
                "label_names" => {
                    config.labels = labels::in_order(key, value)?;
                    config.count("label_names", "num_classes", config.labels.len() as f64);
                }
                "num_features" => config.count("num_features", "embed_dim", number(key, value)?),
                "model_args" | "pretrained_cfg" => {}
                other => known("config.json", other, UNUSED_HUB)?,
            }
        }
        if let Some(cfg) = object(&keys, "pretrained_cfg")? {
            config.pretrained(cfg)?;
        }
        if let Some(arguments) = object(&keys, "model_args")? {
            config.arguments("`model_args`", arguments)?;
        }
        Ok(config)
    }

    fn count(&mut self, key: &'static str, number: &'static str, value: f64) {
        self.stated.counted.push((key, number, value));
    }

    /// Arguments of a `VisionTransformer`.
    fn arguments(&mut self, place: &str, keys: &Map<String, Value>) -> Result<(), ConvertError> {
        for (key, value) in given(keys) {
            if let Some(name) = COUNTED.into_iter().find(|name| *name == key) {
                let number =
                    if name == "patch_size" { side(key, value)? as f64 } else { number(key, value)? };
                self.states_width |= name == "embed_dim";
                self.count(name, name, number);
                continue;
            }
            if let Some((name, tensors)) = VISIBLE.into_iter().find(|(name, _)| *name == key) {
                self.stated.visible.push((name, tensors, present(key, value)?));
                continue;
            }
            match key {
                "num_heads" => self.num_heads = Some(count(key, value)?),
                "img_size" => self.img_size = Some(side(key, value)?),
                "global_pool" => self.pool = Some(pool(value)?),
                "pool_include_prefix" => self.pool_prefix = flag(key, value)?,
                "no_embed_class" => self.no_embed_class = Some(flag(key, value)?),
                "act_layer" => self.act_layer = Some(function(text(key, value)?)?),
                "norm_eps" => self.eps = Some(number(key, value)? as f32),
                "norm_layer" => only(key, text(key, value)?, &["layernorm", "LayerNorm"])?,
                "pos_embed" => only(key, text(key, value)?, &["learn"])?,
                other => known(place, other, UNUSED_ARGS)?,
            }
        }
        Ok(())
    }

    /// How images are prepared.
    fn pretrained(&mut self, keys: &Map<String, Value>) -> Result<(), ConvertError> {
        for (key, value) in given(keys) {
            match key {
                "input_size" => {
                    let [channels, height, width] = numbers(key, value)?[..] else {
                        return Err(wrong("`input_size` is not a list of channels, height and width".into()));
                    };
                    if height != width {
                        return Err(wrong(format!("`input_size` {height}×{width} is not square")));
                    }
                    self.count("in_chans", "in_chans", channels);
                    self.img_size = Some(height as usize);
                }
                "mean" => self.mean = numbers(key, value)?.into_iter().map(|v| v as f32).collect(),
                "std" => self.std = numbers(key, value)?.into_iter().map(|v| v as f32).collect(),
                "crop_pct" => self.crop_pct = Some(number(key, value)?),
                "interpolation" => self.filter = Some(filter(text(key, value)?)?),
                "crop_mode" => match text(key, value)? {
                    "center" => self.squash = false,
                    "squash" => self.squash = true,
                    other => {
                        return Err(wrong(format!(
                            "crop_mode `{other}` is not known; center and squash are"
                        )));
                    }
                },
                other => known("`pretrained_cfg`", other, UNUSED_PRETRAINED)?,
            }
        }
        Ok(())
    }

    /// Epsilon of LayerNorm.
    fn eps(&self, tensors: &Tensors<'_>) -> f32 {
        let usual = if tensors.contains(PRE_NORM) { EPS_PRE_NORM } else { EPS };
        self.eps.unwrap_or(usual)
    }

    /// The activation: GELU, unless the model may be one of those with another.
    fn function(&self, tensors: &Tensors<'_>) -> Result<Function, ConvertError> {
        let ask = |what: &str| {
            Err(wrong(format!(
                "{what} have one of several activations; give {{\"act_layer\": NAME}} with --config FILE.json, or in \
                 `model_args` of config.json"
            )))
        };
        match (self.act_layer, &self.architecture) {
            (Some(function), _) => Ok(function),
            (None, Some(name)) if name.contains("quickgelu") => Ok(Function::QuickGelu),
            (None, Some(name)) if name.contains("siglip") => ask("models of SigLIP"),
            (None, None) if tensors.contains(PRE_NORM) => ask("models with a norm in front of the blocks"),
            (None, Some(_) | None) => Ok(Function::Gelu),
        }
    }

    /// How pictures of another size become frames.
    fn crop(&self) -> Result<Crop, ConvertError> {
        match self.crop_pct {
            None => Ok(Crop::Stretch),
            Some(share) if !self.squash => Ok(Crop::Share(share)),
            Some(1.0) => Ok(Crop::Stretch),
            Some(share) => {
                Err(wrong(format!("crop_mode `squash` is only known with crop_pct 1, not {share}")))
            }
        }
    }
}

/// The name of an architecture, if its tensors say what it computes.
fn plain(architecture: &str) -> Result<&str, ConvertError> {
    match OTHERS.iter().find(|(part, _)| architecture.contains(part)) {
        None => Ok(architecture),
        Some((_, what)) => {
            Err(wrong(format!("`{architecture}` has {what}, which only ONNX says: export the model")))
        }
    }
}

fn pool(value: &Value) -> Result<Pool, ConvertError> {
    match text("global_pool", value)? {
        "token" => Ok(Pool::Token),
        "avg" => Ok(Pool::Mean),
        other => Err(wrong(format!("global_pool `{other}` is not known for this model; token and avg are"))),
    }
}

fn filter(name: &str) -> Result<Filter, ConvertError> {
    match name {
        "bilinear" => Ok(Filter::Bilinear),
        "bicubic" => Ok(Filter::Bicubic),
        other => Err(wrong(format!("interpolation `{other}` is not known; bilinear and bicubic are"))),
    }
}

fn function(name: &str) -> Result<Function, ConvertError> {
    match name {
        "gelu" => Ok(Function::Gelu),
        "gelu_tanh" => Ok(Function::GeluTanh),
        "quick_gelu" => Ok(Function::QuickGelu),
        "relu" => Ok(Function::Relu),
        "silu" | "swish" => Ok(Function::Silu),
        other => Err(wrong(format!(
            "act_layer `{other}` is not known; gelu, gelu_tanh, quick_gelu, relu and silu are"
        ))),
    }
}
