//! What firmware logs, read in an emulator.

#[cfg(test)]
mod emulated;

use std::sync::{Arc, Mutex, PoisonError};

use shiftformer::device::link::Line;
use shiftformer::device::{Heard, LogLine, LogTable, Logged};

/// What was heard of a log.
#[derive(Clone, Debug, Default)]
pub struct Protocol(Arc<Mutex<Vec<Entry>>>);

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A line.
    Line(LogLine),
    /// A frame that is none of the table's.
    Strange,
    /// Frames that did not arrive.
    Lost(u32),
}

impl Protocol {
    /// Keeps what is logged on `line`.
    pub fn keep<L: Line>(&self, line: L, table: LogTable) -> Logged<L> {
        let entries = Arc::clone(&self.0);
        Logged::new(line, move |heard| {
            let entry = match heard {
                Heard::Frame(frame) => table.line(frame).map_or(Entry::Strange, Entry::Line),
                Heard::Lost(count) => Entry::Lost(count),
            };
            entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        })
    }

    /// Level and text of each line, in order; the other entries in words.
    pub fn lines(&self) -> Vec<String> {
        let text = |entry: &Entry| match entry {
            Entry::Line(line) => format!("{} {}", line.level.unwrap_or("-"), line.text),
            Entry::Strange => "strange".to_owned(),
            Entry::Lost(count) => format!("lost {count}"),
        };
        self.entries().iter().map(text).collect()
    }

    /// All entries, in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
