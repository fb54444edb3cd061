//! Logs of firmware, which refer to texts in its ELF file.

use std::fmt;

use defmt_decoder::{Encoding, Table};
use thiserror::Error;

/// The texts that firmware logs.
#[derive(Clone, Debug)]
pub struct LogTable(Table);

/// An ELF file with which no log can be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogTableError {
    /// The firmware logs nothing.
    #[error("this firmware has no log: it was built without the feature `defmt`")]
    Absent,
    /// Its version of defmt is unknown, or it is no ELF file.
    #[error("the log's texts cannot be read: {0}")]
    Unreadable(String),
    /// Its frames are in an encoding that does not pass the line.
    #[error("this firmware logs in an encoding other than rzCOBS")]
    Encoding,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Seconds since the start, where firmware gives a time.
    pub time: Option<String>,
    /// Its level, where it has one: trace, debug, info, warn or error.
    pub level: Option<&'static str>,
    /// What was logged.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(time) = &self.time {
            write!(f, "{time:>8} ")?;
        }
        write!(f, "{:5} {}", self.level.unwrap_or(""), self.text)
    }
}

impl LogTable {
    /// That of `elf`, a linked program with symbols.
    ///
    /// # Errors
    ///
    /// [`LogTableError`].
    pub fn parse(elf: &[u8]) -> Result<Self, LogTableError> {
        let table = Table::parse(elf).map_err(|error| LogTableError::Unreadable(error.to_string()))?;
        let table = table.ok_or(LogTableError::Absent)?;
        if table.is_empty() {
            return Err(LogTableError::Absent);
        }
        if table.encoding() != Encoding::Rzcobs {
            return Err(LogTableError::Encoding);
        }
        Ok(Self(table))
    }

    /// The line that `frame` stands for; `None` where it is of other firmware than this.
    pub fn line(&self, frame: &[u8]) -> Option<LogLine> {
        let mut decoder = self.0.new_stream_decoder();
        decoder.received(frame);
        decoder.received(&[0]);
        let frame = decoder.decode().ok()?;
        Some(LogLine {
            time: frame.display_timestamp().map(|time| time.to_string()),
            level: frame.level().map(|level| level.as_str()),
            text: frame.display_message().to_string(),
        })
    }
}
