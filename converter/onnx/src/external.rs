//! Which files a model's weights lie in.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;

use super::proto::{ModelProto, NodeProto, TensorProto};
use super::{parse, scan};

/// The locations of external data that the model in `bytes` names, relative to its folder; none
/// where it cannot be read.
pub fn external_files(bytes: Bytes) -> BTreeSet<String> {
    let readable = parse::check_file_len(bytes.len() as u64).and_then(|()| scan::check(&bytes)).is_ok();
    let proto = readable.then(|| ModelProto::decode(bytes).ok()).flatten().unwrap_or_default();
    let graph = proto.graph.unwrap_or_default();
    let nodes = graph.node.iter().chain(proto.functions.iter().flat_map(|function| &function.node));
    graph.initializer.iter().chain(nodes.flat_map(constants)).flat_map(locations).collect()
}

fn constants(node: &NodeProto) -> impl Iterator<Item = &TensorProto> {
    node.attribute.iter().filter_map(|attribute| attribute.t.as_ref())
}

fn locations(tensor: &TensorProto) -> impl Iterator<Item = String> {
    tensor.external_data.iter().filter(|entry| entry.key == "location").map(|entry| entry.value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_a_model_names() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/external.onnx");
        let files = external_files(std::fs::read(path).expect("the fixture").into());
        assert_eq!(files.into_iter().collect::<Vec<_>>(), ["external.data"]);
        assert!(external_files(Bytes::from_static(b"<html>")).is_empty());
    }
}
