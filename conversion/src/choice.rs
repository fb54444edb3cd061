//! Options of which there are a few, by name.

use std::fmt;

/// One of several values of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<T: 'static> {
    /// Its name.
    pub name: &'static str,
    /// What it is, without a full stop.
    pub about: &'static str,
    /// What the name stands for.
    pub value: T,
}

impl<T: Copy> Choice<T> {
    /// The value called `name` among `all`.
    ///
    /// # Errors
    ///
    /// [`NoChoice`], which lists the names.
    pub fn find(all: &'static [Self], name: &str) -> Result<T, NoChoice> {
        let found = all.iter().find(|choice| choice.name == name).map(|choice| choice.value);
        found.ok_or_else(|| NoChoice {
            name: name.to_owned(),
            known: all.iter().map(|choice| choice.name).collect(),
        })
    }
}

/// A name that stands for no value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoChoice {
    name: String,
    known: Vec<&'static str>,
}

impl fmt::Display for NoChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no `{}`; there are: {}", self.name, self.known.join(", "))
    }
}

impl std::error::Error for NoChoice {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_others_are_told_which_there_are() {
        const ALL: &[Choice<u8>] =
            &[Choice { name: "one", about: "1", value: 1 }, Choice { name: "two", about: "2", value: 2 }];
        assert_eq!(Choice::find(ALL, "two"), Ok(2));
        let refused = Choice::find(ALL, "three").unwrap_err().to_string();
        assert_eq!(refused, "there is no `three`; there are: one, two");
    }
}
