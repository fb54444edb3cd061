//! What several fuzz targets do.

use converter::BuildOptions;
use converter::calibrate::QuantizeOptions;
use float::Graph;

/// Multiply-accumulates of a model that is worth the time.
const MACS: u64 = 1 << 18;

/// Converts a float model on one frame: an error that names what is wrong, or a container
/// that has passed the checker.
pub fn calibrated(graph: Graph) {
    let pixels = graph.tensors.first().map_or(0, |frame| frame.len());
    if graph.macs() > MACS || pixels > 1 << 12 {
        return;
    }
    let frame = (0..pixels).map(|i| (i * 37) as u8).collect();
    let _ = converter::convert(graph, &[frame], &QuantizeOptions::default(), BuildOptions::default(), &());
}
