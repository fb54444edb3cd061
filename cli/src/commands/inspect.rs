//! `inspect`: what a container holds and what it needs.

use std::path::PathBuf;

use shiftformer::ModelFile;

use crate::describe::{Description, describe};
use crate::failure::Failure;
use crate::output::{bytes, emit};

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  shiftformer inspect model.shf
  shiftformer inspect model.shf --json | jq .arena_bytes";

/// Describes the container.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let file = ModelFile::open(&args.model)?;
    let description = describe(&file)?;
    emit(json, &description, text)?;
    if description.identity_verified {
        return Ok(());
    }
    let message = format!("{}: the stored identity is not that of the content", file.name());
    Err(Failure::new(message).help("the file was altered after its conversion: convert the model again"))
}

fn text(d: &Description) -> String {
    let mut lines = vec![format!(
        "{:>5}  {:<34} {:<14} {:<16} {:>13} {:>10}",
        "#", "name", "op", "output", "MACs", "weights"
    )];
    for op in &d.ops {
        let output = format!("{} {}", op.dtype, shape(&op.shape));
        lines.push(format!(
            "{:>5}  {:<34} {:<14} {:<16} {:>13} {:>10}",
            op.index, op.name, op.op, output, op.macs, op.weight_bytes
        ));
    }
    for group in &d.tile_groups {
        let tile = format!("{} of {} rows", group.tile, group.rows);
        lines.push(format!("tiled        instructions {} to {}, {tile} at a time", group.first, group.last));
    }
    for input in &d.inputs {
        let fit = input.fit.as_ref().map(|fit| format!(", other sizes: {fit}")).unwrap_or_default();
        let normal = match input.mean.as_slice() {
            [] => String::new(),
            mean => format!(", mean {mean:?}, std {:?}", input.std),
        };
        lines.push(format!(
            "input        {}: {} {}{normal}{fit}",
            input.name,
            input.dtype,
            shape(&input.shape)
        ));
    }
    for output in &d.outputs {
        let dims = shape(&output.shape);
        lines.push(format!(
            "output       {}: {} {} {dims}, scale {}",
            output.name, output.kind, output.dtype, output.scale
        ));
    }
    lines.push(format!(
        "types        activations {}, weights {}",
        d.activation_types.join(" "),
        d.weight_types.join(" ")
    ));
    lines.push(format!("weights in   {}", d.packs.join(", ")));
    lines.push(format!("MACs         {}", d.macs));
    lines.push(format!("flash        {} bytes ({})", d.flash_bytes, bytes(d.flash_bytes)));
    lines.push(format!("  constants  {} bytes, of which weights {} bytes", d.constant_bytes, d.weight_bytes));
    lines.push(format!("arena        {} bytes ({})", d.arena_bytes, bytes(d.arena_bytes)));
    let verified =
        if d.identity_verified { "equals the hash of the content" } else { "NOT the hash of the content" };
    lines.push(format!("identity     {} ({verified})", d.identity));
    lines.join("\n")
}

fn shape(shape: &[u32]) -> String {
    shape.iter().map(u32::to_string).collect::<Vec<_>>().join("×")
}
