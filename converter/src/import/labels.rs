//! Names of classes, as configurations have them.

use serde_json::Value;

use super::json::wrong;
use crate::error::ConvertError;

/// Bytes of a name at most.
const MAX_NAME: usize = 256;

/// `id2label` of Hugging Face: names in the order of the classes, and how many there are. Names that
/// the library makes up itself, `LABEL_0` and so on, are none.
pub fn by_class(key: &str, value: &Value) -> Result<(Vec<String>, usize), ConvertError> {
    let bad = |what: String| wrong(format!("`{key}` {what}"));
    let object = value.as_object().ok_or_else(|| bad("is no object of names by class".into()))?;
    let mut names = vec![None; object.len()];
    for (class, name) in object {
        let place = class.parse().ok().and_then(|class: usize| names.get_mut(class));
        let place = place.ok_or_else(|| {
            bad(format!("has a class `{class}`, expected the numbers below {}", object.len()))
        })?;
        *place = Some(one(key, name)?);
    }
    let names: Option<Vec<String>> = names.into_iter().collect();
    let names = names.ok_or_else(|| bad("names a class twice".into()))?;
    let count = names.len();
    let made_up = names.iter().enumerate().all(|(class, name)| *name == format!("LABEL_{class}"));
    Ok((if made_up { Vec::new() } else { names }, count))
}

/// `label_names` of timm: names in the order of the classes.
pub fn in_order(key: &str, value: &Value) -> Result<Vec<String>, ConvertError> {
    let names = value.as_array().ok_or_else(|| wrong(format!("`{key}` is no list of names")))?;
    names.iter().map(|name| one(key, name)).collect()
}

/// A name that may be shown: without control characters, and of bounded length.
fn one(key: &str, name: &Value) -> Result<String, ConvertError> {
    match name.as_str() {
        Some(name) if name.len() <= MAX_NAME => {
            Ok(name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
        }
        Some(name) => Err(wrong(format!(
            "`{key}` has a name of {} bytes, at most {MAX_NAME} are kept: shorten it, or remove `{key}`",
            name.len()
        ))),
        None => Err(wrong(format!("`{key}` has the name {name}, expected a text"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_by_class() {
        let read = |value: Value| by_class("id2label", &value).map_err(|error| error.to_string());
        let ten: serde_json::Map<_, _> =
            (0..11).map(|i| (i.to_string(), format!("class {i}").into())).collect();
        let (names, count) = read(Value::Object(ten)).unwrap();
        assert_eq!((names[2].as_str(), names[10].as_str(), count), ("class 2", "class 10", 11));
        assert_eq!(read(json!({"0": "LABEL_0", "1": "LABEL_1"})), Ok((Vec::new(), 2)));
        assert_eq!(read(json!({"0": "a\u{1b}[2J"})), Ok((vec!["a [2J".into()], 1)));
        for (value, words) in [
            (json!(["a"]), "is no object"),
            (json!({"0": 1}), "expected a text"),
            (json!({"1": "a"}), "a class `1`"),
            (json!({"0": "a", "00": "b"}), "twice"),
            (json!({"0": "x".repeat(257)}), "257 bytes"),
        ] {
            let said = read(value).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(in_order("label_names", &json!(["a", "b"])).unwrap(), ["a", "b"]);
        assert!(in_order("label_names", &json!({"0": "a"})).is_err());
    }
}
