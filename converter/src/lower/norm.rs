//! LayerNorm, RMSNorm, GroupNorm and ResponseNorm: γ and β to multipliers and offsets.

use float::math;
use quant::Op;
use quant::arith::MAX_SHIFT;
use quant::ops::{Act, Channels, GroupNorm, LayerNorm, ResponseNorm, RmsNorm, root_bits};

use super::lowering::Lowering;
use crate::error::ConvertError;
use crate::graph::{Node, TensorId, Width};

/// Smallest shift that the norms admit.
const MIN_SHIFT: u8 = 33;
/// Largest offset that the norms admit.
const MAX_OFFSET: f64 = (1u32 << 30) as f64;

impl Lowering<'_> {
    pub(super) fn layer_norm(&mut self, node: &Node) -> Result<(), ConvertError> {
        let Node::LayerNorm { x, out, gamma, beta, eps, centred } = node else { return Ok(()) };
        let (x, out) = (*x, *out);
        let name = self.name(out);
        // Usually one group to a row.
        let (width, scale) = (gamma.len() as u32, self.scale(x));
        let groups = self.graph.tensors[x].width / width;
        let Act::I16(slot) = self.read(x, out)? else { return Err(self.width_error(x, "int16")) };
        let unit = f64::from(width).sqrt() / math::power_of_two(31);
        let constants = constants(&name, (gamma, beta), unit, self.scale(out))?;
        let op = LayerNorm {
            rows: self.rows(out) * groups,
            width,
            eps: (f64::from(width) * eps / (scale * scale)).round().min((1u64 << 48) as f64) as u64,
            x: slot,
            scale: Channels {
                mantissa: self.draft.blobs.push(&constants.mantissa),
                shift: self.draft.blobs.push(&constants.shift),
            },
            offset: self.draft.blobs.push(&constants.offset),
            out: self.norm_output(out)?,
        };
        self.draft.push(name, if *centred { Op::LayerNorm(op) } else { Op::RmsNorm(RmsNorm(op)) });
        Ok(())
    }

    pub(super) fn group_norm(&mut self, node: &Node) -> Result<(), ConvertError> {
        let Node::GroupNorm { x, out, groups, gamma, beta, eps } = node else { return Ok(()) };
        let (x, out, scale) = (*x, *out, self.scale(*x));
        let name = self.name(out);
        let (rows, width) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        let count = f64::from(rows) * f64::from(width / groups);
        let unit = count.sqrt() / math::power_of_two(30);
        let constants = constants(&name, (gamma, beta), unit, self.scale(out))?;
        let op = GroupNorm {
            rows,
            width,
            groups: *groups,
            eps: (count * eps / (scale * scale)).round().min(math::power_of_two(60)) as u64,
            x: self.i16(x)?,
            scale: Channels {
                mantissa: self.draft.blobs.push(&constants.mantissa),
                shift: self.draft.blobs.push(&constants.shift),
            },
            offset: self.draft.blobs.push(&constants.offset),
            out: self.norm_output(out)?,
        };
        self.draft.push(name, Op::GroupNorm(op));
        Ok(())
    }

    pub(super) fn response_norm(&mut self, x: TensorId, out: TensorId, eps: f64) -> Result<(), ConvertError> {
        let (name, scale) = (self.name(out), self.scale(x));
        let tensor = &self.graph.tensors[x];
        let (rows, width) = (tensor.rows, tensor.width);
        let up = root_bits(rows, tensor.bits == Width::I16);
        let length = scale / math::power_of_two(up as i32);
        let ratio = f64::from(width) / self.scale(out);
        if !(1.0..=math::power_of_two(30)).contains(&ratio) {
            return Err(ConvertError::Ratio { name, ratio });
        }
        let op = ResponseNorm {
            rows,
            width,
            eps: (f64::from(width) * eps / length).round().min(math::power_of_two(62)) as u64,
            unit: ratio.round() as u32,
            x: self.act(x)?,
            lengths: self.draft.region::<u32>(width.into())?.slot(),
            out: self.i16(out)?,
        };
        self.draft.push(name, Op::ResponseNorm(op));
        Ok(())
    }

    fn norm_output(&mut self, out: TensorId) -> Result<Act, ConvertError> {
        if let Width::I32 | Width::Sign | Width::Ternary = self.graph.tensors[out].bits {
            return Err(self.width_error(out, "int8 or int16"));
        }
        self.act(out)
    }
}

struct Constants {
    mantissa: Vec<i32>,
    shift: Vec<u8>,
    offset: Vec<i32>,
}

/// `out = (floor(z·m / 2³²) + offset) >> (e − 32)` with `z` of scale `unit`.
fn constants(
    name: &str,
    (gamma, beta): (&[f64], &[f64]),
    unit: f64,
    out_scale: f64,
) -> Result<Constants, ConvertError> {
    let mut constants = Constants { mantissa: Vec::new(), shift: Vec::new(), offset: Vec::new() };
    for (&g, &b) in gamma.iter().zip(beta) {
        let ratio = g * unit / out_scale;
        let exact = super::scales::multiplier(name, ratio)?;
        let (mut mantissa, mut shift) = (exact.mantissa, exact.shift);
        if mantissa == 0 {
            shift = MAX_SHIFT;
        }
        let offset = |shift: u8| (b / out_scale + 0.5) * math::power_of_two(i32::from(shift) - 32);
        // A β that is large beside γ leaves fewer bits to the multiplier.
        while shift > MIN_SHIFT && offset(shift).abs() > MAX_OFFSET {
            shift -= 1;
            mantissa = (ratio * math::power_of_two(shift.into())).round() as i32;
        }
        if shift < MIN_SHIFT || offset(shift).abs() > MAX_OFFSET {
            return Err(ConvertError::Ratio { name: name.to_owned(), ratio });
        }
        constants.mantissa.push(mantissa);
        constants.shift.push(shift);
        constants.offset.push(offset(shift).round() as i32);
    }
    Ok(constants)
}
