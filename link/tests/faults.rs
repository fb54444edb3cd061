//! A line that loses, flips and repeats bytes: every request ends in the right answer
//! or in a named error, and the device needs no reset.

mod common;

use common::{Faults, Sim, answer, hash};
use proptest::prelude::*;
use shiftformer_link::{Host, HostError, Line, MAX_FRAME, Patience, Receiver};

const PATIENCE: Patience = Patience { repeat_ms: 1, repeats: 12 };

/// One inference with everything that may be asked about it. `Ok` is the right answer.
fn infer(
    host: &mut Host<Sim>,
    frame: &[u8],
    traced: bool,
) -> Result<(), HostError<std::convert::Infallible>> {
    host.begin(frame)?;
    if traced {
        let (mut sums, mut steps) = ([0u64; common::INSTRUCTIONS], 0);
        let finished = host.trace(|step| {
            sums[step.instruction as usize] = sums[step.instruction as usize].wrapping_add(step.hash);
            steps += 1;
        })?;
        assert_eq!((finished.steps, steps), (common::STEPS, common::STEPS));
        assert_eq!(finished.ticks, u64::from(common::STEPS) * common::TICKS);
        for (index, sum) in sums.iter().enumerate() {
            assert_eq!(*sum, hash(frame, index), "instruction {index}");
        }
    } else {
        assert_eq!(host.run()?.steps, common::STEPS);
    }
    for output in 0..2 {
        let mut values = Vec::new();
        host.output(output, |value| values.push(value))?;
        assert_eq!(values, answer(frame, output));
    }
    Ok(())
}

/// Counts what came of `requests` inferences; panics on a wrong answer.
fn storm(seed: u64, faults: Faults, requests: usize) -> (usize, usize, Sim) {
    let mut host = Host::new(Sim::new(seed, faults), PATIENCE, 0xffff_fff0);
    let (mut right, mut named) = (0, 0);
    for request in 0..requests {
        let frame = common::frame(seed ^ request as u64);
        match infer(&mut host, &frame, request % 4 == 0) {
            Ok(()) => right += 1,
            Err(HostError::Silence | HostError::Device(_)) => named += 1,
            Err(other) => panic!("request {request}: {other}"),
        }
    }
    // The line heals: the next request is answered, without a reset.
    host.line().faults = Faults::NONE;
    infer(&mut host, &common::frame(seed), true).expect("the device is ready");
    (right, named, std::mem::replace(host.line(), Sim::new(0, Faults::NONE)))
}

#[test]
fn a_sound_line_never_repeats() {
    let (right, named, sim) = storm(1, Faults::NONE, 50);
    assert_eq!((right, named, sim.timeouts), (50, 0, 0));
}

/// Between any two messages, and between a request and its answer.
#[test]
fn a_log_on_a_sound_line_arrives_whole_and_delays_nothing() {
    let (right, named, sim) = storm(1, Faults { log: 600_000, ..Faults::NONE }, 50);
    assert_eq!((right, named, sim.timeouts), (50, 0, 0));
    assert!(sim.logged > 500, "{} frames", sim.logged);
    assert!(sim.heard().iter().copied().eq(0..sim.heard().len() as u32));
    // The last ones may still be on the line.
    assert!(sim.heard().len() + 4 > sim.logged as usize);
}

#[test]
fn ten_thousand_frames_on_a_bad_line() {
    let faults = Faults { drop: 300, flip: 300, repeat: 300, echo: 300, log: 0 };
    let (right, named, sim) = storm(7, faults, 1200);
    println!("{} frames, {} faults: {right} right, {named} named errors", sim.frames, sim.injected);
    assert!(sim.frames >= 10_000, "{} frames", sim.frames);
    assert!(sim.injected > 1_000, "{} faults", sim.injected);
    assert!(right > 1000, "{right} of 1200 right: repeating does not help");
}

/// A frame of the log that is lost or damaged takes no answer with it that would not have
/// been lost without it.
#[test]
fn a_log_on_a_bad_line_loses_log_only() {
    let faults = Faults { drop: 100, flip: 100, repeat: 100, echo: 300, log: 300_000 };
    let (right, named, sim) = storm(7, faults, 600);
    let (heard, logged) = (sim.heard().len(), sim.logged as usize);
    println!("{heard} of {logged} frames of the log: {right} right, {named} named errors");
    assert!(right > 500, "{right} of 600 right: repeating does not help");
    assert!(heard < logged && heard > logged / 2, "{heard} of {logged}");
}

#[test]
fn the_device_notes_what_happens() {
    use shiftformer_link::{Event, Finished, Problem};
    let mut host = Host::new(Sim::new(3, Faults::NONE), PATIENCE, 0);
    infer(&mut host, &common::frame(1), false).expect("runs");
    infer(&mut host, &common::frame(1), true).expect("runs");
    let done = Finished { steps: common::STEPS, ticks: u64::from(common::STEPS) * common::TICKS };
    let run = |run| [Event::Begun { run }, Event::Ended { run, done }];
    assert_eq!(host.line().events(), [run(1), run(2)].concat());
    assert_eq!(host.output(2, |_| ()), Err(HostError::Device(Problem::Output)));
    host.line().send(&[0, 3, 1, 2, 0]).expect("the line is sound");
    host.memory().expect("answers");
    assert_eq!(host.line().events(), [Event::Refused(Problem::Output), Event::Damaged]);
}

#[test]
fn a_dead_line_is_silence() {
    let dead = Faults { drop: 1_000_000, ..Faults::NONE };
    let mut host = Host::new(Sim::new(3, dead), PATIENCE, 1);
    assert_eq!(host.identify(|_| ()), Err(HostError::Silence));
    assert_eq!(host.line().timeouts, PATIENCE.repeats as usize + 1);
}

#[test]
fn wrong_lengths_runs_and_outputs_are_named() {
    use shiftformer_link::Problem;
    let mut host = Host::new(Sim::new(3, Faults::NONE), PATIENCE, 1);
    assert_eq!(host.run(), Err(HostError::Device(Problem::UnknownRun)));
    let expected = common::INPUT as u32;
    assert_eq!(host.begin(&[0; 3]), Err(HostError::Device(Problem::InputLength { expected })));
    host.begin(&common::frame(1)).expect("taken");
    assert_eq!(host.output(0, |_| ()), Err(HostError::Device(Problem::NotFinished)));
    host.run().expect("runs");
    assert_eq!(host.output(2, |_| ()), Err(HostError::Device(Problem::Output)));
    assert_eq!(host.trace(|_| ()), Err(HostError::Device(Problem::Order)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_rate_of_faults(
        seed in any::<u64>(),
        drop in 0u32..4000, flip in 0u32..4000, repeat in 0u32..4000, echo in 0u32..50_000,
        log in 0u32..1_000_000,
    ) {
        storm(seed, Faults { drop, flip, repeat, echo, log }, 12);
    }

    /// Whatever a line brings, the receiver goes on and takes the next sound frame.
    #[test]
    fn any_bytes_then_a_frame(noise in proptest::collection::vec(any::<u8>(), 0..3 * MAX_FRAME)) {
        let mut receiver = Receiver::new();
        for byte in noise {
            let _ = receiver.push(byte);
        }
        let mut sender = shiftformer_link::Sender::new();
        let frame = sender.frame(&(1u8, 2u32)).expect("fits").to_vec();
        let last = frame.iter().filter_map(|&byte| receiver.push(byte).map(|r| r.map(<[u8]>::to_vec))).last();
        prop_assert_eq!(last, Some(Ok(vec![1, 2])));
    }
}
