//! Small state dicts: what is read, what is asked for, and what is refused by name.

use std::collections::{BTreeMap, HashMap};

use float::{Evaluator, Function, Graph, Node};
use runtime::image::{Filter, Fit, Resize};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};

use crate::calibrate::QuantizeOptions;
use crate::error::ConvertError;
use crate::import::{ImportOptions, Imported, import, import_safetensors};
use crate::{BuildOptions, convert};

const WIDTH: usize = 8;
const HEADS: &str = r#"{"num_heads": 2}"#;

/// A state dict for images of 8×8: patches of 4×4, one block, three classes.
#[derive(Clone)]
struct Checkpoint {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    seed: u32,
}

impl Checkpoint {
    fn new(width: usize) -> Self {
        let mut made = Self { tensors: BTreeMap::new(), seed: 1 };
        made.add("patch_embed.proj.weight", &[width, 1, 4, 4]);
        made.add("cls_token", &[1, 1, width]);
        made.add("pos_embed", &[1, 5, width]);
        for norm in ["blocks.0.norm1", "blocks.0.norm2", "norm"] {
            made.norm(norm, width);
        }
        for (layer, n, k) in [
            ("blocks.0.attn.qkv", 3 * width, width),
            ("blocks.0.attn.proj", width, width),
            ("blocks.0.mlp.fc1", 2 * width, width),
            ("blocks.0.mlp.fc2", width, 2 * width),
            ("head", 3, width),
        ] {
            made.add(&format!("{layer}.weight"), &[n, k]);
            made.add(&format!("{layer}.bias"), &[n]);
        }
        made
    }

    fn add(&mut self, name: &str, shape: &[usize]) {
        let value = |_| {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.seed >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let values = (0..shape.iter().product()).map(value).collect();
        self.tensors.insert(name.into(), (shape.to_vec(), values));
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.add(&format!("{name}.weight"), &[width]);
        self.add(&format!("{name}.bias"), &[width]);
    }

    fn without(&mut self, start: &str) {
        self.tensors.retain(|name, _| !name.starts_with(start));
    }

    fn bytes(&self, wrapper: &str) -> Vec<u8> {
        let raw = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let raw: Vec<_> =
            self.tensors.iter().map(|(name, (shape, values))| (name, shape, raw(values))).collect();
        let views = raw.iter().map(|(name, shape, bytes)| {
            (format!("{wrapper}{name}"), TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
        });
        serialize(views, Some(HashMap::new())).unwrap()
    }

    fn read(&self, config: &str) -> Result<Graph, ConvertError> {
        float(&self.bytes(""), &options(config))
    }

    fn refused(&self, config: &str) -> String {
        self.read(config).unwrap_err().to_string()
    }
}

fn options(config: &str) -> ImportOptions {
    ImportOptions { config: Some(config.into()), mean: vec![0.5], std: vec![0.25] }
}

fn float(bytes: &[u8], options: &ImportOptions) -> Result<Graph, ConvertError> {
    match import_safetensors(bytes, "test", options)? {
        Imported::Float(graph) => Ok(graph),
        Imported::Quantized(_) => panic!("a float model was expected"),
    }
}

fn run(graph: &Graph) -> Vec<f32> {
    let frame: Vec<u8> = (0..64).map(|i| (i * i % 251) as u8).collect();
    Evaluator::new(graph).unwrap().run(&frame).remove(0)
}

fn averages(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| matches!(node, Node::Mean { .. }))
}

fn heads(graph: &Graph) -> usize {
    let heads = graph.nodes.iter().find_map(|node| match node {
        Node::Attention { heads, .. } => Some(*heads),
        _ => None,
    });
    heads.unwrap()
}

#[test]
fn unread_tensors_are_refused_by_name() {
    for (name, meaning) in [
        ("pre_logits.fc.weight", "a layer in front of the classifier"),
        ("attn_pool.latent", "pooling by attention"),
        ("blocks.0.attn.relative_position_bias_table", "relative positions"),
        ("blocks.0.attn.norm.weight", "scaled norms"),
        ("blocks.0.mlp.norm.weight", "scaled norms"),
        ("blocks_token_only.0.norm1.weight", "CaiT's blocks for the class token"),
        ("blocks.0.gamma_1", "LayerScale of CaiT or BEiT"),
        ("blocks.2.norm1.weight", "parts of a model"),
        ("head_dist.weight", "parts of a model"),
        ("other", "parts of a model"),
    ] {
        let mut checkpoint = Checkpoint::new(WIDTH);
        checkpoint.add(name, &[WIDTH]);
        let error = checkpoint.refused(HEADS);
        assert!(error.starts_with("1 of the file's tensors would be left out"), "{error}");
        assert!(error.contains(&format!("`{name}`")) && error.contains(meaning), "{error}");
    }
    let mut checkpoint = Checkpoint::new(WIDTH);
    for index in 0..9 {
        checkpoint.add(&format!("decoder.{index}"), &[1]);
    }
    let error = checkpoint.refused(HEADS);
    assert!(error.contains("`decoder.5` and 3 more: a decoder of pre-training"), "{error}");
}

#[test]
fn tensors_without_influence_may_stay_unread() {
    let plain = run(&Checkpoint::new(WIDTH).read(HEADS).unwrap());
    let mut checkpoint = Checkpoint::new(WIDTH);
    for name in ["mask_token", "blocks.0.norm1.total_ops", "x.num_batches_tracked"] {
        checkpoint.add(name, &[1]);
    }
    assert_eq!(run(&checkpoint.read(HEADS).unwrap()), plain);
    checkpoint.add("unmask_token", &[1]);
    assert!(checkpoint.refused(HEADS).contains("`unmask_token`"));
}

#[test]
fn names_may_have_wrappers() {
    let checkpoint = Checkpoint::new(WIDTH);
    let plain = run(&checkpoint.read(HEADS).unwrap());
    for wrapper in ["module.", "model.", "_orig_mod.", "module._orig_mod.", "model._orig_mod.module."] {
        let graph = float(&checkpoint.bytes(wrapper), &options(HEADS)).unwrap();
        assert_eq!(run(&graph), plain, "{wrapper}");
    }
    let error = float(&checkpoint.bytes("encoder."), &options(HEADS)).unwrap_err();
    assert!(matches!(error, ConvertError::UnknownLayout { .. }), "{error}");

    let mut checkpoint = Checkpoint::new(WIDTH);
    let wrapped = checkpoint.tensors.into_iter().map(|(name, value)| (format!("model.{name}"), value));
    checkpoint.tensors = wrapped.collect();
    checkpoint.add("criterion.weight", &[3]);
    assert!(checkpoint.refused(HEADS).contains("`criterion.weight`"));
}

#[test]
fn norms_tell_the_pooling() {
    let mut checkpoint = Checkpoint::new(WIDTH);
    assert!(!averages(&checkpoint.read(HEADS).unwrap()));
    checkpoint.norm("fc_norm", WIDTH);
    assert!(checkpoint.refused(HEADS).contains("give `global_pool`"));
    checkpoint.without("norm.");
    assert!(averages(&checkpoint.read(HEADS).unwrap()));
    let stated = r#"{"num_heads": 2, "global_pool": "token", "fc_norm": true}"#;
    assert!(!averages(&checkpoint.read(stated).unwrap()));
    let error = checkpoint.refused(r#"{"num_heads": 2, "global_pool": "map"}"#);
    assert!(error.contains("global_pool `map`"), "{error}");
}

#[test]
fn a_square_of_positions_has_none_for_the_class() {
    let mut checkpoint = Checkpoint::new(WIDTH);
    checkpoint.add("pos_embed", &[1, 4, WIDTH]);
    let graph = checkpoint.read(HEADS).unwrap();
    let order: Vec<_> = graph.nodes.iter().map(|node| matches!(node, Node::AddConstant { .. })).collect();
    let joined = graph.nodes.iter().position(|node| matches!(node, Node::Concat { .. }));
    assert!(order.iter().position(|added| *added) < joined);
    checkpoint.add("pos_embed", &[1, 6, WIDTH]);
    assert!(checkpoint.refused(HEADS).contains("`pos_embed` has 6 rows"));
    checkpoint.add("pos_embed", &[1, 4, WIDTH]);
    checkpoint.add("reg_token", &[1, 2, WIDTH]);
    assert!(checkpoint.refused(HEADS).contains("give `no_embed_class`"));
}

#[test]
fn heads_are_asked_for() {
    let heads_of = |width: usize, config: &str| Checkpoint::new(width).read(config).map(|g| heads(&g));
    assert_eq!(heads_of(192, "{}").unwrap(), 3);
    assert_eq!(heads_of(384, "{}").unwrap(), 6);
    assert_eq!(heads_of(256, r#"{"architecture": "vit_wee_patch16_reg1_gap_256"}"#).unwrap(), 4);
    assert_eq!(heads_of(256, r#"{"num_heads": 8}"#).unwrap(), 8);
    for (width, config) in [
        (256, "{}"),
        (320, "{}"),
        (192, r#"{"embed_dim": 192}"#),
        (192, r#"{"architecture": "vit_tiny_patch16_224", "model_args": {"embed_dim": 192}}"#),
        (288, r#"{"architecture": "vit_of_a_user"}"#),
    ] {
        let error = heads_of(width, config).unwrap_err().to_string();
        assert!(error.contains(&format!("heads of a model {width} wide")), "{error}");
        assert!(error.contains("num_heads"), "{error}");
    }
}

#[test]
fn both_classifiers_of_a_distilled_model_are_averaged() {
    let mut checkpoint = Checkpoint::new(WIDTH);
    checkpoint.add("dist_token", &[1, 1, WIDTH]);
    checkpoint.add("pos_embed", &[1, 6, WIDTH]);
    assert_eq!(checkpoint.refused(HEADS), "tensor `head_dist.weight` is missing");
    checkpoint.add("head_dist.weight", &[3, WIDTH]);
    checkpoint.add("head_dist.bias", &[3]);
    let both = run(&checkpoint.read(HEADS).unwrap());
    let without = |head: &str| {
        let mut checkpoint = checkpoint.clone();
        for part in ["weight", "bias"] {
            checkpoint.tensors.get_mut(&format!("{head}.{part}")).unwrap().1.fill(0.0);
        }
        run(&checkpoint.read(HEADS).unwrap())
    };
    let (first, second) = (without("head_dist"), without("head"));
    for ((both, first), second) in both.iter().zip(&first).zip(&second) {
        assert!((both - (first + second)).abs() < 1e-5);
    }
    let frames: Vec<Vec<u8>> = (0..4u8).map(|i| (0..64u8).map(|p| p.wrapping_mul(3 + i)).collect()).collect();
    let graph = checkpoint.read(HEADS).unwrap();
    convert(graph, &frames, &QuantizeOptions::default(), BuildOptions::default(), &()).unwrap();
}

/// A `config.json` as timm's hub has it.
fn hub(change: impl Fn(&mut serde_json::Value)) -> String {
    let mut config = serde_json::json!({
        "architecture": "vit_tiny_patch4_8",
        "num_classes": 3,
        "num_features": 8,
        "global_pool": "token",
        "model_args": {"num_heads": 2, "patch_size": 4, "mlp_ratio": 2.0, "drop_path_rate": 0.1, "init_values": null},
        "pretrained_cfg": {
            "tag": "user", "custom_load": false, "input_size": [1, 8, 8], "fixed_input_size": true,
            "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center", "mean": [0.25], "std": [0.75],
            "num_classes": 1000, "pool_size": null, "first_conv": "patch_embed.proj", "classifier": "head"
        }
    });
    change(&mut config);
    config.to_string()
}

#[test]
fn the_configuration_of_the_hub_is_read() {
    let checkpoint = Checkpoint::new(WIDTH);
    let config = hub(|_| {});
    let bicubic = |resize| Fit::antialiased(resize, Filter::Bicubic);
    let alone = ImportOptions { config: Some(config.clone()), ..ImportOptions::default() };
    let image = float(&checkpoint.bytes(""), &alone).unwrap().image;
    assert_eq!((image.mean[0].0, image.std[0].0), (0.25f32.to_bits(), 0.75f32.to_bits()));
    assert_eq!(image.fit, bicubic(Resize::ShortSide(8)));
    let image = checkpoint.read(&config).unwrap().image;
    assert_eq!((image.mean[0].0, image.std[0].0), (0.5f32.to_bits(), 0.25f32.to_bits()));
    let named =
        checkpoint.read(&hub(|c| c["label_names"] = serde_json::json!(["cat", "dog", "bird"]))).unwrap();
    assert_eq!(named.labels, ["cat", "dog", "bird"]);
    let cropped = hub(|c| c["pretrained_cfg"]["crop_pct"] = 0.7.into());
    assert_eq!(checkpoint.read(&cropped).unwrap().image.fit, bicubic(Resize::ShortSide(11)));
    let squashed = hub(|c| {
        c["pretrained_cfg"]["crop_pct"] = 1.0.into();
        c["pretrained_cfg"]["crop_mode"] = "squash".into();
    });
    assert_eq!(checkpoint.read(&squashed).unwrap().image.fit, bicubic(Resize::Sides { height: 8, width: 8 }));
}

#[test]
fn what_the_hub_says_otherwise_is_refused() {
    let checkpoint = Checkpoint::new(WIDTH);
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str); 16] = [
        (|c| c["label_names"] = serde_json::json!(["cat"]), "`label_names` is 1, but 3"),
        (|c| c["architecture"] = "vit_base_patch16_rpn_224".into(), "norms behind attention"),
        (|c| c["architecture"] = "vit_base_patch16_rope_ape_224".into(), "rotate queries and keys"),
        (|c| c["model_args"]["rope_theta"] = 1.into(), "`model_args` has the key `rope_theta`"),
        (|c| c["pretrained_cfg"]["gamma"] = 1.into(), "`pretrained_cfg` has the key `gamma`"),
        (|c| c["model_type"] = "vit".into(), "config.json has the key `model_type`"),
        (|c| c["model_args"]["norm_layer"] = "rmsnorm".into(), "norm_layer `rmsnorm`"),
        (|c| c["model_args"]["act_layer"] = "mish".into(), "act_layer `mish`"),
        (|c| c["model_args"]["num_heads"] = "two".into(), "`num_heads` is \"two\""),
        (|c| c["model_args"]["mlp_ratio"] = 4.0.into(), "`mlp_ratio` is 4, but 2 in the tensors"),
        (|c| c["model_args"]["qk_norm"] = true.into(), "no tensor `blocks.0.attn.q_norm.weight`"),
        (|c| c["model_args"]["class_token"] = false.into(), "a tensor `cls_token`"),
        (|c| c["num_classes"] = 1000.into(), "`num_classes` is 1000, but 3"),
        (|c| c["pretrained_cfg"]["input_size"] = [3, 8, 8].into(), "`in_chans` is 3, but 1"),
        (|c| c["pretrained_cfg"]["crop_mode"] = "border".into(), "crop_mode `border`"),
        (|c| c["pretrained_cfg"]["crop_pct"] = 1.5.into(), "crop_pct 1.5"),
    ];
    for (change, words) in cases {
        let error = checkpoint.refused(&hub(change));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_activation_is_asked_for_where_it_is_open() {
    let function = |graph: Graph| {
        let find = |node: &Node| match node {
            Node::Activate { function, .. } => Some(*function),
            _ => None,
        };
        graph.nodes.iter().find_map(find).unwrap()
    };
    let mut checkpoint = Checkpoint::new(WIDTH);
    assert_eq!(function(checkpoint.read(HEADS).unwrap()), Function::Gelu);
    let named = |name: &str| hub(|c| c["architecture"] = name.into());
    assert!(checkpoint.refused(&named("vit_base_patch32_siglip_256")).contains("act_layer"));
    checkpoint.norm("norm_pre", WIDTH);
    assert!(checkpoint.refused(HEADS).contains("act_layer"));
    let clip = checkpoint.read(&named("vit_base_patch32_clip_quickgelu_224")).unwrap();
    let eps = clip.nodes.iter().find_map(|node| match node {
        Node::LayerNorm { eps, .. } => Some(*eps),
        _ => None,
    });
    assert_eq!(eps, Some(1e-5));
    assert_eq!(function(clip), Function::QuickGelu);
    let clip = checkpoint.read(&named("vit_base_patch32_clip_224")).unwrap();
    assert_eq!(function(clip), Function::Gelu);
}

#[test]
fn a_configuration_beside_the_file_is_read() {
    let folder = std::env::temp_dir().join(format!("shiftformer-hub-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let model = folder.join("model.safetensors");
    std::fs::write(&model, Checkpoint::new(WIDTH).bytes("")).unwrap();
    let none = import(&model, &ImportOptions::default());
    std::fs::write(folder.join("config.json"), hub(|_| {})).unwrap();
    let beside = import(&model, &ImportOptions::default());
    std::fs::write(folder.join("config.json"), hub(|c| c["model_args"]["x"] = 1.into())).unwrap();
    let unknown = import(&model, &ImportOptions::default());
    let other = import(&model, &options(HEADS));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(none.unwrap_err().to_string().contains("num_heads"));
    assert!(matches!(beside.unwrap(), Imported::Float(_)));
    let unknown = unknown.unwrap_err().to_string();
    assert!(unknown.contains("`x`") && unknown.contains("config.json"), "{unknown}");
    assert!(matches!(other.unwrap(), Imported::Float(_)));
}
