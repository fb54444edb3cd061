//! Runs the jobs in the file `jobs` of the emulator's working directory.
//!
//! The file is a count and that many jobs, all numbers little-endian `u32`:
//!
//! ```text
//! kernels (0 reference, 1 the fastest) | bytes of container | bytes of inputs | container | inputs
//! ```
//!
//! with both blocks padded to multiples of 4. For every step of a job a line goes to stdout: job,
//! index of the instruction, ticks, hash of what it wrote. How many instructions of the core make
//! a tick is for the host to know.
#![no_std]
#![no_main]

mod clock;

use core::fmt;

use quant::hash::hash_tensor;
use quant::{Kernels, Reference};
use runtime::{ArenaError, Fault, LoadError, Model, Progress, Session};
use semihosting::fs::File;
use semihosting::io::Read;
use semihosting::{println, process};

/// Largest container.
const CONTAINER: usize = 1 << 20;
/// Largest inputs of a job.
const INPUTS: usize = 1 << 19;
/// Largest arena.
const ARENA: usize = 1 << 20;

#[repr(align(16))]
struct Buffer<const N: usize>([u8; N]);

struct Memory {
    container: Buffer<CONTAINER>,
    inputs: Buffer<INPUTS>,
    arena: Buffer<ARENA>,
}

/// What stopped the jobs.
enum Stop {
    File,
    TooLarge,
    Model(LoadError),
    Arena(ArenaError),
    Input,
    Fault(Fault),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::File => f.write_str("the file `jobs` cannot be read to its end"),
            Stop::TooLarge => f.write_str("a job is too large"),
            Stop::Model(error) => error.fmt(f),
            Stop::Arena(error) => error.fmt(f),
            Stop::Input => f.write_str("the inputs of a job are too short"),
            Stop::Fault(fault) => fault.fmt(f),
        }
    }
}

/// Runs the jobs in `memory` and leaves the emulator.
fn run(memory: &'static mut Memory) -> ! {
    match jobs(memory) {
        Ok(()) => process::exit(0),
        Err(stop) => {
            println!("stopped: {stop}");
            process::exit(1)
        }
    }
}

fn jobs(memory: &mut Memory) -> Result<(), Stop> {
    let mut file = File::open(c"jobs").map_err(|_| Stop::File)?;
    let count = word(&mut file)?;
    for job in 0..count {
        let fast = word(&mut file)? != 0;
        let (container, inputs) = (word(&mut file)?, word(&mut file)?);
        let container = block(&mut file, &mut memory.container.0, container)?;
        let inputs = block(&mut file, &mut memory.inputs.0, inputs)?;
        let model = Model::new(container).map_err(Stop::Model)?;
        let session = Session::new(&model, &mut memory.arena.0).map_err(Stop::Arena)?;
        if fast {
            measure(job, session, inputs, &mut mcu::Fastest::default())?;
        } else {
            measure(job, session, inputs, &mut Reference)?;
        }
    }
    Ok(())
}

fn measure<K: Kernels>(
    job: u32,
    mut session: Session<'_, '_>,
    mut inputs: &[u8],
    kernels: &mut K,
) -> Result<(), Stop> {
    for index in 0..session.model().inputs().count() {
        let slot = session.input(index).ok_or(Stop::Input)?;
        let (input, rest) = inputs.split_at_checked(slot.len()).ok_or(Stop::Input)?;
        slot.copy_from_slice(input);
        inputs = rest;
    }
    loop {
        let start = clock::now();
        let progress = session.step(kernels).map_err(Stop::Fault)?;
        let ticks = clock::since(start);
        let Progress::Ran(step) = progress else { break };
        let hash = session
            .written(&step)
            .fold(0u64, |sum, (first, tensor)| sum.wrapping_add(hash_tensor(first, tensor)));
        println!("{job} {} {ticks} {hash:016x}", step.instruction);
    }
    Ok(())
}

fn word(file: &mut File) -> Result<u32, Stop> {
    let mut bytes = [0; 4];
    read(file, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Reads `len` bytes and their padding to the start of `buffer`.
fn block<'b>(file: &mut File, buffer: &'b mut [u8], len: u32) -> Result<&'b [u8], Stop> {
    let padded = buffer.get_mut(..(len as usize).next_multiple_of(4)).ok_or(Stop::TooLarge)?;
    read(file, padded)?;
    padded.get(..len as usize).ok_or(Stop::TooLarge)
}

fn read(file: &mut File, mut bytes: &mut [u8]) -> Result<(), Stop> {
    while !bytes.is_empty() {
        let count = file.read(bytes).map_err(|_| Stop::File)?;
        if count == 0 {
            return Err(Stop::File);
        }
        bytes = bytes.get_mut(count..).ok_or(Stop::File)?;
    }
    Ok(())
}
