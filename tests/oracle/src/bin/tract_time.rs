//! Times tract on an ONNX model, for `cargo xtask bench-peers`.
//!
//! ```text
//! tract_time MODEL.onnx THREADS BATCH CHANNELS HEIGHT WIDTH
//! ```
//!
//! It says `ready`. Then, for every batch of normalized floats that it reads, little-endian and
//! channels first, it writes a line: the nanoseconds that the batch took.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, sizes @ ..] = arguments.as_slice() else { return Err("there is no model".into()) };
    let sizes = sizes.iter().map(|size| size.parse()).collect::<Result<Vec<usize>, _>>()?;
    let &[threads, batch, channels, height, width] = sizes.as_slice() else {
        return Err("the sizes are THREADS BATCH CHANNELS HEIGHT WIDTH".into());
    };
    if threads > 1 {
        set_default_executor(Executor::multithread(threads));
    }
    let shape = [batch, channels, height, width];
    let fact = InferenceFact::dt_shape(f32::datum_type(), shape);
    let model = onnx().model_for_path(path)?.with_input_fact(0, fact)?.into_optimized()?.into_runnable()?;
    let mut output = io::stdout().lock();
    writeln!(output, "ready")?;
    output.flush()?;
    let mut bytes = vec![0; size_of::<f32>() * shape.iter().product::<usize>()];
    while next(&mut bytes)? {
        let values =
            bytes.chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap_or_default()));
        let frames = tract_ndarray::Array4::from_shape_vec(shape, values.collect())?;
        let frames = tvec!(Tensor::from(frames).into());
        let begin = Instant::now();
        model.run(frames)?;
        writeln!(output, "{}", begin.elapsed().as_nanos())?;
        output.flush()?;
    }
    Ok(())
}

/// Fills `bytes` from the input; false at its end.
fn next(bytes: &mut [u8]) -> io::Result<bool> {
    match io::stdin().lock().read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
