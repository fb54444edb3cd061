//! The library of apps.

pub mod c;
pub mod threads;
