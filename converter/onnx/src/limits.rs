//! What is read at most, and how names are shown.

use std::ops::RangeInclusive;

/// Versions of the default operator set that are read.
pub const OPSETS: RangeInclusive<i64> = 11..=24;

/// Most nodes of a model.
pub(super) const MAX_NODES: usize = 1 << 16;

/// Most characters of a name that messages show.
const MAX_NAME: usize = 120;

/// `name` as messages show it: without a leading slash and control characters, of bounded
/// length.
pub(super) fn clean(name: &str) -> String {
    let shown = name.trim_start_matches('/').chars().take(MAX_NAME);
    shown.map(|c| if c.is_control() { '_' } else { c }).collect()
}
