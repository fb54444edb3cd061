//! A device with a made-up program at the end of a made-up line.

use std::collections::VecDeque;
use std::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write};
use shiftformer_link::{
    CHUNK, Device, Event, Identity, Line, Log, MemoryUse, ModelState, PROTOCOL, Problem, Receiver, Stepped,
    Target, crc32, log_of,
};

/// Bytes of the input: three chunks, the last one short.
pub const INPUT: usize = 2 * CHUNK + 7;
pub const INSTRUCTIONS: usize = 5;
/// Every instruction runs in two tiles.
pub const STEPS: u32 = 2 * INSTRUCTIONS as u32;
pub const TICKS: u64 = 3;

/// Faults for each million bytes; echoes (a whole frame again) for each million frames.
#[derive(Clone, Copy)]
pub struct Faults {
    pub drop: u32,
    pub flip: u32,
    pub repeat: u32,
    pub echo: u32,
    /// No fault: frames of the device's log for each million turns of its loop.
    pub log: u32,
}

impl Faults {
    pub const NONE: Self = Self { drop: 0, flip: 0, repeat: 0, echo: 0, log: 0 };
}

/// What the device logs as frame `number`.
fn logged(number: u32) -> Vec<u8> {
    let mut random = Random(u64::from(number) << 32);
    let len = random.next() as usize % (CHUNK + 1);
    (0..len).map(|_| random.next() as u8 & random.next() as u8).collect()
}

/// Reads the log beside the host.
#[derive(Default)]
struct Listener {
    receiver: Receiver,
    heard: Vec<u32>,
}

impl Listener {
    fn hear(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let Some(Ok(content)) = self.receiver.push(byte) else { continue };
            let Some(log) = log_of(content) else { continue };
            assert_eq!(log.frame, logged(log.number), "frame {} of the log", log.number);
            self.heard.push(log.number);
        }
    }
}

pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn hits(&mut self, per_million: u32) -> bool {
        self.next() % 1_000_000 < u64::from(per_million)
    }
}

pub fn frame(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..INPUT).map(|_| random.next() as u8 & random.next() as u8).collect()
}

/// The values of an output: the first needs several chunks.
pub fn answer(frame: &[u8], output: u16) -> Vec<i32> {
    let crc = crc32(frame) as i32;
    let len = if output == 0 { 300 } else { 10 };
    (0..len).map(|index| crc.wrapping_mul(index + 1) ^ i32::from(output)).collect()
}

/// The hash of an instruction's output, the sum of those of its two tiles.
pub fn hash(frame: &[u8], instruction: usize) -> u64 {
    tile(frame, instruction, 0).wrapping_add(tile(frame, instruction, 1))
}

fn tile(frame: &[u8], instruction: usize, tile: u64) -> u64 {
    Random(u64::from(crc32(frame)) ^ (instruction as u64) << 32 ^ tile << 48).next()
}

struct Program {
    input: Vec<u8>,
    /// What the run works on; the input may not change it any more.
    step: u32,
    events: Vec<Event>,
}

impl Target for Program {
    fn identity(&self) -> Identity<'_> {
        let model = ModelState::Ready {
            identity: [7; 32],
            input: INPUT as u32,
            arena: 1,
            instructions: 5,
            outputs: 2,
        };
        Identity { protocol: PROTOCOL, board: "simulated", kernels: "none", hz: 1, arena: 1, model }
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse { stack: 1, stack_size: 2, arena: 1, arena_size: 1, model: 3 }
    }

    fn restart(&mut self) {
        self.step = 0;
        self.input.fill(0);
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Problem> {
        let places = self.input.get_mut(offset as usize..offset as usize + data.len());
        places.ok_or(Problem::Offset)?.copy_from_slice(data);
        Ok(())
    }

    fn checksum(&mut self) -> u32 {
        crc32(&self.input)
    }

    fn step(&mut self, hash: bool) -> Result<Option<Stepped>, Problem> {
        if self.step == STEPS {
            return Ok(None);
        }
        let (instruction, half) = (self.step / 2, u64::from(self.step % 2));
        self.step += 1;
        let hash = if hash { tile(&self.input, instruction as usize, half) } else { 0 };
        Ok(Some(Stepped { instruction, ticks: TICKS, hash, complete: half == 1 }))
    }

    fn read(&mut self, output: u16, first: u32, out: &mut [u8]) -> Result<(usize, u32), Problem> {
        if output > 1 {
            return Err(Problem::Output);
        }
        let values = answer(&self.input, output);
        let rest = values.get(first as usize..).ok_or(Problem::Output)?;
        let bytes: Vec<u8> = rest.iter().flat_map(|value| value.to_le_bytes()).take(out.len()).collect();
        out[..bytes.len()].copy_from_slice(&bytes);
        Ok((bytes.len(), values.len() as u32))
    }

    fn note(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// What the device reads from and writes to.
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
        let byte = self.to_device.pop_front();
        out[..usize::from(byte.is_some())].copy_from_slice(byte.as_slice());
        Ok(byte.iter().count())
    }
}

impl Write for Port {
    /// At most 7 bytes at a time, as a small queue would.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let count = bytes.len().min(7);
        self.to_host.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

pub struct Sim {
    pub faults: Faults,
    pub injected: usize,
    pub frames: usize,
    pub timeouts: usize,
    /// Frames that the device has logged.
    pub logged: u32,
    listener: Listener,
    random: Random,
    device: Device,
    program: Program,
    port: Port,
}

impl Sim {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            faults,
            injected: 0,
            frames: 0,
            timeouts: 0,
            logged: 0,
            listener: Listener::default(),
            random: Random(seed),
            device: Device::new(),
            program: Program { input: vec![0; INPUT], step: 0, events: Vec::new() },
            port: Port::default(),
        }
    }

    /// What the device has noted since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.program.events)
    }

    /// Numbers of the log's frames that came through.
    pub fn heard(&self) -> &[u32] {
        &self.listener.heard
    }

    /// A line of the device's log, now and then.
    fn log(&mut self) {
        if self.random.hits(self.faults.log) {
            let (number, frame) = (self.logged, logged(self.logged));
            let Ok(()) = self.device.log(&mut self.port, Log { number, frame: &frame });
            self.logged += 1;
        }
    }

    /// `bytes` as the line brings them.
    fn carry(&mut self, bytes: &[u8]) -> Vec<u8> {
        let echo = self.random.hits(self.faults.echo);
        self.injected += usize::from(echo);
        let mut carried = Vec::new();
        for &byte in bytes.iter().chain(if echo { bytes } else { &[] }) {
            if self.random.hits(self.faults.drop) {
                self.injected += 1;
                continue;
            }
            let flip = self.random.hits(self.faults.flip);
            let mask = u8::from(flip) << (self.random.next() % 8);
            let repeat = self.random.hits(self.faults.repeat);
            self.injected += usize::from(flip) + usize::from(repeat);
            carried.extend(std::iter::repeat_n(byte ^ mask, 1 + usize::from(repeat)));
        }
        carried
    }
}

impl Line for Sim {
    type Error = Infallible;

    fn send(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.frames += 1;
        let carried = self.carry(bytes);
        self.port.to_device.extend(carried);
        Ok(())
    }

    fn receive(&mut self, out: &mut [u8], _: u32) -> Result<usize, Infallible> {
        while self.port.to_host.is_empty() {
            if self.port.to_device.is_empty() && !self.device.is_busy() {
                self.timeouts += 1;
                return Ok(0);
            }
            let before = self.port.to_host.len();
            self.log();
            let Ok(()) = self.device.poll(&mut self.port, &mut self.program);
            self.log();
            if self.port.to_host.len() > before {
                self.frames += 1;
                let sent: Vec<u8> = self.port.to_host.drain(before..).collect();
                let carried = self.carry(&sent);
                self.port.to_host.extend(carried);
            }
        }
        let count = out.len().min(self.port.to_host.len());
        for place in &mut out[..count] {
            *place = self.port.to_host.pop_front().unwrap_or(0);
        }
        self.listener.hear(&out[..count]);
        Ok(count)
    }
}
