//! A stack whose unused part is painted, to see later how far it was used.

use app::Stack;

const PAINT: u32 = 0xcccc_cccc;
/// Words at its end that count as overwritten by an overflow.
const GUARD: usize = 8;
/// Bytes below the painting function's own frame that stay as they are.
const MARGIN: usize = 256;

unsafe extern "C" {
    /// End of the statics, and so of the stack, which grows towards them.
    static mut __sheap: u32;
    /// Where the stack starts.
    static mut _stack_start: u32;
}

/// The stack between the statics and the end of memory.
#[derive(Debug)]
pub struct PaintedStack {
    low: *const u32,
    high: *const u32,
}

impl PaintedStack {
    /// Paints what is not in use.
    ///
    /// # Safety
    ///
    /// Between the end of the statics and `_stack_start` is nothing but the stack of the
    /// caller, which is the only one.
    pub unsafe fn paint() -> Self {
        let here = 0u32;
        let (low, high) = (&raw mut __sheap, &raw mut _stack_start);
        let end = (&raw const here).addr().saturating_sub(MARGIN);
        let mut word = low;
        while word.addr() < end {
            // SAFETY: below every frame in use, as the caller vouches.
            unsafe {
                word.write_volatile(PAINT);
                word = word.add(1);
            }
        }
        Self { low, high }
    }

    /// Words from the stack's end on that are as they were painted, at most `limit`.
    fn untouched(&self, limit: usize) -> usize {
        let words = self.high.addr().saturating_sub(self.low.addr()) / size_of::<u32>();
        let mut count = 0;
        // SAFETY: within the stack; volatile, for the frames in it change.
        while count < limit.min(words) && unsafe { self.low.add(count).read_volatile() } == PAINT {
            count += 1;
        }
        count
    }
}

impl Stack for PaintedStack {
    fn used(&self) -> u32 {
        self.size().saturating_sub((self.untouched(usize::MAX) * size_of::<u32>()) as u32)
    }

    fn size(&self) -> u32 {
        self.high.addr().saturating_sub(self.low.addr()) as u32
    }

    fn is_intact(&self) -> bool {
        self.untouched(GUARD) == GUARD
    }
}
