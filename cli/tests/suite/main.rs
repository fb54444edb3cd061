//! The command line as people use it: the built program, its output and its exit code.

mod binary_models;
mod checkpoints;
mod common;
mod data_files;
mod endings;
mod flash;
mod float_models;
#[cfg(feature = "gpu")]
mod gpu;
mod hub_folders;
mod normalisation;
mod output_files;
mod pictures;
mod readme;
mod results;
mod usage;
mod words;
