//! Vision transformers of Hugging Face: their state dicts, `config.json` and
//! `preprocessor_config.json`.

mod keys;
mod names;
mod preprocessor;
mod swin;
#[cfg(test)]
mod tests;
mod vit;

use float::{Function, Graph};
use runtime::{Ending, OutputKind};
use serde_json::Value;

pub use self::names::LAYOUT;
use self::names::{UNUSED, UNUSED_BY_CLASSIFIERS};
pub use self::preprocessor::Preprocessor;
use super::json::{Keys, flag, number, parse, text, wrong};
use super::labels;
use super::options::ImportOptions;
use super::tensors::Tensors;
use super::vit::Stated;
use super::{Import, Imported};
use crate::error::ConvertError;

/// What is behind the last block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// A classifier.
    Classifier,
    /// A classifier of the class token and one of the distillation token.
    Teacher,
    /// Nothing, or what makes an embedding.
    Bare,
}

/// A kind of model.
struct Kind {
    /// As `model_type` has it.
    name: &'static str,
    /// Classes of the library, as `architectures` has them.
    architectures: &'static [(&'static str, Head)],
    /// Epsilon of LayerNorm, where `layer_norm_eps` does not say it.
    eps: f64,
    /// Tensors that every one has.
    required: &'static [&'static str],
    /// Builds its graph.
    build: fn(Source<'_, '_>, &Kind) -> Built,
}

/// A graph, and what a user should know of how it was made.
type Built = Result<(Graph, Vec<String>), ConvertError>;

const KINDS: [Kind; 6] = [
    Kind {
        name: "vit",
        architectures: &[("ViTForImageClassification", Head::Classifier), ("ViTModel", Head::Bare)],
        eps: 1e-12,
        required: &["cls_token", "norm.weight"],
        build: vit::vit,
    },
    Kind {
        name: "deit",
        architectures: &[
            ("DeiTForImageClassification", Head::Classifier),
            ("DeiTForImageClassificationWithTeacher", Head::Teacher),
            ("DeiTModel", Head::Bare),
        ],
        eps: 1e-12,
        required: &["cls_token", "dist_token", "norm.weight"],
        build: vit::vit,
    },
    Kind {
        name: "beit",
        architectures: &[("BeitForImageClassification", Head::Classifier), ("BeitModel", Head::Bare)],
        eps: 1e-12,
        required: &["cls_token", "blocks.0.attn.q.bias", "blocks.0.attn.v.bias"],
        build: vit::beit,
    },
    Kind {
        name: "dinov2",
        architectures: &[("Dinov2ForImageClassification", Head::Classifier), ("Dinov2Model", Head::Bare)],
        eps: 1e-6,
        required: &["cls_token", "norm.weight", "blocks.0.ls1.gamma"],
        build: vit::dinov2,
    },
    Kind {
        name: "dinov2_with_registers",
        architectures: &[
            ("Dinov2WithRegistersForImageClassification", Head::Classifier),
            ("Dinov2WithRegistersModel", Head::Bare),
        ],
        eps: 1e-6,
        required: &["cls_token", "reg_token", "norm.weight", "blocks.0.ls1.gamma"],
        build: vit::dinov2,
    },
    Kind {
        name: "swin",
        architectures: &[("SwinForImageClassification", Head::Classifier), ("SwinModel", Head::Bare)],
        eps: 1e-5,
        required: &["norm.weight"],
        build: swin::swin,
    },
];

/// What a graph is built from.
struct Source<'a, 'k> {
    tensors: &'a Tensors<'a>,
    keys: Keys<'k>,
    head: Head,
    /// What the configuration says of the classes.
    stated: Stated,
    preprocessor: Option<Preprocessor>,
    options: &'a ImportOptions,
}

/// Reads a model with the configuration `json`; `preprocessor` says how pictures become frames.
pub fn import(
    tensors: &Tensors<'_>,
    json: Option<&str>,
    preprocessor: Option<Preprocessor>,
    options: &ImportOptions,
) -> Result<Import, ConvertError> {
    let json = json.ok_or_else(|| {
        wrong("a model of Hugging Face needs its config.json beside it, or with --config FILE.json".into())
    })?;
    if preprocessor.is_none() && options.mean.is_empty() && tensors.metadata("mean").is_none() {
        return Err(wrong(
            "there is no preprocessor_config.json beside the model: give --mean and --std as training used them".into(),
        ));
    }
    let object = parse(json)?;
    let mut keys = Keys::new("config.json", &object);
    let kind = kind(keys.need("model_type", text)?)?;
    let head = head(&mut keys, kind, tensors)?;
    kind.required.iter().try_for_each(|name| tensors.need(name))?;
    unsupported(&mut keys)?;
    let (labels, stated) = classes(&mut keys, head)?;
    let problem = keys.take("problem_type", problem)?;
    let source = Source { tensors, keys, head, stated, preprocessor, options };
    let (mut graph, notes) = (kind.build)(source, kind)?;
    let unused = [UNUSED, if head == Head::Bare { &[] } else { UNUSED_BY_CLASSIFIERS }];
    tensors.finish(&unused)?;
    graph.labels = labels;
    if let (Some((kind, ending)), Some(output)) =
        (problem.filter(|_| head != Head::Bare), graph.outputs.first_mut())
    {
        (output.kind, output.ending) = (kind, ending);
    }
    Ok(Import { model: Imported::Float(graph), notes })
}

fn kind(name: &str) -> Result<&'static Kind, ConvertError> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        wrong(format!(
            "`model_type` is {name}; {} are read, and others can be exported as ONNX",
            known.join(", ")
        ))
    })
}

/// What is behind the last block, as the configuration says or the tensors show.
fn head(keys: &mut Keys<'_>, kind: &Kind, tensors: &Tensors<'_>) -> Result<Head, ConvertError> {
    let names = keys.take("architectures", |key, value| {
        let names =
            value.as_array().and_then(|all| all.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        names.ok_or_else(|| wrong(format!("`{key}` is {value}, expected a list of names")))
    })?;
    match names.as_deref() {
        None | Some([]) if tensors.contains("head_dist.weight") => Ok(Head::Teacher),
        None | Some([]) if tensors.contains("head.weight") => Ok(Head::Classifier),
        None | Some([]) => Ok(Head::Bare),
        Some(names) => {
            let found = match names {
                [name] => kind.architectures.iter().find(|(known, _)| known == name),
                _ => None,
            };
            found.map(|(_, head)| *head).ok_or_else(|| {
                let known: Vec<_> = kind.architectures.iter().map(|(name, _)| *name).collect();
                wrong(format!(
                    "`architectures` is {}; of {} {} are read, and others can be exported as ONNX",
                    names.join(", "),
                    kind.name,
                    known.join(", ")
                ))
            })
        }
    }
}

/// Refuses what no kind is read with.
fn unsupported(keys: &mut Keys<'_>) -> Result<(), ConvertError> {
    for key in ["is_decoder", "add_cross_attention", "is_encoder_decoder"] {
        if keys.take(key, flag)? == Some(true) {
            return Err(wrong(format!("`{key}` is true, which is not supported")));
        }
    }
    let pruned = keys.take("pruned_heads", |_, value| Ok(value))?;
    match pruned.is_some_and(|heads| heads.as_object().is_none_or(|heads| !heads.is_empty())) {
        true => Err(wrong("`pruned_heads` is not empty, which is not supported".into())),
        false => Ok(()),
    }
}

/// Names of the classes, and what is said of their number.
fn classes(keys: &mut Keys<'_>, head: Head) -> Result<(Vec<String>, Stated), ConvertError> {
    let labels = keys.take("id2label", labels::by_class)?;
    let count = keys.take("num_labels", number)?;
    let mut stated = Stated::default();
    if head == Head::Bare {
        return Ok((Vec::new(), stated));
    }
    stated.counted.extend(count.map(|count| ("num_labels", "num_classes", count)));
    let Some((names, count)) = labels else { return Ok((Vec::new(), stated)) };
    stated.counted.push(("id2label", "num_classes", count as f64));
    Ok((names, stated))
}

/// What the outputs of a classifier stand for, and what its library computes behind them for people.
fn problem(key: &str, value: &Value) -> Result<(OutputKind, Option<Ending>), ConvertError> {
    match text(key, value)? {
        "single_label_classification" => Ok((OutputKind::Logits, None)),
        "multi_label_classification" => Ok((OutputKind::Logits, Some(Ending::Sigmoid))),
        "regression" => Ok((OutputKind::Values, None)),
        other => Err(wrong(format!(
            "`{key}` is {other}; single_label_classification, multi_label_classification and regression are known"
        ))),
    }
}

fn function(key: &str, value: &Value) -> Result<Function, ConvertError> {
    match text(key, value)? {
        "gelu" | "gelu_python" => Ok(Function::Gelu),
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Function::GeluTanh),
        "quick_gelu" => Ok(Function::QuickGelu),
        "relu" => Ok(Function::Relu),
        "silu" | "swish" => Ok(Function::Silu),
        "tanh" => Ok(Function::Tanh),
        other => Err(wrong(format!(
            "`{key}` is {other}; gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu, silu and tanh are known"
        ))),
    }
}
