//! Several devices at once: emulators behind pseudoterminals, which stand for serial ports.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use converter::BuildOptions;
use serialport::{SerialPort, TTYPort};
use shiftformer::Model;
use shiftformer::device::link::Line;
use shiftformer::device::{EmulatedBoard, PipeLine, Serial};
use shiftformer_tests::data;

use super::{board, firmware, model, outputs, reference};

/// A board at a serial port of its own.
struct Plugged {
    /// Keeps the port open.
    _port: TTYPort,
    name: String,
    stop: Arc<AtomicBool>,
    cable: Option<JoinHandle<()>>,
}

impl Plugged {
    fn new(board: &EmulatedBoard, model: &Model) -> Self {
        let packed = model.repacked(board.packs).unwrap();
        let line = board.start(&firmware(board), packed.bytes()).unwrap();
        let (host, port) = TTYPort::pair().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let cable = thread::spawn(move || carry(host, line, &stopped));
        Self { name: port.name().unwrap(), _port: port, stop, cable: Some(cable) }
    }

    /// Ends the board, and leaves its port.
    fn unplug(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.cable.take().map(JoinHandle::join).transpose().unwrap();
    }
}

/// Carries bytes both ways until `stopped`.
fn carry(mut host: TTYPort, mut line: PipeLine, stopped: &AtomicBool) {
    host.set_timeout(Duration::from_millis(1)).unwrap();
    let mut bytes = [0; 1024];
    while !stopped.load(Ordering::Relaxed) {
        match host.read(&mut bytes) {
            Ok(count) => line.send(&bytes[..count]).unwrap(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
        }
        let count = line.receive(&mut bytes, 1).unwrap();
        host.write_all(&bytes[..count]).unwrap();
    }
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn a_shelf_of_different_boards_shares_the_images() {
    let model = model(&data::qat(BuildOptions::default()));
    let mut shelf = ["mps2-an386", "mps3-an547", "mps2-an386"].map(|name| Plugged::new(board(name), &model));
    let backend = Serial::several(shelf.iter().map(|plugged| plugged.name.as_str()));
    let mut session = model.session_on(&backend).unwrap();
    assert_eq!(session.backend(), shelf.each_ref().map(|p| format!("serial:{}", p.name)).join(","));
    assert_eq!(session.board(), Some("mps2-an386, mps3-an547"));
    let (frames, mut desk) = (data::frames(&data::test_images(), 12), reference(&model));
    let batch = session.run_batch(&frames).unwrap();
    for (found, frame) in batch.iter().zip(&frames) {
        assert_eq!(found.values(0).unwrap(), outputs(&mut desk, frame).unwrap()[0]);
    }
    shelf[1].unplug();
    let error = session.run_batch(&frames).unwrap_err().to_string();
    assert!(error.starts_with("device number 2: "), "{error}");
    drop(session);
    let error = model.session_on(&backend).unwrap_err();
    assert!(error.to_string().starts_with(&format!("serial:{}: ", shelf[1].name)), "{error}");
    assert!(error.hint().contains("powered"), "{}", error.hint());
    shelf.iter_mut().for_each(Plugged::unplug);
}
