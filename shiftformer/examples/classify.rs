//! Classifies one picture: `cargo run --example classify -- model.shf gray.bin 28 28 1`.

use std::error::Error;

use shiftformer::{Model, Picture};

/// The best class of `picture` by the container at `model`, and its share in percent.
pub fn classify(model: &str, picture: &Picture<'_>) -> Result<(u32, f32), Box<dyn Error>> {
    let model = Model::open(model)?;
    let mut session = model.session()?;
    let frame = model.frame(picture)?;
    let outputs = session.run(&frame)?;
    let logits = outputs.logits().ok_or("the model is no classifier")?;
    let labels: [&str; 0] = [];
    let best = logits.top_k(1, &labels).pop().ok_or("the model has no classes")?;
    Ok((best.class, 100.0 * best.probability))
}

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: classify MODEL.shf PIXELS HEIGHT WIDTH CHANNELS";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, pixels, height, width, channels] = arguments.as_slice() else { return Err(usage.into()) };
    let pixels = std::fs::read(pixels)?;
    let (height, width, channels) = (height.parse()?, width.parse()?, channels.parse()?);
    let (class, share) = classify(model, &Picture { pixels: &pixels, height, width, channels })?;
    println!("class {class} ({share:.2} %)");
    Ok(())
}
