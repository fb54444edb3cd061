//! `preprocessor_config.json`: how pictures become frames.

use runtime::image::Filter;
use serde_json::{Map, Value};

use crate::error::ConvertError;
use crate::import::json::{Keys, count, flag, number, numbers, parse, text, wrong};
use crate::import::pictures::{Crop, Pictures};

/// What the file says.
#[derive(Debug, Default)]
pub struct Preprocessor {
    /// Pixels and crop.
    pub pictures: Pictures,
    /// Side of the frames; none where pictures are not resized.
    pub side: Option<usize>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// A kind of image processor.
struct Processor {
    /// Its name without what follows it: `ImageProcessor`, `FeatureExtractor`, `Fast`.
    name: &'static str,
    /// Whether it cuts the centre where the file does not say so, if all its versions agree.
    crops: Option<bool>,
    /// A size of one number is that of the shorter side; else of both.
    shorter: bool,
    /// How it weighs pixels where the file does not say so.
    filter: Filter,
}

const PROCESSORS: [Processor; 5] = [
    Processor { name: "ViT", crops: Some(false), shorter: false, filter: Filter::Bilinear },
    Processor { name: "DeiT", crops: Some(true), shorter: false, filter: Filter::Bicubic },
    Processor { name: "Beit", crops: None, shorter: false, filter: Filter::Bicubic },
    Processor { name: "Bit", crops: Some(true), shorter: true, filter: Filter::Bicubic },
    Processor { name: "CLIP", crops: Some(true), shorter: true, filter: Filter::Bicubic },
];

/// Keys that say nothing about the frames, and why.
pub(super) const UNUSED: &[(&str, &str)] = &[
    ("do_convert_rgb", "pictures are given the channels of the model in any case"),
    ("do_reduce_labels", "about the labels of training"),
    ("reduce_labels", "about the labels of training"),
    ("processor_class", "the name of a class that holds this one"),
    ("_processor_class", "the name of a class that holds this one"),
    ("_valid_processor_keys", "about calls of the processor"),
    ("data_format", "where the library that reads this file keeps its channels"),
    ("input_data_format", "where the library that reads this file keeps its channels"),
    ("return_tensors", "about calls of the processor"),
    ("device", "about calls of the processor"),
    ("disable_grouping", "about calls of the processor"),
    ("default_to_square", "`size` says it"),
    ("transformers_version", "which version wrote the file"),
];

/// A size as it is written.
enum Size {
    /// Of both sides.
    Square(usize),
    /// Of the shorter side.
    Shorter(usize),
}

impl Preprocessor {
    /// Reads the JSON.
    pub fn read(json: &str) -> Result<Self, ConvertError> {
        let object = parse(json)?;
        let mut keys = Keys::new("preprocessor_config.json", &object);
        let kind = keys.take("image_processor_type", |key, value| processor(key, text(key, value)?))?;
        let older = keys.take("feature_extractor_type", |key, value| processor(key, text(key, value)?))?;
        let processor = kind.or(older).unwrap_or(&PROCESSORS[0]);
        for (key, what) in [
            ("do_pad", "pictures with a border"),
            ("do_flip_channel_order", "channels in the order blue, green, red"),
            ("do_thumbnail", "thumbnails"),
            ("do_align_long_axis", "turned pictures"),
        ] {
            if keys.take(key, flag)? == Some(true) {
                return Err(wrong(format!("`{key}` is true: {what} are not supported")));
            }
        }
        let mut made = Self { pictures: pixels(&mut keys)?, ..Self::default() };
        made.size(&mut keys, processor)?;
        made.filter(&mut keys, processor)?;
        keys.finish(UNUSED)?;
        Ok(made)
    }

    /// Prepares the pictures of a model so, and returns what a user should know. A stated side of the
    /// model's images must be that of the frames, unless the model takes `any`.
    pub fn apply(
        self,
        pictures: &mut Pictures,
        side: &mut Option<usize>,
        any: bool,
    ) -> Result<Vec<String>, ConvertError> {
        *pictures = self.pictures;
        match (self.side, *side) {
            (Some(made), Some(stated)) if made != stated && !any => {
                return Err(wrong(format!(
                    "pictures are resized to {made} × {made} in preprocessor_config.json, but the model's images are \
                     {stated} × {stated}, and its positions are not interpolated: make them equal"
                )));
            }
            (Some(made), _) => *side = Some(made),
            (None, _) => {}
        }
        Ok(self.notes)
    }

    fn size(&mut self, keys: &mut Keys<'_>, processor: &Processor) -> Result<(), ConvertError> {
        let size = keys.take("size", |key, value| extent(key, value, processor.shorter))?;
        let cropped = keys.take("crop_size", |key, value| extent(key, value, false))?;
        let crops = match (keys.take("do_center_crop", flag)?, processor.crops) {
            (Some(stated), _) | (None, Some(stated)) => stated,
            (None, None) => return Err(wrong("`do_center_crop` is needed, true or false".into())),
        };
        if keys.take("do_resize", flag)? == Some(false) {
            self.notes
                .push("pictures are not resized by the library: those of another size are stretched".into());
            return match crops {
                false => Ok(()),
                true => Err(wrong("`do_center_crop` without `do_resize` is not supported".into())),
            };
        }
        let size = size.ok_or_else(|| wrong("`size` is needed where pictures are resized".into()))?;
        let crop = match (crops, cropped) {
            (false, _) => None,
            (true, Some(Size::Square(side))) => Some(side),
            (true, Some(Size::Shorter(_)) | None) => {
                return Err(wrong("`crop_size` is needed, of both sides, where the centre is cut".into()));
            }
        };
        let pixels = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let (crop, to) = match (size, crop) {
            (Size::Square(side), None) => {
                self.side = Some(side);
                return Ok(());
            }
            (Size::Square(from), Some(to)) => (Crop::Square(pixels(from)), to),
            (Size::Shorter(from), to) => (Crop::ShortSide(pixels(from)), to.unwrap_or(from)),
        };
        (self.pictures.crop, self.side) = (crop, Some(to));
        Ok(())
    }

    /// Reads how pixels are weighed, by the number that Pillow has for it.
    fn filter(&mut self, keys: &mut Keys<'_>, processor: &Processor) -> Result<(), ConvertError> {
        let other = |name: &str| format!("pictures are resized by bicubic interpolation, not by {name}");
        let (filter, note) = match keys.take("resample", count)? {
            None => (processor.filter, None),
            Some(2) => (Filter::Bilinear, None),
            Some(3) => (Filter::Bicubic, None),
            Some(1) => (Filter::Bicubic, Some(other("Lanczos' filter"))),
            Some(number) => {
                return Err(wrong(format!(
                    "`resample` is {number}; 2 (bilinear), 3 (bicubic) and 1 (Lanczos, for which bicubic is taken) are known"
                )));
            }
        };
        self.pictures.filter = Some(filter);
        self.notes.extend(note);
        Ok(())
    }
}

/// The kind of processor that `name` is.
fn processor(key: &str, name: &str) -> Result<&'static Processor, ConvertError> {
    let mut kind = name;
    for end in ["Pil", "Fast", "ImageProcessor", "FeatureExtractor"] {
        kind = kind.strip_suffix(end).unwrap_or(kind);
    }
    PROCESSORS.iter().find(|processor| processor.name == kind).ok_or_else(|| {
        let known: Vec<_> = PROCESSORS.iter().map(|processor| processor.name).collect();
        wrong(format!("{key} `{name}` is not known; those of {} are", known.join(", ")))
    })
}

/// Mean and standard deviation of pixels scaled to \[0, 1\], whatever they are scaled to.
fn pixels(keys: &mut Keys<'_>) -> Result<Pictures, ConvertError> {
    let rescales = keys.take("do_rescale", flag)? != Some(false);
    let factor = keys.take("rescale_factor", number)?.unwrap_or(1.0 / 255.0);
    let normalises = keys.take("do_normalize", flag)? != Some(false);
    let mean = keys.take("image_mean", numbers)?;
    let std = keys.take("image_std", numbers)?;
    let white = 255.0 * if rescales { factor } else { 1.0 };
    if !(white.is_finite() && white > 0.0) {
        return Err(wrong(format!("`rescale_factor` is {factor}, expected a positive number")));
    }
    // 1/255 in decimals is 1/255.
    let white = if (white - 1.0).abs() < 1e-6 { 1.0 } else { white };
    let (mean, std) = match (normalises, mean, std) {
        (false, _, _) => (vec![0.0], vec![1.0]),
        (true, Some(mean), Some(std)) => (mean, std),
        (true, _, _) => {
            return Err(wrong("`image_mean` and `image_std` are needed for `do_normalize`".into()));
        }
    };
    let scaled = |values: Vec<f64>| values.into_iter().map(|value| (value / white) as f32).collect();
    Ok(Pictures { mean: scaled(mean), std: scaled(std), ..Pictures::default() })
}

fn extent(key: &str, value: &Value, shorter: bool) -> Result<Size, ConvertError> {
    let Some(object) = value.as_object() else {
        let side = count(key, value)?;
        return Ok(if shorter { Size::Shorter(side) } else { Size::Square(side) });
    };
    let side = |name: &str, object: &Map<String, Value>| {
        object.get(name).map(|value| count(name, value)).transpose()
    };
    let known = object.iter().filter(|(_, value)| !value.is_null()).count();
    match (side("height", object)?, side("width", object)?, side("shortest_edge", object)?) {
        (Some(height), Some(width), None) if height == width && known == 2 => Ok(Size::Square(height)),
        (None, None, Some(edge)) if known == 1 => Ok(Size::Shorter(edge)),
        _ => Err(wrong(format!(
            "`{key}` is {value}, expected a `height` and an equal `width`, or `shortest_edge` alone"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A file with these keys beside the normalisation.
    fn read(keys: &Value) -> Result<Preprocessor, ConvertError> {
        let mut all = json!({"do_normalize": true, "image_mean": [0.5], "image_std": [0.25]});
        let object = all.as_object_mut().expect("an object");
        object.extend(keys.as_object().expect("an object").clone());
        Preprocessor::read(&all.to_string())
    }

    #[test]
    fn files_of_older_and_newer_versions() {
        let of = |class: &str, size: Value| json!({"feature_extractor_type": class, "do_resize": true, "size": size});
        let cropped = |mut keys: Value| {
            keys["do_center_crop"] = true.into();
            keys["crop_size"] = 224.into();
            keys
        };
        for (keys, side, crop) in [
            (json!({"size": 224}), 224, Crop::Stretch),
            (of("ViTFeatureExtractor", json!(384)), 384, Crop::Stretch),
            (of("ViTImageProcessorFast", json!({"height": 224, "width": 224})), 224, Crop::Stretch),
            (cropped(of("DeiTFeatureExtractor", json!(256))), 224, Crop::Square(256)),
            (cropped(of("BeitFeatureExtractor", json!(224))), 224, Crop::Square(224)),
            (cropped(of("BitImageProcessor", json!({"shortest_edge": 256}))), 224, Crop::ShortSide(256)),
            (cropped(of("CLIPImageProcessor", json!(256))), 224, Crop::ShortSide(256)),
        ] {
            let made = read(&keys).unwrap_or_else(|error| panic!("{keys}: {error}"));
            assert_eq!((made.side, made.pictures.crop), (Some(side), crop), "{keys}");
            assert!(made.notes.is_empty(), "{keys}: {:?}", made.notes);
        }
        let asked = read(&of("BeitFeatureExtractor", json!(224))).expect_err("refused").to_string();
        assert!(asked.contains("`do_center_crop` is needed"), "{asked}");
        let whole = read(&json!({"do_resize": false})).expect("read");
        assert_eq!((whole.side, whole.notes.len()), (None, 1));
    }

    #[test]
    fn pixels_are_those_that_the_model_sees() {
        let first = |keys: Value| {
            let pictures = read(&keys).expect("read").pictures;
            (pictures.mean[0], pictures.std[0])
        };
        let with = |keys: Value| {
            let mut all = json!({"size": 8});
            all.as_object_mut().expect("an object").extend(keys.as_object().expect("an object").clone());
            first(all)
        };
        assert_eq!(with(json!({})), (0.5, 0.25));
        assert_eq!(with(json!({"rescale_factor": 0.003_921_568_627_450_98})), (0.5, 0.25));
        // (2u − 0.5) / 0.25 = (u − 0.25) / 0.125.
        assert_eq!(with(json!({"rescale_factor": 2.0 / 255.0})), (0.25, 0.125));
        assert_eq!(with(json!({"do_normalize": false})), (0.0, 1.0));
        // Bytes: (255u − 51) / 127.5 = (u − 0.2) / 0.5.
        let bytes = json!({"do_rescale": false, "image_mean": [51.0], "image_std": [127.5]});
        assert_eq!(with(bytes), (0.2, 0.5));
    }
}
