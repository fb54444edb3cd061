//! Everything that is tested of several crates at once, in one program.
//!
//! Tests in modules called `emulated` and `full` are ignored unless asked for: `cargo xtask test`
//! runs the former, which build firmware and need emulators, and `cargo xtask test --all` both.

mod backends;
mod binarized_onnx;
mod checker;
mod checker_binary;
mod conformance;
mod converted;
mod damage;
mod emulated;
mod fused;
mod gates;
mod golden;
mod golden_bivit;
mod golden_bivit_recipe;
mod golden_bytes;
mod notes;
mod onnx_nodes;
mod over_rows;
mod planner;
mod replan;
mod same_bytes;
mod threads;
mod widths;
