//! What runs allocate after the first.

use std::num::NonZeroUsize;

use allocation_counter::measure;
use shiftformer::{Cpu, Observe};

use crate::{frames, model};

#[test]
fn nothing_is_allocated_after_the_first_run() {
    let model = model();
    let one = NonZeroUsize::MIN;
    for cpu in [Cpu::best(), Cpu::reference()] {
        let mut session = model.session_on(&cpu.with_threads(one)).unwrap();
        let frames = frames(&model, 3);
        session.run(&frames[0]).unwrap();
        let counted = measure(|| {
            for frame in &frames {
                assert_eq!(session.run(frame).unwrap().logits().unwrap().values().len(), 10);
            }
        });
        assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{cpu:?}");
    }
}

#[test]
fn nothing_is_allocated_after_the_first_batch_and_the_first_trace() {
    let model = model();
    let mut session = model.session_on(&Cpu::best().with_threads(NonZeroUsize::MIN)).unwrap();
    let frames = frames(&model, 5);
    session.run_batch(&frames).unwrap();
    session.run_observed(&frames[0], Observe::Hashes).unwrap();
    session.run_batch(&frames).unwrap();
    let counted = measure(|| {
        session.run_batch(&frames).unwrap();
        session.run_batch(&frames[..2]).unwrap();
    });
    assert_eq!(counted.count_total, 0);
}
