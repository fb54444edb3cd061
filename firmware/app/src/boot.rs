//! What happens once: the model is found and checked, and the outcome told.

use embedded_io::Write;
use link::ModelState;
use runtime::{Model, container_in};

use crate::log::{error, info, warn};

/// Finds and checks the model.
pub(crate) fn open(flash: &[u8], arena_size: u32) -> (Option<Model<'_>>, ModelState<'static>) {
    let Some(bytes) = container_in(flash) else { return (None, ModelState::Absent) };
    let model = match Model::new(bytes) {
        Ok(model) => model,
        Err(error) => {
            let state = ModelState::Refused { reason: error.message(), instruction: error.instruction() };
            return (None, state);
        }
    };
    let needed = model.arena_len() as u32;
    if needed > arena_size {
        return (None, ModelState::DoesNotFit { needed });
    }
    let state = ModelState::Ready {
        identity: *model.identity(),
        input: model.inputs().fold(0u64, |sum, input| sum.saturating_add(input.slot.bytes())) as u32,
        arena: needed,
        instructions: model.header().instructions,
        outputs: model.header().outputs,
    };
    (Some(model), state)
}

/// Logs what was found.
pub(crate) fn report(board: &str, kernels: &str, hz: u32, arena: u32, state: &ModelState<'_>) {
    info!("{=str}: {=str} kernels, clock of {=u32} Hz, arena of {=u32} bytes", board, kernels, hz, arena);
    match *state {
        ModelState::Ready { input, arena, instructions, outputs, .. } => info!(
            "model ready: {=u32} instructions, {=u32} bytes of inputs, {=u16} outputs, arena {=u32}",
            instructions, input, outputs, arena
        ),
        ModelState::Absent => warn!("no model in flash"),
        ModelState::Refused { reason, instruction: None } => error!("model refused: {=str}", reason),
        ModelState::Refused { reason, instruction: Some(instruction) } => {
            error!("model refused: {=str}, instruction {=u32}", reason, instruction);
        }
        ModelState::DoesNotFit { needed } => error!("model refused: it needs arena {=u32}", needed),
    }
}

/// Says what was found, as text between frames: for a person at a terminal.
pub(crate) fn greet<P: Write>(
    port: &mut P,
    board: &str,
    state: &ModelState<'_>,
    arena: u32,
) -> Result<(), P::Error> {
    text(port, "\r\nshiftformer on ")?;
    text(port, board)?;
    match *state {
        ModelState::Ready { arena: needed, instructions, .. } => {
            text(port, ": model ready, instructions ")?;
            number(port, instructions)?;
            text(port, ", arena ")?;
            number(port, needed)?;
        }
        ModelState::Absent => text(port, ": no model in flash, arena 0")?,
        ModelState::Refused { reason, instruction } => {
            text(port, ": model refused: ")?;
            text(port, reason)?;
            if let Some(instruction) = instruction {
                text(port, ", instruction ")?;
                number(port, instruction)?;
            }
            text(port, ", arena 0")?;
        }
        ModelState::DoesNotFit { needed } => {
            text(port, ": model refused: it needs arena ")?;
            number(port, needed)?;
        }
    }
    text(port, " of ")?;
    number(port, arena)?;
    text(port, " bytes\r\n")?;
    port.flush()
}

#[inline(never)]
fn text<P: Write>(port: &mut P, text: &str) -> Result<(), P::Error> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let written = port.write(rest)?;
        rest = rest.get(written..).unwrap_or(&[]);
    }
    Ok(())
}

/// `value` in decimal. `core::fmt` would bring several KiB.
fn number<P: Write>(port: &mut P, value: u32) -> Result<(), P::Error> {
    let mut digits = [b'0'; 10];
    let (mut rest, mut count) = (value, 0usize);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    let start = digits.len().saturating_sub(count);
    let digits = digits.get(start..).and_then(|digits| core::str::from_utf8(digits).ok());
    text(port, digits.unwrap_or("?"))
}
