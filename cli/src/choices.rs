//! Options of which there are a few, by name.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use conversion::Choice;

/// Reads the name of one of `all`.
pub fn choices<T: Copy + Send + Sync>(all: &'static [Choice<T>]) -> impl TypedValueParser<Value = T> {
    let named = all.iter().map(|choice| PossibleValue::new(choice.name).help(choice.about));
    PossibleValuesParser::new(named).try_map(|name| Choice::find(all, &name))
}
