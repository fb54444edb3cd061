//! What is not converted says what it is, and the way to what is: one row each.

use std::fs;

use onnx::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use prost::Message;

use crate::common::{data, run, stderr};

/// A file given as a model, and what is said about it with exit code 1.
struct Row {
    file: &'static str,
    content: Vec<u8>,
    /// What it is, or what is wrong.
    what: &'static str,
    /// The way out.
    way: &'static str,
}

/// A file that begins with `head`.
fn foreign(file: &'static str, head: &[u8], what: &'static str, way: &'static str) -> Row {
    Row { file, content: head.to_vec(), what, way }
}

/// `DataType` of elements.
const FLOAT: i32 = 1;
const INT64: i32 = 7;

const IMAGE: &[i64] = &[1, 3, 8, 8];

fn value(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = dims.iter().map(|&dim| DimensionProto { dim_value: Some(dim) }).collect();
    let tensor_type = Some(TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn node(op: &str, domain: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.into()],
        op_type: op.into(),
        domain: domain.into(),
        ..NodeProto::default()
    }
}

fn with(mut node: NodeProto, name: &str, value: i64) -> NodeProto {
    node.attribute.push(AttributeProto { name: name.into(), i: value, kind: 2, ..AttributeProto::default() });
    node
}

/// A model from `x`, of `elem_type` and `dims`, to `y`.
fn model(nodes: Vec<NodeProto>, elem_type: i32, dims: &[i64], opset: i64) -> Vec<u8> {
    let scalar = |name: &str, value: f32| TensorProto {
        name: name.into(),
        data_type: FLOAT,
        float_data: vec![value],
        ..TensorProto::default()
    };
    let graph = GraphProto {
        node: nodes,
        initializer: vec![scalar("half", 0.5), scalar("two", 2.0)],
        input: vec![value("x", elem_type, dims)],
        output: vec![value("y", FLOAT, &[1, 10])],
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: opset }];
    ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..ModelProto::default() }.encode_to_vec()
}

/// A model of one node.
fn one(op: &str, domain: &str, what: &'static str, way: &'static str) -> Row {
    let node = node(op, domain, &["x", "half"], "y");
    Row { file: "m.onnx", content: model(vec![node], FLOAT, IMAGE, 17), what, way }
}

/// A model that adds to its input.
fn input(elem_type: i32, dims: &[i64], what: &'static str, way: &'static str) -> Row {
    let node = node("Add", "", &["x", "half"], "y");
    Row { file: "m.onnx", content: model(vec![node], elem_type, dims, 17), what, way }
}

fn rows() -> Vec<Row> {
    let torch = "torch.onnx.export";
    let tensorflow = "tf2onnx";
    let quantized = "give the float model that it was made from";
    let image = "an image is taken, N × C × H × W with 1 to 4 channels";
    let trained =
        with(node("BatchNormalization", "", &["x", "two", "two", "two", "two"], "y"), "training_mode", 1);
    let sized = with(node("Relu", "", &["x"], "y"), "surprise", 1);
    let old = model(vec![node("Relu", "", &["x"], "y")], FLOAT, IMAGE, 9);
    vec![
        foreign("m.pt", b"PK\x03\x04\0\0\0\0\0\0archive/data.pkl", "a PyTorch file", torch),
        foreign("m.pth", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "a pickle", torch),
        foreign("pytorch_model.bin", b"PK\x03\x04\0\0\0\0\0\0best/data.pkl", "a PyTorch file", "safetensors"),
        foreign("m.tflite", b"\x1c\0\0\0TFL3", "a model of TensorFlow Lite", tensorflow),
        foreign("m.h5", b"\x89HDF\r\n\x1a\n", "a Keras model in HDF5", tensorflow),
        foreign("m.keras", b"PK\x03\x04\0\0\0\0\0\0metadata.json", "a Keras model", tensorflow),
        foreign("frozen.pb", b"\x0a\x10\x0a\x01x", "a TensorFlow graph", tensorflow),
        foreign("m.mlmodel", b"\x08\x04\x12", "a Core ML model", "to ONNX"),
        foreign("m.gguf", b"GGUF\x03\0\0\0", "a GGUF file", "float model"),
        foreign("m.ort", b"\x18\0\0\0ORTM", "ONNX Runtime's own format", ".onnx file that it was made from"),
        foreign(
            "m.onnx",
            b"version https://git-lfs.github.com/spec/v1\n",
            "the pointer of Git LFS",
            "git lfs pull",
        ),
        foreign(
            "m.safetensors",
            b"version https://git-lfs.github.com/spec/v1\n",
            "the pointer of Git LFS",
            "git lfs pull",
        ),
        foreign("m.onnx", b"\n<!DOCTYPE html><html>", "an HTML page", "download the file itself"),
        foreign("m.zip", b"PK\x03\x04\0\0\0\0\0\0model.onnx", "a zip archive", "unpack it"),
        foreign("m.onnx.gz", b"\x1f\x8b\x08", "compressed", "unpack it"),
        foreign("images.npz", b"PK\x03\x04\0\0\0\0\0\0images.npy", "arrays of NumPy", "--calib"),
        foreign("m.shf", b"SHFM\x01\0", "a Shiftformer container", "converted already"),
        foreign("config.json", b"{\"architectures\": []}", "text in JSON", "--config"),
        foreign("m.onnx", b"\x3a\xff", "not a readable ONNX file", "copy it again"),
        foreign("m.safetensors", b"\xff", "not a readable safetensors file", "copy it again"),
        Row {
            file: "m.onnx",
            content: old,
            what: "ONNX opset 9; 11 to 24 are read",
            way: "opset_version=17",
        },
        one("QuantizeLinear", "", "the model is quantized already", quantized),
        one("QLinearConv", "", "the model is quantized already", quantized),
        one("QLinearAdd", "com.microsoft", "the model is quantized already", quantized),
        one("MatMulNBits", "com.microsoft", "the model is quantized already", quantized),
        one("Conv", "com.microsoft.nchwc", "optimized for one CPU", "graph_optimization_level"),
        one("DeformAttn", "mmdeploy", "`mmdeploy`, not of ONNX", "operators of ONNX's own"),
        one("LSTM", "", "recurrent layers", "docs/onnx-operators.md"),
        one("TopK", "", "of constants and shapes only", "up to the scores"),
        one("NonMaxSuppression", "", "boxes that are found", "up to scores and box offsets"),
        one("Unique", "", "not among those that are read", "docs/onnx-operators.md"),
        Row {
            file: "m.onnx",
            content: model(vec![trained], FLOAT, IMAGE, 17),
            what: "training mode",
            way: "model.eval()",
        },
        Row {
            file: "m.onnx",
            content: model(vec![sized], FLOAT, IMAGE, 17),
            what: "attribute `surprise` of 1",
            way: "export the model without it",
        },
        Row {
            file: "m.onnx",
            content: model(Vec::new(), FLOAT, IMAGE, 17),
            what: "`y`, an output, is not made by any node",
            way: "onnx.checker.check_model",
        },
        input(INT64, &[1, 77], "token ids of text", image),
        input(FLOAT, &[1, 1024], "a flat vector of 1024 values", image),
        input(FLOAT, &[1, 1, 16000], "as audio is", image),
        input(FLOAT, &[1, 8, 3, 8, 8], "as video has", image),
        input(FLOAT, &[1, 1, 1, 65535], "exceeds the limit of 16384", "a smaller image"),
        input(FLOAT, &[8, 3, 8, 8], "its batch is fixed at 8", "export with a batch of 1"),
        input(FLOAT, &[1, 3, 0, 0], "is not fixed", "export with a fixed image size"),
    ]
}

#[test]
fn what_is_not_converted_says_what_it_is_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let images = data("fmnist-train-128-images-idx3-ubyte.gz").display().to_string();
    let mut wrong = Vec::new();
    for Row { file, content, what, way } in rows() {
        fs::write(folder.path().join(file), content).unwrap();
        let args = ["convert", file, "-o", "out.shf", "--calib", &images, "--no-normalize"];
        let output = run(folder.path(), &args);
        let said = stderr(&output).split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        let expected = [file, what, way].iter().all(|words| said.contains(words));
        if output.status.code() != Some(1) || !expected || said.contains("defect of the converter") {
            wrong.push(format!("{file}: expected {what:?} and {way:?} in: {said}"));
        }
        assert!(!folder.path().join("out.shf").exists(), "{file}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
