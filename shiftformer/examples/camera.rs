//! A camera loop: while one frame runs, the next one is written where the engine reads it.
//! `cargo run --example camera -- model.shf`.

use std::error::Error;

use shiftformer::{Model, Observe, Session, Ticket};

/// Where frames come from: fills its argument, or says that there are no more.
pub type Camera<'c> = dyn FnMut(&mut [u8]) -> bool + 'c;

/// Gives the class of every frame of `camera` to `show`, one frame late.
pub fn watch(
    session: &mut Session,
    camera: &mut Camera<'_>,
    show: &mut dyn FnMut(u32),
) -> Result<(), Box<dyn Error>> {
    let mut flying: Option<Ticket> = None;
    loop {
        let engine = session.engine();
        let more = camera(engine.input(0));
        let next = if more { Some(engine.submit(1, Observe::Nothing)?) } else { None };
        if let Some(ticket) = flying {
            engine.wait(&ticket)?;
            let outputs = session.outputs(&ticket, 0).ok_or("the frame was lost")?;
            show(outputs.logits().and_then(|logits| logits.best()).ok_or("the model is no classifier")?);
        }
        if !more {
            return Ok(());
        }
        flying = next;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: camera MODEL.shf")?;
    let mut session = Model::open(path)?.session()?;
    let mut brightness = 0..=255;
    let mut camera = |frame: &mut [u8]| brightness.next().map(|grey| frame.fill(grey)).is_some();
    watch(&mut session, &mut camera, &mut |class| println!("class {class}"))
}
