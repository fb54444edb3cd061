//! `inspect`: what a container holds and what it needs.

use std::path::PathBuf;

use converter::facts::ChangeKind;
use converter::report::read_facts;
use shiftformer::ModelFile;

use crate::describe::{BoardRow, Description, describe};
use crate::failure::Failure;
use crate::output::{bytes, emit};

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
    /// Fail unless the container fits this board, and show only what is left there.
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  shiftformer inspect model.shf
  shiftformer inspect model.shf --board nucleo-h743zi
  shiftformer inspect model.shf --json | jq .arena_bytes
  shiftformer inspect model.shf --json | jq '.conversion.fidelity | min_by(.snr_db)'";

/// Describes the container.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let file = ModelFile::open(&args.model)?;
    let mut description = describe(&file)?;
    if let Some(name) = &args.board {
        let known = description.boards.iter().map(|board| board.name).collect::<Vec<_>>().join(", ");
        description.boards.retain(|board| board.name == name);
        if description.boards.is_empty() {
            return Err(
                Failure::new(format!("there is no board `{name}`")).help(format!("the boards are {known}"))
            );
        }
    }
    match read_facts(&args.model, &description.identity) {
        Ok(facts) => description.conversion = facts,
        Err(error) => eprintln!("note: {error}"),
    }
    emit(json, &description, text)?;
    if let (Some(_), Some(board)) = (&args.board, description.boards.iter().find(|board| !board.fits)) {
        return Err(too_large(board));
    }
    if description.identity_verified {
        return Ok(());
    }
    let message = format!("{}: the stored identity is not that of the content", file.name());
    Err(Failure::new(message).help("the file was altered after its conversion: convert the model again"))
}

fn too_large(board: &BoardRow) -> Failure {
    let missing = |what: &str, left: i64| match left {
        0.. => String::new(),
        _ => format!(" {} more of {what} needed", bytes(left.unsigned_abs())),
    };
    let message = format!(
        "the container does not fit {}:{}{}",
        board.name,
        missing("flash", board.flash_left),
        missing("RAM", board.ram_left)
    );
    Failure::new(message).help("inspect without --board lists the boards that it fits")
}

fn text(d: &Description) -> String {
    let mut lines = vec![format!(
        "{:>5}  {:<34} {:<15} {:<6} {:<16} {:>13} {:>10}",
        "#", "name", "op", "bits", "output", "MACs", "weights"
    )];
    for op in &d.ops {
        let output = format!("{} {}", op.dtype, shape(&op.shape));
        let bits = op.bits.as_deref().unwrap_or_default();
        lines.push(format!(
            "{:>5}  {:<34} {:<15} {:<6} {:<16} {:>13} {:>10}",
            op.index, op.name, op.op, bits, output, op.macs, op.weight_bytes
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
    lines.push(format!("ops          {}", d.op_kinds.join(",")));
    lines.push(format!("weights in   {}", d.packs.join(", ")));
    lines.push(format!("MACs         {}", d.macs));
    lines.push(format!("flash        {} bytes ({})", d.flash_bytes, bytes(d.flash_bytes)));
    lines.push(format!("  constants  {} bytes, of which weights {} bytes", d.constant_bytes, d.weight_bytes));
    lines.push(format!("arena        {} bytes ({})", d.arena_bytes, bytes(d.arena_bytes)));
    for board in &d.boards {
        let left = |left: i64| match left {
            0.. => format!("{} left", bytes(left as u64)),
            _ => format!("{} missing", bytes(left.unsigned_abs())),
        };
        let (flash, ram) = (left(board.flash_left), left(board.ram_left));
        let fits = if board.fits { "fits" } else { "does not fit" };
        lines.push(format!("board        {:<18} {fits:<12} flash {flash}, RAM {ram}", board.name));
    }
    if let Some(facts) = &d.conversion {
        lines.push(format!("converted    from {} with {} images", facts.model, facts.calibration_images));
        for c in &facts.comparisons {
            let answer = c.agreement.map_or(String::new(), |a| format!(", same answer on {a:.2} %"));
            lines.push(format!("compared     on {} {}: cosine {:.5}{answer}", c.images, c.data, c.cosine));
        }
        for change in facts.changes.iter().filter(|c| c.kind == ChangeKind::Escalated) {
            lines.push(format!("escalated    {}: {}, {}", change.layer, change.what, change.why));
        }
    }
    let verified =
        if d.identity_verified { "equals the hash of the content" } else { "NOT the hash of the content" };
    lines.push(format!("identity     {} ({verified})", d.identity));
    lines.join("\n")
}

fn shape(shape: &[u32]) -> String {
    shape.iter().map(u32::to_string).collect::<Vec<_>>().join("×")
}
