//! The most that kernels could multiply on this machine.

/// A loop that only multiplies registers, with the instructions of one kernel set: what no product of
/// matrices exceeds on the same core.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    pub(crate) name: &'static str,
    pub(crate) is_available: fn() -> bool,
    /// Runs so many rounds; returns the products of each.
    pub(crate) run: fn(u32) -> u64,
}

impl Peak {
    /// That of the kernel set called `name`, where this machine runs it and somebody wrote the loop.
    pub fn of(name: &str) -> Option<&'static Peak> {
        PEAKS.iter().find(|peak| peak.name == name && (peak.is_available)())
    }

    /// Runs `rounds` rounds, a few nanoseconds each, and returns how many multiply-accumulates of int8
    /// they had. The caller takes the time.
    pub fn run(&self, rounds: u32) -> u64 {
        u64::from(rounds) * (self.run)(rounds)
    }
}

#[cfg(any(all(target_arch = "aarch64", feature = "every-set"), target_arch = "x86_64"))]
static PEAKS: &[Peak] = &crate::vector::PEAKS;

#[cfg(not(any(all(target_arch = "aarch64", feature = "every-set"), target_arch = "x86_64")))]
static PEAKS: &[Peak] = &[];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KERNEL_SETS;

    #[test]
    fn peaks_are_of_kernel_sets_and_count_their_products() {
        for peak in PEAKS {
            let set = KERNEL_SETS.iter().find(|set| set.name() == peak.name).expect(peak.name);
            assert_eq!(set.is_available(), Peak::of(peak.name).is_some(), "{}", peak.name);
        }
        for peak in PEAKS.iter().filter(|peak| (peak.is_available)()) {
            assert_eq!((peak.run(0), peak.run(3)), (0, 3 * peak.run(1)), "{}", peak.name);
            assert!(peak.run(1) > 0, "{}", peak.name);
        }
    }
}
