//! LayerNorm and RMSNorm: γ and β to multipliers and offsets.

use float::math;
use quant::Op;
use quant::arith::MAX_SHIFT;
use quant::ops::{Act, Channels, LayerNorm, RmsNorm};

use super::lowering::Lowering;
use crate::error::ConvertError;
use crate::graph::{Node, TensorId, Width};

/// Smallest shift that LayerNorm admits.
const MIN_SHIFT: u8 = 33;
/// Largest offset that LayerNorm admits.
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
        let constants = constants(&name, gamma, beta, self.scale(out))?;
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

/// `out = (floor(z·m / 2³²) + offset) >> (e − 32)` with `z` of scale `√C / 2³¹`.
fn constants(name: &str, gamma: &[f64], beta: &[f64], out_scale: f64) -> Result<Constants, ConvertError> {
    let unit = (gamma.len() as f64).sqrt() / math::power_of_two(31);
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
