//! `inspect`: what a container holds and what it needs.

use std::path::PathBuf;

use boards::{BOARDS, Board};
use facts::{ChangeKind, Facts};
use report::read_facts;
use shiftformer::Model;

use crate::describe::{BoardRow, Description, InputRow, OutputRow, describe};
use crate::failure::Failure;
use crate::output::{bytes, emit, shape};

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
    /// Say only whether the container fits this board beside firmware and stack, and what is left
    /// there; fail where it does not fit.
    #[arg(long, value_name = "BOARD", value_parser = board)]
    board: Option<&'static Board>,
    /// List every instruction, too. JSON has them in any case.
    #[arg(long, conflicts_with = "board")]
    ops: bool,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer inspect model.shf
  shiftformer inspect model.shf --ops
  shiftformer inspect model.shf --board nucleo-h743zi
  shiftformer inspect model.shf --json | jq .arena_bytes
  shiftformer inspect model.shf --json | jq .conversion.comparisons";

fn board(name: &str) -> Result<&'static Board, String> {
    Board::by_name(name).ok_or_else(|| {
        let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        format!("there is no board of this name; there are: {}", known.join(", "))
    })
}

/// Describes the container.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let file = Model::open(&args.model)?;
    let mut description = describe(&file)?;
    if let Some(asked) = args.board {
        description.boards.retain(|board| board.name == asked.name);
    }
    match read_facts(&args.model, &description.identity) {
        Ok(facts) => description.conversion = facts,
        Err(error) => eprintln!("note: {error}"),
    }
    emit(json, &description, |d| match args.board {
        Some(_) => d.boards.iter().map(|board| sentence(file.name(), board)).collect(),
        None => text(d, args.ops),
    })?;
    if let (Some(_), Some(board)) = (args.board, description.boards.iter().find(|board| !board.fits)) {
        return Err(too_large(board));
    }
    if description.identity_verified {
        return Ok(());
    }
    let message = format!("{}: the stored identity is not that of the content", file.name());
    Err(Failure::new(message).help("the file was altered after its conversion: convert the model again"))
}

/// Whether the container called `name` fits `board`, and by how much.
fn sentence(name: &str, board: &BoardRow) -> String {
    let fits = if board.fits { "fits" } else { "does not fit" };
    format!("{name} {fits} {}: {}", board.name, room(board))
}

/// What is left or missing on `board`.
fn room(board: &BoardRow) -> String {
    let left = |left: i64| match left {
        0.. => format!("{} left", bytes(left as u64)),
        _ => format!("{} missing", bytes(left.unsigned_abs())),
    };
    format!("flash {}, RAM {}", left(board.flash_left), left(board.ram_left))
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

fn text(d: &Description, ops: bool) -> String {
    let mut lines = summary(d, ops);
    lines.extend(d.inputs.iter().map(input));
    lines.extend(d.outputs.iter().map(output));
    lines.extend(labels(&d.labels));
    lines.extend(boards(&d.boards));
    lines.extend(d.conversion.iter().flat_map(conversion));
    if ops {
        lines.push(String::new());
        lines.extend(instructions(d));
    }
    lines.join("\n")
}

fn summary(d: &Description, ops: bool) -> Vec<String> {
    let verified = match d.identity_verified {
        true => "equals the hash of the content",
        false => "NOT the hash of the content",
    };
    let (flash, arena) = (bytes(d.flash_bytes), bytes(d.arena_bytes));
    let constants = d.constant_bytes.saturating_sub(d.weight_bytes);
    let listed = if ops { "below" } else { "--ops lists them" };
    vec![
        format!("container    {}", d.file),
        format!("identity     {} ({verified})", d.identity),
        format!(
            "flash        {} bytes ({flash}), of which weights {}, other constants {constants}",
            d.flash_bytes, d.weight_bytes
        ),
        format!("arena        {} bytes ({arena}), the working memory of a run", d.arena_bytes),
        format!("MACs         {} for one image", d.macs),
        format!("instructions {} ({listed})", d.instructions),
        format!(
            "types        activations {}, weights {} in {}",
            d.activation_types.join(" "),
            d.weight_types.join(" "),
            d.packs.join(", ")
        ),
        format!("ops          {}", d.op_kinds.join(",")),
    ]
}

fn input(input: &InputRow) -> String {
    let fit = input.fit.as_ref().map(|fit| format!(", other sizes: {fit}")).unwrap_or_default();
    let normal = match input.mean.as_slice() {
        [] => String::new(),
        mean => format!(", mean {mean:?}, std {:?}", input.std),
    };
    format!("input        {}: {} {}{normal}{fit}", input.name, input.dtype, shape(&input.shape))
}

fn output(output: &OutputRow) -> String {
    let dims = shape(&output.shape);
    let ending =
        output.ending.map(|ending| format!("; the model's {} is left out", ending.replace('_', " ")));
    format!(
        "output       {}: {} {} {dims}, scale {}{}",
        output.name,
        output.kind,
        output.dtype,
        output.scale,
        ending.unwrap_or_default()
    )
}

/// The first names of classes.
fn labels(labels: &[String]) -> Option<String> {
    const SHOWN: usize = 5;
    let named: Vec<&str> = labels.iter().map(String::as_str).filter(|label| !label.is_empty()).collect();
    let more = named.len().checked_sub(SHOWN).filter(|&more| more > 0);
    let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
    let first = named[..named.len().min(SHOWN)].join(", ");
    (!named.is_empty()).then(|| format!("labels       {first}{more}"))
}

/// The boards that people own one by one, emulated ones on a line of their own.
fn boards(all: &[BoardRow]) -> Vec<String> {
    let (emulated, owned): (Vec<&BoardRow>, Vec<&BoardRow>) = all.iter().partition(|board| board.emulated);
    let fitting = owned.iter().filter(|board| board.fits).count();
    let mut lines = vec![format!("fits         {fitting} of {} boards", owned.len())];
    for board in owned {
        let fits = if board.fits { "fits" } else { "does not fit" };
        lines.push(format!("  {:<18} {fits:<12} {}", board.name, room(board)));
    }
    let names = |fits: bool| {
        let names: Vec<&str> =
            emulated.iter().filter(|board| board.fits == fits).map(|board| board.name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    lines.push(format!("emulated     fits: {}; does not fit: {}", names(true), names(false)));
    lines
}

fn conversion(facts: &Facts) -> Vec<String> {
    let mut lines =
        vec![format!("converted    from {} with {} images", facts.model, facts.calibration_images)];
    for c in &facts.comparisons {
        let answer = c.agreement.map_or(String::new(), |a| format!(", same answer on {a:.2} %"));
        lines.push(format!("compared     on {} {}: cosine {:.5}{answer}", c.images, c.data, c.cosine));
    }
    lines.extend(report::disagreement(facts).map(|words| format!("warning      {words}")));
    for change in &facts.changes {
        let kind = match change.kind {
            ChangeKind::Escalated => "escalated",
            ChangeKind::Withheld => "withheld",
            ChangeKind::LeftOut => "left out",
            ChangeKind::Folded | ChangeKind::Equalized | ChangeKind::Corrected | ChangeKind::Overridden => {
                continue;
            }
        };
        lines.push(format!("{kind:<12} {}: {}, {}", change.layer, change.what, change.why));
    }
    lines
}

/// The table of instructions. They are numbered as in the container, where the record of a tile
/// group has a number, too.
fn instructions(d: &Description) -> Vec<String> {
    let mut lines = vec![format!(
        "{:>5}  {:<34} {:<15} {:<6} {:<16} {:>13} {:>10}",
        "#", "name", "op", "bits", "output", "MACs", "weights"
    )];
    for op in &d.ops {
        for group in d.tile_groups.iter().filter(|group| group.first == op.index) {
            let tile = format!("{} of {} rows at a time", group.tile, group.rows);
            lines.push(format!("{:>5}  {} to {}: {tile}", group.first - 1, group.first, group.last));
        }
        let output = format!("{} {}", op.dtype, shape(&op.shape));
        let bits = op.bits.as_deref().unwrap_or_default();
        lines.push(format!(
            "{:>5}  {:<34} {:<15} {:<6} {:<16} {:>13} {:>10}",
            op.index, op.name, op.op, bits, output, op.macs, op.weight_bytes
        ));
    }
    lines
}
