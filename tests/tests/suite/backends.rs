//! Every engine on this machine, through the face that all of them have.

use std::num::NonZeroUsize;

use shiftformer::Cpu;
use shiftformer_tests::backend;

#[test]
fn every_kernel_set_of_the_processor() {
    for kernels in Cpu::kernel_sets() {
        let cpu = Cpu::best().with_kernels(kernels.name()).expect("one of the list");
        backend::check(&cpu.with_threads(NonZeroUsize::MIN), 8);
    }
}
