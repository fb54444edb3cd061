//! `id2label`: names of the classes.

use serde_json::Value;

use crate::error::ConvertError;
use crate::import::json::wrong;

/// Names in the order of the classes, and how many there are. Names that the library makes up
/// itself, `LABEL_0` and so on, are none.
pub fn read(key: &str, value: &Value) -> Result<(Vec<String>, usize), ConvertError> {
    let bad = |what: String| wrong(format!("`{key}` {what}"));
    let object = value.as_object().ok_or_else(|| bad("is no object of names by class".into()))?;
    let mut names = vec![None; object.len()];
    for (class, name) in object {
        let place = class.parse().ok().and_then(|class: usize| names.get_mut(class));
        let place = place.ok_or_else(|| {
            bad(format!("has a class `{class}`, expected the numbers below {}", object.len()))
        })?;
        let name = name.as_str().ok_or_else(|| bad(format!("has no text as name of class {class}")))?;
        *place = Some(name.to_owned());
    }
    let names: Option<Vec<String>> = names.into_iter().collect();
    let names = names.ok_or_else(|| bad("names a class twice".into()))?;
    let count = names.len();
    let made_up = names.iter().enumerate().all(|(class, name)| *name == format!("LABEL_{class}"));
    Ok((if made_up { Vec::new() } else { names }, count))
}
