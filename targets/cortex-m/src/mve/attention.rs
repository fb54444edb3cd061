//! Scores and P·V by vectors.

use super::Mve;
use crate::attention::Core;

impl Core for Mve {}
