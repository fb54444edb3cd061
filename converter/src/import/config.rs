//! The shape of a vision transformer, and how its pixels are normalised.

use runtime::image::Fit;
use runtime::{ChannelOrder, FloatBits, Image};
use serde::Deserialize;

use super::options::ImportOptions;
use super::tensors::Tensors;
use crate::error::ConvertError;

/// Dimensions of a timm `VisionTransformer`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Height and width of the image.
    pub img_size: u32,
    /// Height and width of a patch.
    pub patch_size: u32,
    /// Channels of the image.
    pub in_chans: u32,
    /// Classes.
    pub num_classes: u32,
    /// Width of the residual stream.
    pub embed_dim: u32,
    /// Blocks.
    pub depth: u32,
    /// Attention heads.
    pub num_heads: u32,
    /// Hidden width of the MLP over `embed_dim`.
    pub mlp_ratio: f64,
    /// Whether qkv has a bias.
    #[serde(default = "yes")]
    pub qkv_bias: bool,
}

fn yes() -> bool {
    true
}

impl VitConfig {
    /// From the option, or the metadata key `config`.
    pub fn read(tensors: &Tensors<'_>, options: &ImportOptions) -> Result<Self, ConvertError> {
        let json = options.config.as_deref().or_else(|| tensors.metadata("config")).ok_or_else(|| {
            ConvertError::Config {
                reason: "the file's metadata has no `config`; give one with --config FILE.json".into(),
            }
        })?;
        let config: Self = serde_json::from_str(json)
            .map_err(|e| ConvertError::Config { reason: format!("not the expected JSON: {e}") })?;
        config.check()?;
        Ok(config)
    }

    pub(super) fn check(&self) -> Result<(), ConvertError> {
        let within = |name: &str, value: u32, max: u32| match value {
            0 => Err(ConvertError::Config { reason: format!("{name} is 0") }),
            v if v > max => {
                Err(ConvertError::Config { reason: format!("{name} is {v}, at most {max} is supported") })
            }
            _ => Ok(()),
        };
        within("img_size", self.img_size, 4096)?;
        within("patch_size", self.patch_size, self.img_size)?;
        within("in_chans", self.in_chans, 4)?;
        within("num_classes", self.num_classes, 1 << 20)?;
        within("embed_dim", self.embed_dim, 8192)?;
        within("depth", self.depth, 256)?;
        within("num_heads", self.num_heads, self.embed_dim)?;
        if !self.img_size.is_multiple_of(self.patch_size) || !self.embed_dim.is_multiple_of(self.num_heads) {
            let reason = "img_size must be a multiple of patch_size, embed_dim of num_heads".into();
            return Err(ConvertError::Config { reason });
        }
        if !(self.mlp_ratio > 0.0 && self.mlp_ratio <= 16.0) {
            return Err(ConvertError::Config {
                reason: format!("mlp_ratio {} is not in (0, 16]", self.mlp_ratio),
            });
        }
        within("the number of tokens", self.tokens(), 1 << 14)
    }

    /// Patches along one side.
    pub fn grid(&self) -> u32 {
        self.img_size / self.patch_size
    }

    /// Patches and the class token.
    pub fn tokens(&self) -> u32 {
        self.grid() * self.grid() + 1
    }

    /// Hidden width of the MLP.
    pub fn hidden(&self) -> u32 {
        (f64::from(self.embed_dim) * self.mlp_ratio) as u32
    }

    /// The frame this model takes, with mean and standard deviation from the options or
    /// the metadata keys `mean` and `std` (comma-separated).
    pub fn image(&self, tensors: &Tensors<'_>, options: &ImportOptions) -> Result<Image, ConvertError> {
        image(self.img_size, self.in_chans, tensors, options)
    }
}

/// The frame of a model of `side × side` pixels, with mean and standard deviation from the options or
/// the metadata keys `mean` and `std` (comma-separated).
pub fn image(
    side: u32,
    channels: u32,
    tensors: &Tensors<'_>,
    options: &ImportOptions,
) -> Result<Image, ConvertError> {
    let mean = per_channel("mean", &options.mean, channels, tensors)?;
    let std = per_channel("std", &options.std, channels, tensors)?;
    if let Some(bad) = std.iter().find(|s| **s <= 0.0) {
        return Err(ConvertError::Config { reason: format!("std holds {bad}, expected positive numbers") });
    }
    let bits = |values: &[f32]| {
        let mut all = [FloatBits(0); 4];
        for (place, value) in all.iter_mut().zip(values) {
            *place = FloatBits(value.to_bits());
        }
        all
    };
    Ok(Image {
        height: side as u16,
        width: side as u16,
        channels: channels as u8,
        order: match channels {
            1 => ChannelOrder::Gray,
            3 => ChannelOrder::Rgb,
            _ => ChannelOrder::Other,
        },
        fit: Fit::stretched(side as u16, side as u16),
        mean: bits(&mean),
        std: bits(&std),
    })
}

fn per_channel(
    key: &str,
    given: &[f32],
    channels: u32,
    tensors: &Tensors<'_>,
) -> Result<Vec<f32>, ConvertError> {
    let values = match (given, tensors.metadata(key)) {
        ([], Some(text)) => text
            .split(',')
            .map(|part| {
                part.trim_matches(|c: char| c.is_whitespace() || c == '[' || c == ']').parse().map_err(|_| {
                    ConvertError::Config { reason: format!("{key} `{text}` is not a list of numbers") }
                })
            })
            .collect::<Result<Vec<f32>, _>>()?,
        ([], None) => {
            let reason = format!("the file's metadata has no `{key}`; give it with --{key}");
            return Err(ConvertError::Config { reason });
        }
        (given, _) => given.to_vec(),
    };
    let channels = channels as usize;
    if values.iter().any(|v| !v.is_finite()) {
        return Err(ConvertError::Config { reason: format!("{key} holds a value that is not finite") });
    }
    match values.len() {
        1 => Ok(vec![values[0]; channels]),
        n if n == channels => Ok(values),
        n => Err(ConvertError::Config {
            reason: format!("{key} has {n} values, the image has {channels} channels"),
        }),
    }
}

/// The quantized value of each of the 256 pixel levels, for each channel:
/// `round((p/255 − mean) / std / scale)`, halves to even as the authors' framework rounds.
pub fn pixel_tables(image: &Image, scale: f32) -> Vec<i8> {
    let channel = |c: usize| {
        let (mean, std) = (f32::from_bits(image.mean[c].0), f32::from_bits(image.std[c].0));
        (0..=255u8).map(move |p| {
            let x = (f32::from(p) / 255.0 - mean) / std;
            (1.0 / scale * x).round_ties_even().clamp(-128.0, 127.0) as i8
        })
    };
    (0..usize::from(image.channels)).flat_map(channel).collect()
}
