//! The command line as people use it: the built program, its output and its exit code.

mod binary_models;
mod checkpoints;
mod common;
mod data_files;
mod flash;
mod float_models;
mod normalisation;
mod output_files;
mod readme;
mod results;
mod usage;
mod words;
