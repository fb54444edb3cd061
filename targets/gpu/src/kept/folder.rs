//! Where files are kept.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where a GPU keeps what it has compiled, for later processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache(Option<PathBuf>);

/// The variable that names the folder.
const VARIABLE: &str = "SHIFTFORMER_GPU_CACHE";
/// What stands there, or for a folder, where nothing is to be kept.
const OFF: &str = "off";

impl Cache {
    /// Nothing is kept.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Files are kept in `folder`, which is made where it is missing. Whoever may write there is
    /// trusted with what the GPU runs.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(Some(folder.into()))
    }

    /// The folder that the variable `SHIFTFORMER_GPU_CACHE` names, and nothing is kept where that is
    /// `off`. Where it is not set, `shiftformer` in the user's folder for such files: `%LOCALAPPDATA%`
    /// on Windows, `~/Library/Caches` on macOS and iOS, elsewhere `$XDG_CACHE_HOME` or `~/.cache`.
    /// Nothing is kept where the system knows no such folder.
    pub fn of_user() -> Self {
        Self::named_by(|name| std::env::var_os(name))
    }

    /// The folder `name`, or nothing is kept where that is `off`.
    pub fn named(name: impl Into<OsString>) -> Self {
        let name = name.into();
        if name == OFF { Self::off() } else { Self::at(name) }
    }

    /// The folder.
    pub fn folder(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    fn named_by(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // An empty variable is as good as none, and so is a folder that depends on the current one.
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let absolute = |name| set(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if let Some(named) = set(VARIABLE) {
            return Self::named(named);
        }
        let user = if cfg!(windows) {
            absolute("LOCALAPPDATA")
        } else if cfg!(target_vendor = "apple") {
            absolute("HOME").map(|home| home.join("Library").join("Caches"))
        } else {
            absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        };
        Self(user.map(|folder| folder.join("shiftformer")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(variables: &[(&str, &str)]) -> Cache {
        Cache::named_by(|name| {
            variables.iter().find(|(of, _)| *of == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_variable_comes_first() {
        let user = [("HOME", "/home/a"), ("XDG_CACHE_HOME", "/cache"), ("LOCALAPPDATA", r"C:\a")];
        let with = |named| cache(&[&[(VARIABLE, named)], &user[..]].concat());
        assert_eq!(with("/b"), Cache::at("/b"));
        assert_eq!(with("off"), Cache::off());
        assert_eq!(with(""), cache(&user));
        assert_eq!(cache(&[]), Cache::off());
    }

    #[test]
    #[cfg(all(unix, not(target_vendor = "apple")))]
    fn folders_that_depend_on_the_current_one_do_not_count() {
        assert_eq!(cache(&[("HOME", "/home/a")]), Cache::at("/home/a/.cache/shiftformer"));
        let both = |xdg| cache(&[("HOME", "/home/a"), ("XDG_CACHE_HOME", xdg)]);
        assert_eq!(both("/cache"), Cache::at("/cache/shiftformer"));
        assert_eq!(both("cache"), Cache::at("/home/a/.cache/shiftformer"));
    }
}
