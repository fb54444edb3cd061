//! The configuration in JSON: timm's `config.json` of its hub, or the arguments of a
//! `VisionTransformer` by their names.

use float::Function;
use runtime::image::Fit;
use serde_json::{Map, Value};

use super::keys::{COUNTED, OTHERS, UNUSED_ARGS, UNUSED_HUB, UNUSED_PRETRAINED, VISIBLE};
use super::values::{
    Pool, count, flag, function, given, known, number, numbers, object, only, pool, present, side, text,
    wrong,
};
use crate::error::ConvertError;
use crate::import::tensors::Tensors;

/// Epsilon of timm's LayerNorm, and that of its models with a norm in front of the blocks.
const EPS: f32 = 1e-6;
const EPS_PRE_NORM: f32 = 1e-5;
/// A tensor of models with a norm in front of the blocks, which are those of CLIP.
const PRE_NORM: &str = "norm_pre.weight";

/// What shapes cannot tell.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// timm's name of the model.
    pub architecture: Option<String>,
    pub num_heads: Option<usize>,
    pub img_size: Option<usize>,
    pub pool: Option<Pool>,
    /// The mean is that of all tokens.
    pub pool_prefix: bool,
    pub no_embed_class: Option<bool>,
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
    /// The arguments state the width.
    pub states_width: bool,
    crop_pct: Option<f64>,
    squash: bool,
    act_layer: Option<Function>,
    eps: Option<f32>,
    counted: Vec<(&'static str, f64)>,
    visible: Vec<(&'static str, &'static [&'static str], bool)>,
}

impl Config {
    /// From JSON, if there is any.
    pub fn read(json: Option<&str>) -> Result<Self, ConvertError> {
        let mut config = Self::default();
        let Some(json) = json else { return Ok(config) };
        let keys: Map<String, Value> =
            serde_json::from_str(json).map_err(|e| wrong(format!("not the expected JSON: {e}")))?;
        if !["architecture", "model_args", "pretrained_cfg"].iter().any(|key| keys.contains_key(*key)) {
            config.arguments("the configuration", &keys)?;
            return Ok(config);
        }
        for (key, value) in given(&keys) {
            match key {
                "architecture" => config.architecture = Some(plain(text(key, value)?)?.to_owned()),
                "global_pool" => config.pool = Some(pool(value)?),
                "num_classes" => config.counted.push(("num_classes", number(key, value)?)),
                "num_features" => config.counted.push(("embed_dim", number(key, value)?)),
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

    /// Arguments of a `VisionTransformer`.
    fn arguments(&mut self, place: &str, keys: &Map<String, Value>) -> Result<(), ConvertError> {
        for (key, value) in given(keys) {
            if let Some(name) = COUNTED.into_iter().find(|name| *name == key) {
                let number =
                    if name == "patch_size" { side(key, value)? as f64 } else { number(key, value)? };
                self.states_width |= name == "embed_dim";
                self.counted.push((name, number));
                continue;
            }
            if let Some((name, tensors)) = VISIBLE.into_iter().find(|(name, _)| *name == key) {
                self.visible.push((name, tensors, present(key, value)?));
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
                    self.counted.push(("in_chans", channels));
                    self.img_size = Some(height as usize);
                }
                "mean" => self.mean = numbers(key, value)?.into_iter().map(|v| v as f32).collect(),
                "std" => self.std = numbers(key, value)?.into_iter().map(|v| v as f32).collect(),
                "crop_pct" => self.crop_pct = Some(number(key, value)?),
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

    /// Refuses a configuration that contradicts the tensors, of which `found` are numbers and how
    /// far each may be off.
    pub fn agree(&self, found: &[(&str, f64, f64)], tensors: &Tensors<'_>) -> Result<(), ConvertError> {
        for (name, stated) in &self.counted {
            let off =
                |&&(other, found, by): &&(&str, f64, f64)| other == *name && (found - stated).abs() > by;
            if let Some((_, found, _)) = found.iter().find(off) {
                return Err(wrong(format!("`{name}` is {stated}, but {found} in the tensors")));
            }
        }
        for (name, parts, stated) in &self.visible {
            if parts.iter().any(|part| tensors.contains(part)) != *stated {
                let (there, part) = (if *stated { "no" } else { "a" }, parts[0]);
                return Err(wrong(format!("`{name}` is {stated}, but there is {there} tensor `{part}`")));
            }
        }
        Ok(())
    }

    /// Epsilon of LayerNorm.
    pub fn eps(&self, tensors: &Tensors<'_>) -> f32 {
        let usual = if tensors.contains(PRE_NORM) { EPS_PRE_NORM } else { EPS };
        self.eps.unwrap_or(usual)
    }

    /// The activation: GELU, unless the model may be one of those with another.
    pub fn function(&self, tensors: &Tensors<'_>) -> Result<Function, ConvertError> {
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

    /// How pictures of another size become frames with sides of `size`.
    pub fn fit(&self, size: u16) -> Result<Fit, ConvertError> {
        let Some(share) = self.crop_pct else { return Ok(Fit::Stretch) };
        if self.squash {
            return match share == 1.0 {
                true => Ok(Fit::Stretch),
                false => Err(wrong(format!("crop_mode `squash` is only known with crop_pct 1, not {share}"))),
            };
        }
        // timm rounds down; a cast saturates.
        let fit = Fit::CenterCrop { short_side: (f64::from(size) / share) as u16 };
        match share > 0.0 && fit.check(size, size).is_ok() {
            true => Ok(fit),
            false => Err(wrong(format!("crop_pct {share} is not a share of the picture"))),
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
