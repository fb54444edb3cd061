//! Norms over pixels: of groups of channels, of single ones, and by the lengths of channels.

use float::Node;

use super::importer::{Importer, Result};
use super::op::{Domain, Handler, OnnxOp};
use super::store::Order;
use super::view::{Dim, View, coalesce, length, split};
use crate::model::Array;
use crate::reader::Ignored;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new(
        "GroupNormalization",
        Handler::View(|i| i.group_normalization()),
        "constant scale and bias, of each channel, or before opset 21 of each group",
    )
    .ignoring(&[Ignored::new("stash_type", "all floats are computed in 32 bits")]),
    OnnxOp::new(
        "InstanceNormalization",
        Handler::View(|i| i.instance_normalization()),
        "constant scale and bias",
    ),
    OnnxOp::new(
        "ResponseNormalization",
        Handler::View(|i| i.response_normalization()),
        "lengths of channels over all other axes, divided by their mean (ConvNeXt V2), from its steps",
    )
    .of(Domain::Joined),
];

impl Importer<'_> {
    /// `GroupNormalization`: over all pixels of some consecutive channels.
    fn group_normalization(&mut self) -> Result<View> {
        let x = self.view_with_channels()?;
        let channels = x.len(1);
        let groups = usize::try_from(self.node.int("num_groups", 0)).ok();
        let Some(groups) = groups.filter(|&groups| groups > 0 && channels.is_multiple_of(groups)) else {
            return Err(self.node.invalid(format!("num_groups is no divisor of its {channels} channels")));
        };
        // Before opset 21 a parameter is one of a group, and is the same in all of its channels.
        let mut shape = vec![1; x.rank()];
        let each = self.model.opset >= 21;
        (shape[0], shape[1]) = (groups, if each { channels / groups } else { 1 });
        let gamma = self.channel_parameters(1, "scale", &shape)?;
        let beta = self.channel_parameters(2, "bias", &shape)?;
        self.name_after(1);
        let mut apart = self.split_channels(&x, [groups, channels / groups])?;
        apart = self.standardised(&apart, 2)?;
        let mut out = self.affine(&apart, Some(&gamma), Some(&beta), 1)?;
        let inner = out.axes.remove(2);
        out.axes[1].extend(inner);
        out.axes[1] = coalesce(&out.axes[1]);
        Ok(out)
    }

    /// `InstanceNormalization`: over all pixels of one channel.
    fn instance_normalization(&mut self) -> Result<View> {
        let x = self.view_with_channels()?;
        let mut shape = vec![1; x.rank() - 1];
        shape[0] = x.len(1);
        let gamma = self.channel_parameters(1, "scale", &shape)?;
        let beta = self.channel_parameters(2, "bias", &shape)?;
        self.name_after(1);
        let out = self.standardised(&x, 2)?;
        self.affine(&out, Some(&gamma), Some(&beta), 1)
    }

    /// The length along some axes, divided by its mean along the only other one.
    fn response_normalization(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let listed = self.node.ints("axes").unwrap_or_default().to_vec();
        let along = listed.iter().map(|&axis| self.axis(axis, view.rank())).collect::<Result<Vec<_>>>()?;
        let channels = self.axis(self.node.int("axis", 1), view.rank())?;
        let other = |axis: &usize| *axis != channels && !along.contains(axis) && view.len(*axis) > 1;
        if along.contains(&channels) || (0..view.rank()).any(|axis| other(&axis)) {
            return Err(self.node.unsupported(
                "lengths are supported over all axes but that of the channels, and their mean over the channels",
            ));
        }
        let eps = self.epsilon_of_length(view.factor)?;
        let mut out = self.pack(&view, &along, &[channels], Order::Stored)?;
        let (x, _, width) = self.size(&out);
        along.iter().for_each(|&axis| out.axes[axis] = Vec::new());
        let tensor = self.emit("", 1, width, |out| Node::ResponseNorm { x, out, eps })?;
        Ok(View::laid_out(tensor, out.axes))
    }

    /// The epsilon beside lengths of a tensor whose product with `factor` is measured.
    fn epsilon_of_length(&self, factor: f32) -> Result<f32> {
        let eps = self.node.float("epsilon", 0.0) / factor.abs();
        match eps.is_finite() && eps >= 0.0 {
            true => Ok(eps),
            false => Err(self.node.invalid("its epsilon is not a positive number, or its input is zero")),
        }
    }

    fn view_with_channels(&self) -> Result<View> {
        let x = self.view(0)?;
        match x.rank() {
            0..=1 => Err(self.node.invalid("its input has no channels")),
            _ => Ok(x),
        }
    }

    /// The constant vector at input `at`, in a shape that broadcasts along the channels.
    fn channel_parameters(&mut self, at: usize, what: &str, shape: &[usize]) -> Result<Array> {
        let array = self.weights(at, what)?;
        array.check_finite(self.node.name)?;
        let wanted: usize = shape.iter().product();
        let reshaped = Some(array.to_f32s()).filter(|values| values.len() == wanted);
        match reshaped {
            Some(values) => Ok(Array { shape: shape.to_vec(), data: values.into() }),
            None => {
                Err(self.node.invalid(format!("its {what} has {} values, expected {wanted}", array.len())))
            }
        }
    }

    /// The view with the channels as two axes.
    fn split_channels(&mut self, x: &View, lens: [usize; 2]) -> Result<View> {
        let cut = |view: &View| {
            let channels = split(&view.axes[1], &lens)?;
            let mut axes = view.axes.clone();
            axes.splice(1..2, channels);
            Some(view.with_axes(axes))
        };
        if let Some(view) = cut(x) {
            return Ok(view);
        }
        let others: Vec<usize> = (0..x.rank()).filter(|&axis| axis != 1).collect();
        let packed = self.pack(x, &others, &[1], Order::Logical)?;
        cut(&packed).ok_or_else(|| self.unknown())
    }

    /// `view` with mean 0 and variance 1 over all axes but the first `lead`, together.
    fn standardised(&mut self, view: &View, lead: usize) -> Result<View> {
        let eps = self.epsilon(self.node.float("epsilon", 1e-5).into(), view.factor)?;
        let groups: usize = (0..lead).map(|axis| view.len(axis)).product();
        let view = self.in_groups(view, lead, groups)?;
        let (x, rows, width) = self.size(&view);
        self.spend(2 * width)?;
        let (gamma, beta) = (vec![view.factor.signum(); width], vec![0.0; width]);
        let out = self.emit("", rows, width, |out| Node::GroupNorm { x, out, groups, gamma, beta, eps })?;
        Ok(View::laid_out(out, view.axes))
    }

    /// The view over a whole tensor, each of the `groups` indices of the first `lead` axes some
    /// consecutive channels of every row.
    fn in_groups(&mut self, view: &View, lead: usize, groups: usize) -> Result<View> {
        if view.dims().iter().all(|dim| dim.stride > 0) {
            let whole = self.whole(view)?;
            let width = self.graph.tensors[whole.tensor].width;
            if groups == 1 || splits_rows(&whole, lead, width) {
                return Ok(whole);
            }
        }
        let (lead, content): (Vec<usize>, Vec<usize>) = (0..view.rank()).partition(|&axis| axis < lead);
        self.pack(view, &content, &lead, Order::Stored)
    }
}

/// Whether every row of `width` elements holds all indices of the first `lead` axes, each of them
/// over the same number of consecutive elements.
fn splits_rows(view: &View, lead: usize, width: usize) -> bool {
    let within = |axes: &[Vec<Dim>]| {
        let mut dims: Vec<Dim> = axes.concat();
        dims.retain(|dim| dim.stride < width);
        dims.sort_by_key(|dim| std::cmp::Reverse(dim.stride));
        coalesce(&dims)
    };
    let (outer, inner) = (within(&view.axes[..lead]), within(&view.axes[lead..]));
    let channels = length(&inner);
    let consecutive = matches!(inner.as_slice(), [] | [Dim { stride: 1, .. }]);
    let apart = matches!(outer.as_slice(), [dim] if dim.stride == channels && dim.len * channels == width);
    let all: usize = view.axes[..lead].iter().map(|axis| length(axis)).product();
    consecutive && apart && length(&outer) == all
}
