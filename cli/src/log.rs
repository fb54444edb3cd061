//! What devices log, on stderr.

#[cfg(feature = "defmt")]
pub use with_texts::Log;
#[cfg(not(feature = "defmt"))]
pub use without_texts::Log;

#[cfg(feature = "defmt")]
mod with_texts {
    use std::fs;
    use std::io::IsTerminal;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use shiftformer::device::link::Line;
    use shiftformer::device::{Heard, LogSink, LogTable, LogTableError, Logged};

    use crate::failure::Failure;

    /// The texts that a device's firmware logs.
    #[derive(Clone, Debug)]
    pub struct Log {
        elf: PathBuf,
        table: LogTable,
    }

    impl Log {
        /// Those of the firmware in the file `elf`.
        pub fn of(elf: &Path) -> Result<Self, Failure> {
            let bytes = fs::read(elf).map_err(|error| {
                Failure::io("cannot read", elf)(error).help("give the firmware's ELF file")
            })?;
            let table = LogTable::parse(&bytes).map_err(|error| {
                let help = match error {
                    LogTableError::Absent => {
                        "build it with `--features defmt`; without --firmware this is done for you"
                    }
                    _ => "give the ELF file as the linker left it, built with defmt 1",
                };
                Failure::new(format!("{}: {error}", elf.display())).help(help)
            })?;
            Ok(Self { elf: elf.to_owned(), table })
        }

        /// `line`, with what is logged on it printed.
        pub fn listen<L: Line>(&self, line: L) -> Logged<L> {
            Logged::new(line, self.sink())
        }

        /// What prints the logs of several devices.
        pub fn sinks(self) -> LogSink {
            Arc::new(move || self.sink())
        }

        fn sink(&self) -> Box<dyn FnMut(Heard<'_>) + Send> {
            let Self { elf, table } = self.clone();
            // A progress bar may stand in the line; it comes back by itself.
            let clear = if std::io::stderr().is_terminal() { "\r\x1b[2K" } else { "" };
            let mut strange = false;
            Box::new(move |heard: Heard<'_>| match heard {
                Heard::Frame(frame) => match table.line(frame) {
                    Some(line) => eprintln!("{clear}{line}"),
                    None if strange => {}
                    None => {
                        strange = true;
                        eprintln!(
                            "{clear}note: the board's log is not of {}: it runs another build",
                            elf.display()
                        );
                    }
                },
                Heard::Lost(count) => eprintln!("{clear}note: {count} lines of the board's log were lost"),
            })
        }
    }
}

#[cfg(not(feature = "defmt"))]
mod without_texts {
    use std::convert::Infallible;
    use std::path::Path;

    use shiftformer::device::link::Line;
    use shiftformer::device::{LogSink, Logged};

    use crate::failure::Failure;

    /// There is none in this build.
    #[derive(Clone, Debug)]
    pub struct Log(Infallible);

    impl Log {
        /// Refuses.
        pub fn of(_: &Path) -> Result<Self, Failure> {
            Err(Failure::new("this build does not read logs")
                .help("build it with the feature `defmt`: cargo run --release --features defmt -- ..."))
        }

        /// Never called.
        pub fn listen<L: Line>(&self, _: L) -> Logged<L> {
            match self.0 {}
        }

        /// Never called.
        pub fn sinks(self) -> LogSink {
            match self.0 {}
        }
    }
}
