//! Values of the configuration, with errors that name their keys.

use float::Function;
use serde_json::{Map, Value};

use crate::error::ConvertError;

/// How tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// The class token.
    Token,
    /// The mean of the patches.
    Mean,
}

pub(super) fn wrong(reason: String) -> ConvertError {
    ConvertError::Config { reason }
}

pub(super) fn small(value: usize) -> Result<u32, ConvertError> {
    u32::try_from(value).map_err(|_| wrong(format!("a dimension of {value} is too large")))
}

/// Keys with a value; `null` stands for timm's default.
pub(super) fn given(keys: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    keys.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.as_str(), value))
}

fn expected(key: &str, value: &Value, what: &str) -> ConvertError {
    wrong(format!("`{key}` is {value}, expected {what}"))
}

pub(super) fn object<'a>(
    keys: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a Map<String, Value>>, ConvertError> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_object().map(Some).ok_or_else(|| expected(key, value, "an object")),
    }
}

pub(super) fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, ConvertError> {
    value.as_str().ok_or_else(|| expected(key, value, "a text"))
}

pub(super) fn number(key: &str, value: &Value) -> Result<f64, ConvertError> {
    value.as_f64().ok_or_else(|| expected(key, value, "a number"))
}

pub(super) fn numbers(key: &str, value: &Value) -> Result<Vec<f64>, ConvertError> {
    let all = value.as_array().and_then(|all| all.iter().map(Value::as_f64).collect());
    all.ok_or_else(|| expected(key, value, "a list of numbers"))
}

pub(super) fn flag(key: &str, value: &Value) -> Result<bool, ConvertError> {
    value.as_bool().ok_or_else(|| expected(key, value, "true or false"))
}

pub(super) fn count(key: &str, value: &Value) -> Result<usize, ConvertError> {
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| expected(key, value, "a whole number"))
}

/// The side of a square: one number, or the same number twice.
pub(super) fn side(key: &str, value: &Value) -> Result<usize, ConvertError> {
    match value.as_array().map(Vec::as_slice) {
        Some([height, width]) if height == width => count(key, height),
        Some(_) => Err(expected(key, value, "the side of a square")),
        None => count(key, value),
    }
}

/// Whether a part of the model is there: a flag, or a number that is not 0.
pub(super) fn present(key: &str, value: &Value) -> Result<bool, ConvertError> {
    match value.as_f64() {
        Some(number) => Ok(number != 0.0),
        None => flag(key, value),
    }
}

pub(super) fn pool(value: &Value) -> Result<Pool, ConvertError> {
    match text("global_pool", value)? {
        "token" => Ok(Pool::Token),
        "avg" => Ok(Pool::Mean),
        other => Err(wrong(format!("global_pool `{other}` is not known for this model; token and avg are"))),
    }
}

pub(super) fn function(name: &str) -> Result<Function, ConvertError> {
    match name {
        "gelu" => Ok(Function::Gelu),
        "gelu_tanh" => Ok(Function::GeluTanh),
        "quick_gelu" => Ok(Function::QuickGelu),
        "relu" => Ok(Function::Relu),
        "silu" | "swish" => Ok(Function::Silu),
        other => Err(wrong(format!(
            "act_layer `{other}` is not known; gelu, gelu_tanh, quick_gelu, relu and silu are"
        ))),
    }
}

/// One of the values that change nothing.
pub(super) fn only(key: &str, value: &str, values: &[&str]) -> Result<(), ConvertError> {
    match values.contains(&value) {
        true => Ok(()),
        false => Err(wrong(format!("{key} `{value}` is not known; `{}` is", values[0]))),
    }
}

/// Refuses a key of `place` that is not listed as without influence.
pub(super) fn known(place: &str, key: &str, unused: &[(&str, &str)]) -> Result<(), ConvertError> {
    match unused.iter().any(|(name, _)| *name == key) {
        true => Ok(()),
        false => Err(wrong(format!(
            "{place} has the key `{key}`, which is not known; remove it if the result does not depend on it"
        ))),
    }
}
