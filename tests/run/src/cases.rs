//! Containers with what they must compute, in files: written on the host, checked anywhere.

use std::fs;
use std::io;
use std::path::Path;

use quant::{KernelSet, REFERENCE};
use runtime::Model;

use crate::memory::Aligned;
use crate::run::{outputs, trace};

/// Numbers of threads that images are spread over. WebAssembly has one.
const THREADS: &[usize] = if cfg!(target_family = "wasm") { &[1] } else { &[1, 2, 7] };

/// What of a run is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The first output, for each of many images, over several numbers of threads.
    Outputs,
    /// What every instruction writes, of one run.
    Trace,
}

/// A container, its inputs, and what the reference computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What of a run is compared.
    pub compared: Compared,
    /// The container's bytes.
    pub container: Vec<u8>,
    /// The bytes of each input ([`Compared::Trace`]), or of the image of each run.
    pub inputs: Vec<Vec<u8>>,
    /// The compared values, in order.
    pub expected: Vec<i32>,
}

impl Case {
    /// A case with what the reference computes here.
    pub fn new(compared: Compared, container: Vec<u8>, inputs: Vec<Vec<u8>>) -> Self {
        let mut case = Self { compared, container, inputs, expected: Vec::new() };
        case.expected = case.values(&REFERENCE, 1);
        case
    }

    /// Compares each of `sets` with what is expected.
    ///
    /// # Errors
    ///
    /// The kernel set and the first value that differs.
    pub fn check(&self, sets: &[&KernelSet]) -> Result<(), String> {
        let threads = match self.compared {
            Compared::Outputs => THREADS,
            Compared::Trace => &THREADS[..1],
        };
        for kernels in sets {
            for &threads in threads {
                let found = self.values(kernels, threads);
                if found != self.expected {
                    let at = found.iter().zip(&self.expected).position(|(found, want)| found != want);
                    let name = kernels.name();
                    return Err(format!("{name}, {threads} threads: other values from {at:?} on"));
                }
            }
        }
        Ok(())
    }

    fn values(&self, kernels: &KernelSet, threads: usize) -> Vec<i32> {
        match self.compared {
            Compared::Outputs => {
                let file = Aligned::copy(&self.container);
                let model = Model::new(&file).expect("a container that was written");
                outputs(&model, &self.inputs, kernels, threads).concat()
            }
            Compared::Trace => {
                let trace = trace(&self.container, &self.inputs, kernels, 0x3c);
                trace.written.into_iter().flat_map(|written| written.values).collect()
            }
        }
    }

    /// Writes the case to `path`: numbers of 32 bits, little-endian, each block behind its length.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut bytes = vec![u8::from(self.compared == Compared::Trace)];
        let expected: Vec<u8> = self.expected.iter().flat_map(|value| value.to_le_bytes()).collect();
        for block in [&self.container, &expected].into_iter().chain(&self.inputs) {
            bytes.extend((block.len() as u32).to_le_bytes());
            bytes.extend(block);
        }
        fs::write(path, bytes)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// The system's, and `InvalidData` for other files.
    pub fn load(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let (&compared, mut rest) = bytes.split_first().ok_or(io::ErrorKind::InvalidData)?;
        let compared = if compared == 0 { Compared::Outputs } else { Compared::Trace };
        let mut blocks = Vec::new();
        while let Some((len, behind)) = rest.split_first_chunk() {
            let len = u32::from_le_bytes(*len) as usize;
            let (block, behind) = behind.split_at_checked(len).ok_or(io::ErrorKind::InvalidData)?;
            blocks.push(block.to_vec());
            rest = behind;
        }
        let mut blocks = blocks.into_iter();
        let (container, expected) = blocks.next().zip(blocks.next()).ok_or(io::ErrorKind::InvalidData)?;
        let expected = expected.as_chunks().0.iter().map(|word| i32::from_le_bytes(*word)).collect();
        Ok(Self { compared, container, inputs: blocks.collect(), expected })
    }
}
