//! Whether what an element is made of is a rotation.

use super::trace::Trace;
use crate::graph::{Graph, Pairs};
use crate::layout::TensorId;

/// Farthest that cosines or sines of a pair may differ, and exceed 1.
const TOLERANCE: f32 = 1e-6;

/// A rotation of a part of the rows and columns of `source`.
pub(super) struct Rotation {
    pub source: TensorId,
    /// The first element of the source.
    pub offset: usize,
    pub rows: usize,
    pub width: usize,
    pub head_dim: usize,
    pub pairs: Pairs,
    /// `rows × head_dim`: the cosines of a head's pairs, then their sines.
    pub angles: Vec<f32>,
    /// For each element of what is made, its place in the rotation's output.
    pub places: Vec<usize>,
}

/// What an element of the rotation's output is made of: itself times `cos`, and the element in
/// column `partner` of its row times `sin`.
#[derive(Clone, Copy)]
struct Element {
    cos: f32,
    sin: f32,
    partner: usize,
}

impl Rotation {
    /// The rotation that tensor `made` is of its source; none if it is none.
    pub fn of(graph: &Graph, trace: &Trace, made: TensorId) -> Option<Self> {
        let source_width = graph.tensors[trace.source].width;
        let split = |at: usize| (at / source_width, at % source_width);
        let straight = || trace.terms.iter().map(|(first, _)| split(first.0));
        let [top, left] = [straight().map(|(r, _)| r).min()?, straight().map(|(_, c)| c).min()?];
        let [rows, width] =
            [straight().map(|(r, _)| r).max()? + 1 - top, straight().map(|(_, c)| c).max()? + 1 - left];
        if rows * width != graph.tensors[made].len() {
            return None;
        }
        let mut elements: Vec<Option<Element>> = vec![None; rows * width];
        let mut places = Vec::with_capacity(rows * width);
        for &((straight, cos), swapped) in &trace.terms {
            let (row, column) = split(straight);
            let place = (row - top) * width + column - left;
            let (partner, sin) = match swapped.filter(|(_, sin)| *sin != 0.0) {
                Some((from, sin)) => {
                    let (same, partner) = split(from);
                    let inside = same == row && (left..left + width).contains(&partner);
                    (inside.then(|| partner - left)?, sin)
                }
                None => (column - left, 0.0),
            };
            if elements[place].replace(Element { cos, sin, partner }).is_some() {
                return None;
            }
            places.push(place);
        }
        let elements = elements.into_iter().collect::<Option<Vec<_>>>()?;
        let (pairs, head_dim, angles) = angles(&elements, width)?;
        permuted(&places)?;
        let (source, offset) = (trace.source, top * source_width + left);
        Some(Self { source, offset, rows, width, head_dim, pairs, angles, places })
    }
}

/// The pairs and angles of rows of `width`.
fn angles(elements: &[Element], width: usize) -> Option<(Pairs, usize, Vec<f32>)> {
    let turned = elements.iter().enumerate().find(|(at, element)| element.partner != at % width);
    let (at, element) = turned?;
    let distance = element.partner.abs_diff(at % width);
    let halves = (Pairs::Halves, 2 * distance);
    let neighbours = (2..=width).step_by(2).map(|head_dim| (Pairs::Neighbours, head_dim));
    let all = [halves].into_iter().chain(neighbours.filter(|_| distance == 1));
    // Of heads with the same angles the smallest.
    all.filter(|(_, head_dim)| width.is_multiple_of(*head_dim))
        .find_map(|(pairs, head_dim)| Some((pairs, head_dim, of_heads(elements, width, pairs, head_dim)?)))
}

/// The angles that all heads share: for each row cosines, then sines.
fn of_heads(elements: &[Element], width: usize, pairs: Pairs, head_dim: usize) -> Option<Vec<f32>> {
    let (half, close) = (head_dim / 2, |a: f32, b: f32| (a - b).abs() <= TOLERANCE);
    let mut angles = Vec::with_capacity(elements.len() / width * head_dim);
    for row in elements.chunks_exact(width) {
        let start = angles.len();
        let of_pair = |pair: usize| row[pairs.channels(pair, half).1];
        angles.extend((0..half).map(|pair| of_pair(pair).cos.clamp(-1.0, 1.0)));
        angles.extend((0..half).map(|pair| of_pair(pair).sin.clamp(-1.0, 1.0)));
        for (head, elements) in row.chunks_exact(head_dim).enumerate() {
            for pair in 0..half {
                let (first, second) = pairs.channels(pair, half);
                let [a, b] = [elements[first], elements[second]];
                let (cos, sin) = (angles[start + pair], angles[start + half + pair]);
                let at = |channel: usize| head * head_dim + channel;
                let paired =
                    (a.sin == 0.0 || a.partner == at(second)) && (b.sin == 0.0 || b.partner == at(first));
                let turned =
                    close(a.cos, cos) && close(b.cos, cos) && close(-a.sin, sin) && close(b.sin, sin);
                if !paired || !turned {
                    return None;
                }
            }
        }
    }
    Some(angles)
}

/// The shape and the strides of a permutation that picks `places` in their order, from the first of them on.
pub(super) fn permuted(places: &[usize]) -> Option<([usize; 4], [usize; 4])> {
    let (mut shape, mut strides) = ([1; 4], [0; 4]);
    let mut step = 1;
    for axis in (0..4).rev() {
        let picked = || places.iter().step_by(step);
        let stride = match (picked().next(), picked().nth(1)) {
            (Some(first), Some(second)) => second.checked_sub(*first)?,
            _ => break,
        };
        let steps = picked().zip(picked().skip(1)).take_while(|(a, b)| b.checked_sub(**a) == Some(stride));
        let len = 1 + steps.count();
        (shape[axis], strides[axis]) = (len, stride);
        step *= len;
        if !places.len().is_multiple_of(step) {
            return None;
        }
    }
    let place = |at: usize| {
        let (mut rest, mut place) = (at, places[0]);
        for (size, stride) in shape.iter().zip(&strides).rev() {
            place += rest % size * stride;
            rest /= size;
        }
        place
    };
    let all = step == places.len() && places.iter().enumerate().all(|(at, &wanted)| place(at) == wanted);
    all.then_some((shape, strides))
}
