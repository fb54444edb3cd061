//! Changes ONNX models node by node for a number of seconds, and counts what becomes of them:
//! `cargo run --release -p shiftformer-tests --example onnx_nodes SECONDS [SEED]`.

use std::collections::BTreeMap;
use std::env::args;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use shiftformer_tests::onnx_nodes::{Outcome, check};
use shiftformer_tests::source::Source;

fn main() {
    if let Some(list) = args().nth(3) {
        let bytes: Vec<u8> = list.split(',').filter_map(|b| b.trim().parse().ok()).collect();
        println!("{:?}", check(&bytes));
        return;
    }
    let number =
        |at: usize, default: u64| args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let end = Instant::now() + Duration::from_secs(number(1, 60));
    let mut source = Source::new(number(2, 1));
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    while Instant::now() < end {
        let len = 1 + 4 * (1 + source.below(5));
        let bytes: Vec<u8> = (0..len).map(|_| source.bits() as u8).collect();
        let outcome = match catch_unwind(|| check(&bytes)) {
            Ok(Ok(Outcome::Refused(_))) => "Refused".into(),
            Ok(Ok(outcome)) => format!("{outcome:?}"),
            Ok(Err(wrong)) => {
                println!("{bytes:?}: {wrong}\n");
                "WRONG".into()
            }
            Err(_) => {
                println!("{bytes:?}: a panic\n");
                "PANIC".into()
            }
        };
        *counts.entry(outcome).or_default() += 1;
    }
    println!("{counts:?}");
}
