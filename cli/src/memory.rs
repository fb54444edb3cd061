//! What this process takes of the machine's memory.

use serde::Serialize;

/// Bytes in memory, those of the program itself and of mapped files among them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Now.
    pub resident_bytes: u64,
    /// The most so far.
    pub peak_bytes: u64,
}

impl Memory {
    /// That of this process; `None` where the system does not tell as Linux does.
    pub fn of_this_process() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    fn read(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let mut lines = status.lines();
            let kilobytes = lines.find_map(|line| line.strip_prefix(name)?.strip_suffix(" kB"))?;
            Some(1024 * kilobytes.trim().parse::<u64>().ok()?)
        };
        Some(Self { resident_bytes: bytes("VmRSS:")?, peak_bytes: bytes("VmHWM:")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_linux_is_read() {
        let status = "Name:\tshiftformer\nVmHWM:\t   46868 kB\nVmRSS:\t   25924 kB\nThreads:\t1\n";
        let memory = Memory::read(status).unwrap();
        assert_eq!((memory.resident_bytes, memory.peak_bytes), (25924 * 1024, 46868 * 1024));
        assert!(Memory::read("Name:\tshiftformer\n").is_none());
        let own = Memory::of_this_process();
        assert!(own.is_none_or(|own| own.resident_bytes <= own.peak_bytes));
        assert_eq!(own.is_some(), cfg!(target_os = "linux"));
    }
}
