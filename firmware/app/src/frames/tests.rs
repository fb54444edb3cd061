//! A made-up program, camera and line: the host goes first, and no frame is half of another.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::vec::Vec;

use embedded_io::{ErrorType, Read, ReadReady, Write};
use link::{Host, HostError, Identity, Line, MemoryUse, PROTOCOL, Patience, Problem, Stepped, crc32};

use super::*;

/// Not a multiple of what is copied at a time.
const INPUT: usize = 2 * CHUNK + 5;
const STEPS: u32 = 4;
const HZ: u32 = 10;

/// Its class is the sum of the input, its only output too. Every look at the clock is a tick.
struct Program {
    input: Vec<u8>,
    step: u32,
    time: u64,
    is_ready: bool,
    fault: bool,
}

impl Target for Program {
    fn identity(&self) -> Identity<'_> {
        let ready = ModelState::Ready {
            identity: [0; 32],
            input: INPUT as u32,
            arena: 0,
            instructions: STEPS,
            outputs: 1,
        };
        let model = if self.is_ready { ready } else { ModelState::Absent };
        Identity { protocol: PROTOCOL, board: "made up", kernels: "none", hz: HZ, arena: 0, model }
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse { stack: 0, stack_size: 0, arena: 0, arena_size: 0, model: 0 }
    }

    fn restart(&mut self) {
        self.step = 0;
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Problem> {
        let places = self.input.get_mut(offset as usize..offset as usize + data.len());
        places.ok_or(Problem::Offset)?.copy_from_slice(data);
        Ok(())
    }

    fn checksum(&mut self) -> u32 {
        crc32(&self.input)
    }

    fn step(&mut self, _: bool) -> Result<Option<Stepped>, Problem> {
        if self.fault {
            return Err(Problem::Fault { step: self.step });
        }
        if self.step == STEPS {
            return Ok(None);
        }
        self.step += 1;
        Ok(Some(Stepped { instruction: self.step - 1, ticks: 1, hash: 0, complete: true }))
    }

    fn read(&mut self, _: u16, _: u32, out: &mut [u8]) -> Result<(usize, u32), Problem> {
        out[..4].copy_from_slice(&(self.class().unwrap_or(0) as i32).to_le_bytes());
        Ok((4, 1))
    }
}

impl Runner for Program {
    fn now(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    fn class(&self) -> Option<usize> {
        Some(self.input.iter().map(|&byte| usize::from(byte)).sum())
    }
}

/// Gives frames in pieces that are no multiple of anything.
#[derive(Default)]
struct Camera {
    frames: VecDeque<Vec<u8>>,
    at: usize,
    classes: Vec<Option<usize>>,
}

impl FrameSource for Camera {
    type Error = Infallible;

    fn frame_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.frames.is_empty())
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let rest = &self.frames[0][self.at..];
        let count = out.len().min(rest.len()).min(23);
        out[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        if count == 0 || self.at == INPUT {
            self.frames.pop_front();
            self.at = 0;
        }
        Ok(count)
    }

    fn classified(&mut self, class: Option<usize>) {
        self.classes.push(class);
    }
}

#[derive(Default)]
struct Port {
    to_device: VecDeque<u8>,
    to_host: VecDeque<u8>,
}

impl ErrorType for Port {
    type Error = Infallible;
}

impl ReadReady for Port {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.to_device.is_empty())
    }
}

impl Read for Port {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        out[0] = self.to_device.pop_front().expect("ready");
        Ok(1)
    }
}

impl Write for Port {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.to_host.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The loop of [`serve_with_frames`](crate::serve_with_frames) at the end of a line.
struct Board {
    device: Device,
    program: Program,
    frames: Frames<Camera>,
    port: Port,
}

impl Board {
    fn new() -> Self {
        let program = Program { input: Vec::new(), step: 0, time: 0, is_ready: true, fault: false };
        let program = Program { input: [0; INPUT].to_vec(), ..program };
        let frames = Frames::new(Camera::default());
        Self { device: Device::new(), program, frames, port: Port::default() }
    }

    fn turns(&mut self, count: u32) {
        for _ in 0..count {
            let Ok(()) = self.device.poll(&mut self.port, &mut self.program);
            self.frames.turn(&mut self.device, &mut self.program);
        }
    }

    /// A frame of `byte`s, and its class.
    fn see(&mut self, byte: u8) -> Option<usize> {
        self.camera().frames.push_back([byte; INPUT].to_vec());
        Some(usize::from(byte) * INPUT)
    }

    fn camera(&mut self) -> &mut Camera {
        &mut self.frames.source
    }
}

impl Line for Board {
    type Error = Infallible;

    fn send(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.port.to_device.extend(bytes);
        Ok(())
    }

    fn receive(&mut self, out: &mut [u8], _: u32) -> Result<usize, Infallible> {
        while self.port.to_host.is_empty() {
            self.turns(1);
        }
        let count = out.len().min(self.port.to_host.len());
        out[..count].fill_with(|| self.port.to_host.pop_front().expect("counted"));
        Ok(count)
    }
}

fn host(board: Board) -> Host<Board> {
    Host::new(board, Patience { repeat_ms: 1, repeats: 1 }, 1)
}

/// Turns for one frame: it is taken, run, and found at its end.
const FRAME: u32 = STEPS + 2;
/// Turns after which the host counts as gone: each looks at the clock.
const SILENCE: u32 = 2 * HZ + 1;

#[test]
fn frames_are_classified_one_step_a_turn() {
    let mut board = Board::new();
    let classes = [board.see(3), board.see(250)];
    board.turns(FRAME - 1);
    assert_eq!((board.program.step, board.camera().classes.len()), (STEPS, 0));
    board.turns(1);
    assert_eq!(board.camera().classes, classes[..1]);
    board.turns(FRAME);
    assert_eq!(board.camera().classes, classes);
}

#[test]
fn questions_about_the_device_do_not_disturb_a_frame() {
    let mut board = Board::new();
    let class = board.see(7);
    board.turns(2);
    let mut host = host(board);
    host.identify(|identity| assert_eq!(identity.board, "made up")).expect("answered");
    host.memory().expect("answered");
    host.line().turns(FRAME - 4);
    assert_eq!(host.line().camera().classes, [class]);
}

#[test]
fn a_host_goes_first_and_reads_its_own_outputs() {
    let mut board = Board::new();
    board.see(1);
    board.turns(3);
    let mut host = host(board);
    let frame = [2; INPUT];
    host.begin(&frame).expect("taken");
    let next = host.line().see(9);
    host.line().turns(SILENCE / 2);
    host.run().expect("runs");
    host.line().turns(SILENCE / 2);
    let mut values = Vec::new();
    host.output(0, |value| values.push(value)).expect("read");
    assert_eq!(values, [2 * INPUT as i32]);
    assert_eq!(host.line().camera().classes, [], "a frame was run beside the host's");

    host.line().turns(SILENCE + FRAME);
    assert_eq!(host.line().camera().classes, [next]);
    assert_eq!(host.output(0, |_| ()), Err(HostError::Device(Problem::UnknownRun)));
}

#[test]
fn a_short_frame_is_dropped() {
    let mut board = Board::new();
    board.camera().frames.push_back([1; INPUT - 1].to_vec());
    let class = board.see(5);
    board.turns(1 + FRAME);
    assert_eq!(board.camera().classes, [class]);
}

#[test]
fn a_failed_run_has_no_class() {
    let mut board = Board::new();
    board.see(5);
    board.program.fault = true;
    board.turns(2);
    assert_eq!(board.camera().classes, [None]);
}

#[test]
fn without_a_model_no_frame_is_read() {
    let mut board = Board::new();
    board.program.is_ready = false;
    board.see(5);
    board.turns(FRAME);
    assert_eq!((board.camera().at, board.camera().classes.len()), (0, 0));
}
