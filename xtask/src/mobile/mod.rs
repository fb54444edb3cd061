//! The library of apps: what calls it from C, and its packages.

mod aar;
mod allowed;
mod android;
mod apple;
mod bindings;
pub mod c;
mod files;
mod framework;
mod kotlin;
mod library;
pub mod package;
mod sizes;
mod standin;
mod symbols;
