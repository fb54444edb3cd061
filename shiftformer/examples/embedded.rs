//! A model inside the program: no file at run time, and no copy of it.
//! `cargo run --example embedded`.

use std::error::Error;

use shiftformer::Model;

/// Containers start at a multiple of 4 at least.
#[repr(align(16))]
struct Aligned<const N: usize>([u8; N]);

static CONTAINER: &Aligned<{ include_bytes!("../../data/vit_fmnist.shf").len() }> =
    &Aligned(*include_bytes!("../../data/vit_fmnist.shf"));

/// The model that the program holds.
pub fn model() -> Result<Model, Box<dyn Error>> {
    Ok(Model::from_static("vit_fmnist", &CONTAINER.0)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let model = model()?;
    let mut session = model.session()?;
    let outputs = session.run(&vec![0; model.frame_len()])?;
    println!("{:?}", outputs.logits().map(|logits| logits.values()));
    Ok(())
}
