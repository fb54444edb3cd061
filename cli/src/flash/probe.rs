//! Debug probes.

use super::image::Image;
use crate::failure::Failure;

/// Writes `image` to `chip` through the probe that `selector` names, or the only one, checks
/// what is in flash then, and starts it; returns what did it.
#[cfg(not(feature = "flash"))]
pub fn write(_image: &Image, _chip: &str, _selector: Option<&str>) -> Result<String, Failure> {
    Err(Failure::new("this build does not write through debug probes").help(
        "build it with the feature `flash`, or write the file of --dry-run with the probe's own program",
    ))
}

#[cfg(feature = "flash")]
pub use with_probes::write;

#[cfg(feature = "flash")]
mod with_probes {
    use std::error::Error;

    use probe_rs::flashing::{DownloadOptions, FlashProgress, ProgressEvent, ProgressOperation};
    use probe_rs::probe::list::Lister;
    use probe_rs::probe::{DebugProbeInfo, DebugProbeSelector, Probe};
    use probe_rs::{Permissions, Session};

    use super::{Failure, Image};
    use crate::progress::Progress;

    /// Writes `image` to `chip` through the probe that `selector` names, or the only one,
    /// checks what is in flash then, and starts it; returns what did it.
    pub fn write(image: &Image, chip: &str, selector: Option<&str>) -> Result<String, Failure> {
        let (name, probe) = open(selector)?;
        let mut session = probe.attach(chip, Permissions::default()).map_err(|error| {
            failed(&format!("{name} finds no {chip}"), &error)
                .help("is the board powered, and is --board the board at this probe?")
        })?;
        program(image, &mut session).map_err(|error| {
            failed(&format!("{name} cannot write the flash of {chip}"), error.as_ref())
                .help("unplug the board and try again; flash that is locked must be erased with the vendor's program first")
        })?;
        Ok(name)
    }

    /// The probe that `selector` names, or the only one.
    fn open(selector: Option<&str>) -> Result<(String, Probe), Failure> {
        let lister = Lister::new();
        let selector: Option<DebugProbeSelector> = selector
            .map(|text| {
                text.parse().map_err(|error| {
                    Failure::new(format!("`{text}` does not name a debug probe: {error}"))
                        .help("give it as VID:PID or VID:PID:SERIAL, in hexadecimal")
                })
            })
            .transpose()?;
        let found = lister.list(selector.as_ref());
        let info = match (found.as_slice(), &selector) {
            ([info], _) => info,
            ([], None) => {
                return Err(Failure::new("no debug probe is connected").help(
                    "connect the board's debug USB port, and check the permissions of USB devices; \
                     --dry-run leaves a file for other programs",
                ));
            }
            ([], Some(selector)) => {
                let others = names(&lister.list_all());
                return Err(Failure::new(format!("no debug probe {selector} is connected")).help(
                    match others.as_str() {
                        "" => "there is none at all: connect the board's debug USB port".to_owned(),
                        others => format!("there are {others}"),
                    },
                ));
            }
            (several, _) => {
                return Err(Failure::new("several debug probes are connected")
                    .help(format!("choose one with --probe: {}", names(several))));
            }
        };
        let name = info.identifier.clone();
        let probe = lister.open(info).map_err(|error| {
            failed(&format!("cannot open {name}"), &error)
                .help("check that no other program uses it, and the permissions of USB devices")
        })?;
        Ok((name, probe))
    }

    fn names(probes: &[DebugProbeInfo]) -> String {
        let selector = |info| DebugProbeSelector::from(info).to_string();
        probes.iter().map(selector).collect::<Vec<_>>().join(", ")
    }

    fn program(image: &Image, session: &mut Session) -> Result<(), Box<dyn Error>> {
        let mut loader = session.target().flash_loader();
        for segment in image.segments() {
            loader.add_data(segment.address.into(), &segment.bytes)?;
        }
        let mut progress = None;
        let mut totals: Vec<(&str, u64)> = Vec::new();
        let mut options = DownloadOptions::default();
        options.verify = true;
        options.progress = FlashProgress::new(|event| match event {
            ProgressEvent::AddProgressBar { operation, total } => {
                totals.push((name(operation), total.unwrap_or(0)));
            }
            ProgressEvent::Started(operation) => {
                let total = totals.iter().find(|(known, _)| *known == name(operation));
                progress = Some(Progress::bytes(name(operation), total.map_or(0, |(_, total)| *total)));
            }
            ProgressEvent::Progress { size, .. } => {
                if let Some(progress) = &progress {
                    progress.advance(size);
                }
            }
            ProgressEvent::Finished(_) | ProgressEvent::Failed(_) => progress = None,
            ProgressEvent::FlashLayoutReady { .. } | ProgressEvent::DiagnosticMessage { .. } => {}
        });
        loader.commit(session, options)?;
        session.core(0)?.reset()?;
        Ok(())
    }

    fn name(operation: ProgressOperation) -> &'static str {
        match operation {
            ProgressOperation::Fill => "reading",
            ProgressOperation::Erase => "erasing",
            ProgressOperation::Program => "writing",
            ProgressOperation::Verify => "checking",
        }
    }

    /// `what` failed, with every reason that `error` gives.
    fn failed(what: &str, error: &dyn Error) -> Failure {
        let mut message = format!("{what}: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            message += &format!(": {error}");
            source = error.source();
        }
        Failure::new(message)
    }

    #[cfg(test)]
    mod tests {
        use boards::Loader;
        use probe_rs::config::{MemoryRegion, Registry};

        use crate::flash::boards::FLASH_BOARDS;

        #[test]
        fn every_chip_is_known_and_has_the_flash_of_its_board() {
            let registry = Registry::from_builtin_families();
            for board in FLASH_BOARDS {
                let (Loader::Probe { chip } | Loader::Drive { chip, .. }) = board.loader else { continue };
                let target = registry.get_target_by_name(chip).unwrap();
                let flash = |address: u32| {
                    let address = u64::from(address);
                    target.memory_map.iter().any(
                        |region| matches!(region, MemoryRegion::Nvm(nvm) if nvm.range.contains(&address)),
                    )
                };
                let (whole, model) = (board.description.flash, board.description.model());
                assert!(flash(whole.start) && flash(model.start), "{chip}");
                assert!(flash(whole.start + whole.bytes - 1), "{chip}");
            }
        }
    }
}
