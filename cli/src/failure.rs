//! Failures on the terminal.

use std::fmt::{self, Display};

pub use conversion::Failure;
use miette::Diagnostic;

/// A failure as it is printed: with its advice.
#[derive(Debug)]
pub struct Printed(pub Failure);

impl Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Printed {}

impl Diagnostic for Printed {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.0.advice().map(|advice| Box::new(advice) as Box<dyn Display>)
    }
}
