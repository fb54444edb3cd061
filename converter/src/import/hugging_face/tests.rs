//! Folders as the libraries save them, against what the libraries' own code makes of three frames.

use std::fs;
use std::path::{Path, PathBuf};

use float::{Evaluator, Graph};
use runtime::image::{Filter, Fit, Resize};
use runtime::{Ending, OutputKind};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize};
use serde_json::{Value, json};

use super::Preprocessor;
use crate::error::ConvertError;
use crate::import::{Import, ImportOptions, Imported, Tensors, import, import_safetensors, read};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/hub").join(name)
}

fn float(import: Import) -> Graph {
    match import.model {
        Imported::Float(graph) => graph,
        Imported::Quantized(_) => panic!("a float model was expected"),
    }
}

/// The frames of the script that made the folders.
fn frames(graph: &Graph) -> Vec<Vec<u8>> {
    let len = graph.tensors[0].len();
    (0..3)
        .map(|seed| (0..len).map(|at| ((at * at * 31 + at * 7 + seed * 101) % 256) as u8).collect())
        .collect()
}

/// Compares the first output with `expected.json` of the folder `name`.
fn compare(graph: &Graph, name: &str) {
    let text = fs::read_to_string(folder(name).join("expected.json")).unwrap();
    let expected: Vec<Vec<f32>> = serde_json::from_str(&text).unwrap();
    let evaluator = Evaluator::new(graph).unwrap();
    for (frame, expected) in frames(graph).iter().zip(&expected) {
        let found = evaluator.run(frame).remove(0);
        assert_eq!(found.len(), expected.len(), "{name}");
        let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4 * largest, "{name}: {found}, not {expected}");
        }
    }
}

#[test]
fn every_folder_computes_what_its_library_does() {
    for name in ["vit", "vit_embedding", "deit", "beit", "dinov2", "dinov2_registers", "swin"] {
        let import =
            read(&folder(name), &ImportOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        compare(&float(import), name);
    }
    let stated = ImportOptions { mean: vec![0.5], std: vec![0.25], ..ImportOptions::default() };
    compare(&float(read(&folder("torchvision"), &stated).unwrap()), "torchvision");
    let file = folder("vit").join("model.safetensors");
    compare(&float(read(&file, &ImportOptions::default()).unwrap()), "vit");
    let index = folder("vit_embedding").join("model.safetensors.index.json");
    compare(&float(read(&index, &ImportOptions::default()).unwrap()), "vit_embedding");
}

#[test]
fn pictures_are_prepared_as_the_folder_says() {
    let of = |name: &str| float(read(&folder(name), &ImportOptions::default()).unwrap());
    let first = |bits: [runtime::FloatBits; 4]| f32::from_bits(bits[0].0);
    let square = |side| Resize::Sides { height: side, width: side };
    for (name, side, resize, filter, mean, std) in [
        ("vit", 12, square(12), Filter::Bilinear, 0.5, 0.5),
        ("vit_embedding", 12, square(12), Filter::Bilinear, 0.485, 0.229),
        ("deit", 12, square(14), Filter::Bicubic, 0.5, 0.5),
        // Bytes are rescaled by 1/127.5, and 1 is subtracted.
        ("beit", 12, square(12), Filter::Bicubic, 0.5, 0.5),
        ("dinov2", 16, Resize::ShortSide(18), Filter::Bicubic, 0.481_454_66, 0.268_629_54),
    ] {
        let image = of(name).image;
        let fit = Fit::antialiased(resize, filter);
        assert_eq!((image.height, image.width, image.fit), (side, side, fit), "{name}");
        assert_eq!((first(image.mean), first(image.std)), (mean, std), "{name}");
    }
    let stated = ImportOptions { mean: vec![0.1], std: vec![0.2], ..ImportOptions::default() };
    let image = float(read(&folder("vit"), &stated).unwrap()).image;
    assert_eq!((first(image.mean), first(image.std)), (0.1, 0.2));
}

#[test]
fn what_was_read_is_told() {
    let notes = |name: &str| read(&folder(name), &ImportOptions::default()).unwrap().notes;
    let deit = notes("deit");
    assert!(
        deit[0].starts_with("model.safetensors, config.json and preprocessor_config.json of "),
        "{deit:?}"
    );
    assert_eq!(
        deit[1],
        "pictures become frames of 12 × 12: resize to 14 × 14, crop the centre, antialiased bicubic; mean 0.5, \
         standard deviation 0.5"
    );
    assert!(notes("dinov2")[2].contains("5 × 5 patches are interpolated to 4 × 4"));
    assert!(notes("vit_embedding")[0].starts_with("3 files of weights, config.json and"));
}

#[test]
fn classes_have_the_names_of_the_folder() {
    let of = |name: &str| float(read(&folder(name), &ImportOptions::default()).unwrap());
    let vit = of("vit");
    assert_eq!(vit.labels, ["tench", "goldfish", "white shark"]);
    assert_eq!(vit.outputs[0].kind, OutputKind::Logits);
    let embedding = of("dinov2_registers");
    assert!(embedding.labels.is_empty());
    assert_eq!(embedding.outputs[0].kind, OutputKind::Embedding);
    let copy = Copy::new("vit", "problem");
    for (problem, kind, ending) in [
        ("single_label_classification", OutputKind::Logits, None),
        ("multi_label_classification", OutputKind::Logits, Some(Ending::Sigmoid)),
        ("regression", OutputKind::Values, None),
    ] {
        let mut config: Value =
            serde_json::from_str(&fs::read_to_string(copy.0.join(CONFIG)).unwrap()).unwrap();
        config["problem_type"] = problem.into();
        fs::write(copy.0.join(CONFIG), config.to_string()).unwrap();
        let output = float(read(&copy.0, &ImportOptions::default()).unwrap()).outputs.remove(0);
        assert_eq!((output.kind, output.ending), (kind, ending), "{problem}");
    }
}

/// Whatever a key holds, the folder is read or refused, and what is read can be evaluated.
#[test]
fn odd_values_of_every_key_do_no_harm() {
    let odd = [
        json!(null),
        json!(-1),
        json!(0),
        json!(0.3),
        json!(1e300),
        json!(u64::MAX),
        json!("x"),
        json!([]),
        json!([1e9, 3, 1]),
        json!({"height": u64::MAX, "width": u64::MAX}),
        json!({"0": "a"}),
        json!(true),
    ];
    for name in ["vit", "deit", "beit", "dinov2", "dinov2_registers", "swin"] {
        let path = folder(name);
        let bytes = fs::read(path.join("model.safetensors")).unwrap();
        let tensors = Tensors::parse(&bytes, name).unwrap();
        let texts = [CONFIG, PREPROCESSOR].map(|file| fs::read_to_string(path.join(file)).unwrap());
        for which in [0, 1] {
            let object: serde_json::Map<String, Value> = serde_json::from_str(&texts[which]).unwrap();
            for (key, value) in object.keys().flat_map(|key| odd.iter().map(move |value| (key, value))) {
                let mut edited = object.clone();
                edited.insert(key.clone(), value.clone());
                let mut texts = texts.clone();
                texts[which] = Value::Object(edited).to_string();
                let options = ImportOptions::default();
                let read = Preprocessor::read(&texts[1])
                    .and_then(|made| super::import(&tensors, Some(&texts[0]), Some(made), &options));
                if let Ok(import) = read {
                    let made = float(import);
                    assert!(Evaluator::new(&made).is_ok(), "{name}: {key} {value}");
                }
            }
        }
    }
}

/// The tensors of the folder `name` behind `wrapper`, with a further one, as a file.
fn renamed(name: &str, wrapper: &str, further: Option<&str>) -> Vec<u8> {
    let bytes = fs::read(folder(name).join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let mut views: Vec<_> =
        tensors.into_iter().map(|(name, view)| (format!("{wrapper}{name}"), view)).collect();
    let data = [0; 4];
    views.extend(further.map(|name| (name.to_owned(), TensorView::new(Dtype::F32, vec![1], &data).unwrap())));
    serialize(views, None).unwrap()
}

#[test]
fn names_have_wrappers_and_unread_ones_are_refused() {
    for name in ["vit", "deit", "beit", "dinov2", "dinov2_registers", "swin", "torchvision"] {
        let config = fs::read_to_string(folder(name).join(CONFIG)).unwrap();
        let options = ImportOptions { config: Some(config), mean: vec![0.5], std: vec![0.5] };
        let read = |wrapper: &str, further: Option<&str>| {
            import_safetensors(&renamed(name, wrapper, further), name, &options)
                .map_err(|error| error.to_string())
        };
        for wrapper in ["", "module.", "model._orig_mod."] {
            let made = read(wrapper, None).map(drop);
            assert!(made.is_ok(), "{name}: {made:?}");
            for unread in
                ["encoder.layer.7.attention.other.weight", "norm.weight", "blocks.0.ls1.gamma", "vit.x"]
            {
                let said = read(wrapper, Some(&format!("{wrapper}{unread}"))).map(drop).unwrap_err();
                assert!(said.contains(&format!("`{wrapper}{unread}`")), "{name}: {said}");
            }
        }
        let classifies = !["dinov2_registers", "torchvision"].contains(&name);
        let base = if classifies { format!("{name}.") } else { String::new() };
        let pooler = format!("{base}pooler.dense.weight");
        assert_eq!(read("", Some(&pooler)).is_ok(), classifies, "{name}");
    }
}

/// A copy of a folder whose JSON files are edited.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str, id: &str) -> Self {
        let to = std::env::temp_dir().join(format!("shiftformer-{id}-{name}-{}", std::process::id()));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(folder(name)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        Self(to)
    }

    fn refused(&self) -> String {
        import(&self.0, &ImportOptions::default()).map(drop).unwrap_err().to_string()
    }

    /// What is said of the folder once `file` was edited; afterwards it is as before.
    fn edited(&self, file: &str, change: &dyn Fn(&mut Value)) -> String {
        let before = fs::read_to_string(self.0.join(file)).unwrap();
        let mut value = serde_json::from_str(&before).unwrap();
        change(&mut value);
        fs::write(self.0.join(file), value.to_string()).unwrap();
        let said = self.refused();
        fs::write(self.0.join(file), before).unwrap();
        said
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";

#[test]
fn what_the_configuration_says_otherwise_is_refused() {
    for (name, key, value, words) in [
        ("vit", "model_type", json!("vit_mae"), "`model_type` is vit_mae; vit, deit, beit"),
        ("vit", "architectures", json!(["ViTForMaskedImageModeling"]), "ViTForMaskedImageModeling"),
        ("vit", "rotary", json!(1), "config.json has the key `rotary`"),
        ("vit", "hidden_act", json!("mish"), "`hidden_act` is mish"),
        ("vit", "hidden_size", json!(32), "`hidden_size` is 32, but 16 in the tensors"),
        ("vit", "num_hidden_layers", json!(3), "`num_hidden_layers` is 3, but 2"),
        ("vit", "intermediate_size", json!(25), "`intermediate_size` is 25, but 24"),
        ("vit", "num_attention_heads", json!(null), "config.json has no `num_attention_heads`"),
        ("vit", "qkv_bias", json!(false), "`qkv_bias` is false, but there is a tensor `vit.encoder.layer.0"),
        ("vit", "id2label", json!({"0": "a", "1": "b"}), "`id2label` is 2, but 3 in the tensors"),
        ("vit", "id2label", json!({"0": "a", "1": "b", "3": "c"}), "has a class `3`"),
        ("vit", "problem_type", json!("ranking"), "`problem_type` is ranking"),
        ("vit", "pruned_heads", json!({"0": [1]}), "`pruned_heads` is not empty"),
        ("vit", "image_size", json!(16), "pictures are resized to 12 × 12"),
        ("deit", "architectures", json!(["DeiTForImageClassification"]), "`distillation_classifier.bias`"),
        ("beit", "use_mean_pooling", json!(false), "`beit.layernorm.weight` is missing"),
        ("beit", "use_relative_position_bias", json!(false), "relative_position_bias_table"),
        ("beit", "layer_scale_init_value", json!(0.0), "lambda_1"),
        ("dinov2", "use_swiglu_ffn", json!(false), "`dinov2.encoder.layer.0.mlp.weights_in.weight`"),
        ("dinov2_registers", "num_register_tokens", json!(4), "`num_register_tokens` is 4, but 3"),
        ("swin", "window_size", json!(3), "multiples of the window's side, 3"),
        ("swin", "depths", json!([2, 1]), "would be left out"),
        ("swin", "num_heads", json!([1]), "of different numbers of stages"),
        ("swin", "use_absolute_embeddings", json!(true), "no tensor `swin.embeddings.position_embeddings`"),
    ] {
        let said = Copy::new(name, "config").edited(CONFIG, &|config| config[key] = value.clone());
        assert!(said.contains(words), "{name} {key}: {said}");
    }
}

#[test]
fn pictures_that_no_container_prepares_are_refused() {
    let copy = Copy::new("deit", "pictures");
    for (key, value, words) in [
        ("do_flip_channel_order", json!(true), "blue, green, red"),
        ("do_pad", json!(true), "a border"),
        ("image_processor_type", json!("LevitImageProcessor"), "`LevitImageProcessor` is not known"),
        ("size", json!({"height": 14, "width": 16}), "expected a `height` and an equal `width`"),
        ("size", json!({"shortest_edge": 10}), "a shorter side of 10"),
        ("size", json!({"shortest_edge": 100_000}), "a shorter side of 100000"),
        ("crop_size", json!(null), "`crop_size` is needed"),
        ("crop_size", json!(8), "resized to 8 × 8"),
        ("do_resize", json!(false), "without `do_resize`"),
        ("image_mean", json!(null), "`image_mean` and `image_std` are needed"),
        ("image_std", json!([0.5, 0.0, 0.5]), "std holds 0"),
        ("rescale_factor", json!(0), "`rescale_factor` is 0"),
        ("gamma", json!(2), "preprocessor_config.json has the key `gamma`"),
    ] {
        let said = copy.edited(PREPROCESSOR, &|config| config[key] = value.clone());
        assert!(said.contains(words), "{key}: {said}");
    }
    fs::write(copy.0.join(PREPROCESSOR), "{").unwrap();
    assert!(copy.refused().contains(PREPROCESSOR));
    fs::remove_file(copy.0.join(PREPROCESSOR)).unwrap();
    assert!(copy.refused().contains("no preprocessor_config.json"));
    fs::remove_file(copy.0.join(CONFIG)).unwrap();
    assert!(copy.refused().contains("needs its config.json"));
}

#[test]
fn a_folder_without_weights_says_what_it_lacks() {
    let copy = Copy::new("vit_embedding", "folder");
    let index = "model.safetensors.index.json";
    for (name, words) in
        [("../x.safetensors", "not the name"), ("x.bin", "not the name"), ("x.safetensors", "is not there")]
    {
        let said = copy.edited(index, &|index| index["weight_map"]["a"] = name.into());
        assert!(said.contains(words) && said.contains(name), "{said}");
    }
    assert!(copy.edited(index, &|index| index["weight_map"] = json!([])).contains("weight_map"));
    fs::copy(copy.0.join("model-00001-of-00003.safetensors"), copy.0.join("twice.safetensors")).unwrap();
    let twice = copy.edited(index, &|index| index["weight_map"]["a"] = "twice.safetensors".into());
    assert!(twice.contains("would be left out"), "{twice}");
    fs::remove_file(copy.0.join("model-00002-of-00003.safetensors")).unwrap();
    assert!(copy.refused().contains("`model-00002-of-00003.safetensors` that it names is not there"));
    fs::remove_file(copy.0.join(index)).unwrap();
    let error = import(&copy.0, &ImportOptions::default()).unwrap_err();
    assert!(
        matches!(error, ConvertError::Folder { .. })
            && error.to_string().contains("neither model.safetensors")
    );
    fs::write(copy.0.join("pytorch_model.bin"), "").unwrap();
    assert!(copy.refused().contains("save_pretrained"));
    fs::write(copy.0.join("model.onnx"), "").unwrap();
    assert!(copy.refused().contains("give the file"));
}
