//! JSON of configurations, with errors that name its keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::ConvertError;

pub fn wrong(reason: String) -> ConvertError {
    ConvertError::Config { reason }
}

pub fn small(value: usize) -> Result<u32, ConvertError> {
    u32::try_from(value).map_err(|_| wrong(format!("a dimension of {value} is too large")))
}

/// The object that `text` is.
pub fn parse(text: &str) -> Result<Map<String, Value>, ConvertError> {
    serde_json::from_str(text).map_err(|e| wrong(format!("not the expected JSON: {e}")))
}

/// Keys with a value; `null` stands for the default.
pub fn given(keys: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    keys.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.as_str(), value))
}

fn expected(key: &str, value: &Value, what: &str) -> ConvertError {
    wrong(format!("`{key}` is {value}, expected {what}"))
}

pub fn object<'a>(
    keys: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a Map<String, Value>>, ConvertError> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_object().map(Some).ok_or_else(|| expected(key, value, "an object")),
    }
}

pub fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, ConvertError> {
    value.as_str().ok_or_else(|| expected(key, value, "a text"))
}

pub fn number(key: &str, value: &Value) -> Result<f64, ConvertError> {
    value.as_f64().ok_or_else(|| expected(key, value, "a number"))
}

pub fn numbers(key: &str, value: &Value) -> Result<Vec<f64>, ConvertError> {
    let all = value.as_array().and_then(|all| all.iter().map(Value::as_f64).collect());
    all.ok_or_else(|| expected(key, value, "a list of numbers"))
}

pub fn flag(key: &str, value: &Value) -> Result<bool, ConvertError> {
    value.as_bool().ok_or_else(|| expected(key, value, "true or false"))
}

pub fn count(key: &str, value: &Value) -> Result<usize, ConvertError> {
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| expected(key, value, "a whole number"))
}

/// The side of a square: one number, or the same number twice.
pub fn side(key: &str, value: &Value) -> Result<usize, ConvertError> {
    match value.as_array().map(Vec::as_slice) {
        Some([height, width]) if height == width => count(key, height),
        Some(_) => Err(expected(key, value, "the side of a square")),
        None => count(key, value),
    }
}

/// Whether a part of the model is there: a flag, or a number that is not 0.
pub fn present(key: &str, value: &Value) -> Result<bool, ConvertError> {
    match value.as_f64() {
        Some(number) => Ok(number != 0.0),
        None => flag(key, value),
    }
}

/// One of the values that change nothing.
pub fn only(key: &str, value: &str, values: &[&str]) -> Result<(), ConvertError> {
    match values.contains(&value) {
        true => Ok(()),
        false => Err(wrong(format!("{key} `{value}` is not known; `{}` is", values[0]))),
    }
}

/// Refuses a key of `place` that is not listed as without influence.
pub fn known(place: &str, key: &str, unused: &[(&str, &str)]) -> Result<(), ConvertError> {
    match unused.iter().any(|(name, _)| *name == key) {
        true => Ok(()),
        false => Err(wrong(format!(
            "{place} has the key `{key}`, which is not known; remove it if the result does not depend on it"
        ))),
    }
}

/// The keys of an object that have a value. Each is taken, or has no influence, or is refused by
/// name.
pub struct Keys<'a> {
    /// What the object is called in messages.
    place: &'static str,
    left: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Keys<'a> {
    /// The keys of `object`.
    pub fn new(place: &'static str, object: &'a Map<String, Value>) -> Self {
        Self { place, left: given(object).collect() }
    }

    /// The value of `key` as `read` understands it.
    pub fn take<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str, &'a Value) -> Result<T, ConvertError>,
    ) -> Result<Option<T>, ConvertError> {
        self.left.remove(key).map(|value| read(key, value)).transpose()
    }

    /// The value of `key`, which must be there.
    pub fn need<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str, &'a Value) -> Result<T, ConvertError>,
    ) -> Result<T, ConvertError> {
        let place = self.place;
        self.take(key, read)?.ok_or_else(|| wrong(format!("{place} has no `{key}`")))
    }

    /// Refuses keys that were not taken and are not listed as `unused`.
    pub fn finish(self, unused: &[(&str, &str)]) -> Result<(), ConvertError> {
        self.left.into_keys().try_for_each(|key| known(self.place, key, unused))
    }
}
