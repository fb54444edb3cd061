#![no_main]

use std::collections::VecDeque;
use std::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write};
use libfuzzer_sys::fuzz_target;
use link::{
    Device, Host, HostError, Identity, Line, MemoryUse, ModelState, PROTOCOL, Patience, Problem, Stepped,
    Target, crc32,
};

/// A program of two steps over 600 bytes.
struct Program([u8; 600], u32);

impl Target for Program {
    fn identity(&self) -> Identity<'_> {
        let model =
            ModelState::Ready { identity: [0; 32], input: 600, arena: 0, instructions: 2, outputs: 1 };
        Identity { protocol: PROTOCOL, board: "fuzz", kernels: "none", hz: 1, arena: 0, model }
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse { stack: 0, stack_size: 0, arena: 0, arena_size: 0, model: 0 }
    }

    fn restart(&mut self) {
        self.1 = 0;
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Problem> {
        let offset = offset as usize;
        let end = offset.checked_add(data.len()).ok_or(Problem::Offset)?;
        self.0.get_mut(offset..end).ok_or(Problem::Offset)?.copy_from_slice(data);
        Ok(())
    }

    fn checksum(&mut self) -> u32 {
        crc32(&self.0)
    }

    fn step(&mut self, _: bool) -> Result<Option<Stepped>, Problem> {
        assert!(self.1 <= 2, "a finished program is not run on");
        self.1 += 1;
        let step = Stepped { instruction: self.1, ticks: u64::MAX, hash: 1, complete: true };
        Ok((self.1 <= 2).then_some(step))
    }

    fn read(&mut self, output: u16, _: u32, out: &mut [u8]) -> Result<(usize, u32), Problem> {
        let out = out.get_mut(..4).filter(|_| output == 0).ok_or(Problem::Output)?;
        out.fill(0);
        Ok((4, 1))
    }
}

/// The device's port; then the host's line, with the device at its end or without one.
#[derive(Default)]
struct Port {
    to_device: VecDeque<u8>,
    to_host: VecDeque<u8>,
    device: Option<Box<(Device, Program)>>,
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
        Ok(self.to_device.pop_front().map_or(0, |byte| {
            out[0] = byte;
            1
        }))
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

impl Port {
    fn serve(&mut self) {
        let Some(mut device) = self.device.take() else { return };
        while !self.to_device.is_empty() || device.0.is_busy() {
            let Ok(()) = device.0.poll(self, &mut device.1);
        }
        self.device = Some(device);
    }
}

impl Line for Port {
    type Error = Infallible;

    fn send(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.to_device.extend(bytes);
        self.serve();
        Ok(())
    }

    fn receive(&mut self, out: &mut [u8], _: u32) -> Result<usize, Infallible> {
        let count = out.len().min(self.to_host.len());
        for place in &mut out[..count] {
            *place = self.to_host.pop_front().unwrap_or(0);
        }
        Ok(count)
    }
}

fuzz_target!(|bytes: &[u8]| {
    // To a device: as the line brings them, and as the content of sound frames.
    let device = Some(Box::new((Device::new(), Program([0; 600], 0))));
    let mut port = Port { device, ..Port::default() };
    port.to_device.extend(bytes);
    port.serve();
    for content in bytes.chunks(64) {
        let framed = [content, &crc32(content).to_le_bytes()].concat();
        port.to_device.push_back(0);
        for run in framed.split(|&byte| byte == 0) {
            port.to_device.push_back(run.len() as u8 + 1);
            port.to_device.extend(run);
        }
        port.to_device.push_back(0);
        port.serve();
    }
    // After all that it still serves.
    let mut host = Host::new(port, Patience { repeat_ms: 0, repeats: 2 }, 0x5555_0000);
    host.begin(&[7; 600]).expect("the device takes inputs");
    assert_eq!(host.run().expect("the device runs").steps, 2);

    // To a host whose device is gone.
    let mut port = Port::default();
    port.to_host.extend(bytes);
    let mut host = Host::new(port, Patience { repeat_ms: 0, repeats: 2 }, 0);
    assert!(!matches!(host.memory(), Err(HostError::Line(_))));
});
