//! Operators that are no part of what is imported, and what there is instead.

use super::op::Refused;
use crate::model::Node;

/// Rows of ONNX's own operators, and of those of other sets that have their names.
pub(super) const REFUSED: &[Refused] = &[
    Refused {
        names: &["Loop", "Scan"],
        instead: "loops are not supported; export with fixed shapes, by tracing",
    },
    Refused {
        names: &["GRU", "LSTM", "RNN"],
        instead: "recurrent layers are not supported: an image has no sequence of inputs",
    },
    Refused {
        names: &[
            "ConvInteger",
            "DequantizeLinear",
            "DynamicQuantizeLinear",
            "MatMulInteger",
            "QLinearConv",
            "QLinearMatMul",
            "QuantizeLinear",
        ],
        instead: "the model is quantized already; give the float model that it was made from: conversion quantizes \
                  it anew. Weights that are stored as integers and dequantized at once are read",
    },
    Refused {
        names: &["Acos", "Asin", "Atan", "Cosh", "Sinh", "Tan"],
        instead: "of computed tensors there are no angles; a position embedding made of them is constant, and is \
                  computed when the image size is fixed",
    },
    Refused {
        names: &["Ceil", "Floor", "Mod", "Round", "ReduceLogSumExp", "ReduceProd"],
        instead: "it is computed of constants and shapes only",
    },
    Refused {
        names: &["CumSum", "GatherElements", "NonZero", "OneHot", "ScatterElements", "TopK", "Trilu"],
        instead: "it is computed of constants and shapes only; what depends on the values of an image (the best of \
                  scores, boxes, picked tokens) belongs into the application: export the model up to the scores",
    },
    Refused {
        names: &["NonMaxSuppression", "RoiAlign", "MaxRoiPool"],
        instead: "boxes that are found in an image are not processed; export the model up to scores and box offsets",
    },
    Refused {
        names: &["DeformConv", "GridSample"],
        instead: "sampling at computed positions is not supported",
    },
    Refused {
        names: &[
            "Bernoulli",
            "Multinomial",
            "RandomNormal",
            "RandomNormalLike",
            "RandomUniform",
            "RandomUniformLike",
        ],
        instead: "it draws random numbers; export in evaluation mode, after model.eval()",
    },
    Refused {
        names: &["DFT", "MelWeightMatrix", "STFT"],
        instead: "spectra are not computed: it is audio, and images are converted",
    },
];

/// A set of operators that is none of ONNX's.
struct Foreign {
    /// Its domain.
    domain: &'static str,
    /// What it is, and the way to ONNX's own.
    is: &'static str,
}

const FOREIGN: &[Foreign] = &[
    Foreign {
        domain: "com.microsoft.nchwc",
        is: "the model was optimized for one CPU by ONNX Runtime; give the file from before, or save it with \
             graph_optimization_level = ORT_ENABLE_EXTENDED at most",
    },
    Foreign {
        domain: "com.ms.internal.nhwc",
        is: "the model was optimized for one accelerator by ONNX Runtime; give the file from before",
    },
    Foreign {
        domain: "ai.onnx.ml",
        is: "it is classical machine learning (trees, vectors of features), and vision models are converted",
    },
];

/// Parts of the names of ONNX Runtime's quantized operators.
const QUANTIZED: &[&str] =
    &["QLinear", "QAttention", "QGemm", "QEmbed", "NBits", "Integer", "QOrdered", "QMoE"];

/// What is said of `node` by its operator set, or its name in that of ONNX Runtime.
pub(super) fn by_domain(node: &Node) -> Option<String> {
    if let Some(foreign) = FOREIGN.iter().find(|foreign| foreign.domain == node.domain) {
        return Some(foreign.is.into());
    }
    match node.domain.as_str() {
        "" => None,
        "com.microsoft" if QUANTIZED.iter().any(|part| node.op.contains(part)) => Some(
            "the model is quantized already; give the float model that it was made from: conversion quantizes it anew"
                .into(),
        ),
        "com.microsoft" => None,
        domain => Some(format!(
            "the operator is one of `{domain}`, not of ONNX, and only its authors' library knows what it computes; \
             export the model with operators of ONNX's own"
        )),
    }
}
