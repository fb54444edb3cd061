//! Classifies many frames at once, spread over all cores: `cargo run --example batch -- model.shf`.

use std::error::Error;

use shiftformer::Model;

/// The class of every frame.
pub fn classes(model: &Model, frames: &[Vec<u8>]) -> Result<Vec<u32>, Box<dyn Error>> {
    let mut session = model.session()?;
    let batch = session.run_batch(frames)?;
    let class = batch.iter().map(|outputs| outputs.logits()?.best());
    class.collect::<Option<_>>().ok_or_else(|| "the model is no classifier".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: batch MODEL.shf")?;
    let model = Model::open(path)?;
    let frames: Vec<Vec<u8>> = (0..64u8).map(|grey| vec![4 * grey; model.frame_len()]).collect();
    println!("{:?}", classes(&model, &frames)?);
    Ok(())
}
