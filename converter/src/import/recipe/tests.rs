//! The bundled checkpoint, changed.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize};

use crate::error::ConvertError;
use crate::import::{ImportOptions, import_safetensors};
use crate::{BuildOptions, build};

const BUNDLED: &[u8] = include_bytes!("../../../../data/vit_fmnist_bivit_recipe.safetensors");

/// A checkpoint to be changed.
struct Checkpoint {
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    metadata: HashMap<String, String>,
}

impl Checkpoint {
    fn bundled() -> Self {
        let (_, header) = SafeTensors::read_metadata(BUNDLED).unwrap();
        let file = SafeTensors::deserialize(BUNDLED).unwrap();
        let copy =
            |(name, t): (String, TensorView<'_>)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec()));
        Self {
            tensors: file.tensors().into_iter().map(copy).collect(),
            metadata: header.metadata().clone().unwrap(),
        }
    }

    fn floats(&mut self, name: &str, values: &[f32]) {
        let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let shape = if values.len() == 1 { vec![] } else { vec![values.len()] };
        self.tensors.insert(name.into(), (Dtype::F32, shape, data));
    }

    fn first_bytes(&mut self, name: &str, bytes: [u8; 4]) {
        self.tensors.get_mut(name).unwrap().2[..4].copy_from_slice(&bytes);
    }

    /// Block 0 reads something else.
    fn reads(&mut self, layer: &str, kind: &str) {
        let text = self.metadata.get_mut("activations").unwrap();
        let mut map: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
        map.insert(format!("blocks.0.{layer}"), kind.into());
        *text = serde_json::to_string(&map).unwrap();
    }

    fn without(&mut self, start: &str) {
        self.tensors.retain(|name, _| !name.starts_with(start));
    }

    fn build(&self) -> Result<Vec<u8>, ConvertError> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let views: Vec<_> = views.collect();
        let bytes = serialize(views, Some(self.metadata.clone())).unwrap();
        let graph = import_safetensors(&bytes, "changed", &ImportOptions::default())?.quantized().unwrap();
        build(&graph, BuildOptions::default())
    }
}

/// The message of the error that `change` leads to.
fn refused(change: impl Fn(&mut Checkpoint)) -> String {
    let mut checkpoint = Checkpoint::bundled();
    change(&mut checkpoint);
    checkpoint.build().unwrap_err().to_string()
}

#[test]
fn every_tensor_must_be_there_with_its_shape_and_type() {
    for name in Checkpoint::bundled().tensors.keys() {
        let gone = refused(|c| drop(c.tensors.remove(name)));
        assert_eq!(gone, format!("tensor `{name}` is missing"));
        let longer = refused(|c| c.floats(name, &[1.0; 7]));
        assert!(longer.starts_with(&format!("tensor `{name}` has shape [7]")), "{longer}");
        let wide = refused(|c| {
            let (dtype, shape, data) = c.tensors.get_mut(name).unwrap();
            *dtype = Dtype::F64;
            *data = vec![0; shape.iter().product::<usize>() * 8];
        });
        assert!(wide.starts_with(&format!("tensor `{name}` has element type F64")), "{wide}");
    }
}

#[test]
fn values_that_no_program_can_hold_are_refused() {
    for name in ["input.scale", "stream.scale", "blocks.3.attn.norm.scale", "norm.scale"] {
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let error = refused(|c| c.floats(name, &[bad]));
            assert!(error.starts_with(&format!("tensor `{name}` holds")), "{error}");
        }
    }
    let at = |name: &str, bytes| {
        let error = refused(|c| c.first_bytes(name, bytes));
        assert!(error.starts_with(&format!("tensor `{name}` holds")), "{error}");
    };
    at("blocks.0.attn.qkv.scaling_factor", 0f32.to_le_bytes());
    at("blocks.2.mlp.fc2.bias", 1e30f32.to_le_bytes());
    at("head.weight", f32::NAN.to_le_bytes());
    at("blocks.1.attn.distance", (-1i32).to_le_bytes());
    let error = refused(|c| c.floats("stream.scale", &[0.003]));
    assert!(error.contains("a power of two"), "{error}");
}

#[test]
fn metadata_is_checked() {
    let error = refused(|c| drop(c.metadata.remove("activations")));
    assert!(error.contains("`activations`"), "{error}");
    let error = refused(|c| drop(c.metadata.insert("gelu".into(), "tanh".into())));
    assert!(error.contains("`tanh`"), "{error}");
    let error = refused(|c| drop(c.metadata.insert("format".into(), "shiftformer-bivit-9".into())));
    assert!(error.contains("shiftformer-bivit-9"), "{error}");
    let error = refused(|c| c.reads("mlp.fc1", "i16"));
    assert!(error.contains("`blocks.0.mlp.fc1`"), "{error}");
    let error = refused(|c| c.reads("attn.proj", "i16"));
    assert!(error.contains("`blocks.0.attn.norm.weight`"), "{error}");
    let huge = r#"{"img_size": 4096, "patch_size": 1, "in_chans": 4, "num_classes": 1048576,
        "embed_dim": 8192, "depth": 256, "num_heads": 8192, "mlp_ratio": 16.0}"#;
    assert!(refused(|c| drop(c.metadata.insert("config".into(), huge.into()))).contains("tokens"));
}

#[test]
fn every_kind_of_activation_is_converted() {
    for (layer, kind) in [("attn.qkv", "i8"), ("attn.proj", "sign"), ("mlp.fc1", "sign"), ("mlp.fc2", "sign")]
    {
        let mut checkpoint = Checkpoint::bundled();
        checkpoint.reads(layer, kind);
        checkpoint.build().unwrap();
    }
    for kind in ["ternary", "i16"] {
        let mut checkpoint = Checkpoint::bundled();
        checkpoint.reads("attn.proj", kind);
        checkpoint.without("blocks.0.attn.norm.");
        checkpoint.build().unwrap();
    }
    let mut checkpoint = Checkpoint::bundled();
    checkpoint.metadata.insert("gelu".into(), "shift".into());
    checkpoint.build().unwrap();
}
