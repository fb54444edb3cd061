//! Views against plain arrays.

use proptest::prelude::*;

use super::*;

fn fresh(shape: &[usize]) -> View {
    let order: Vec<usize> = (0..shape.len()).collect();
    View::laid_out(0, dense(shape, &order))
}

/// A plain array of element numbers, and a view that should always read the same.
#[derive(Clone, Debug)]
struct Pair {
    shape: Vec<usize>,
    values: Vec<usize>,
    view: View,
}

impl Pair {
    fn new(shape: Vec<usize>) -> Self {
        let values = (0..shape.iter().product()).collect();
        Self { view: fresh(&shape), shape, values }
    }

    fn read(&self) -> Vec<usize> {
        let dims: Vec<_> = self.view.dims().iter().map(|dim| (dim.len, dim.stride, 0)).collect();
        let mut out = Vec::new();
        for_each(&dims, |offset, _| out.push(self.view.offset + offset));
        out
    }

    fn pick(&mut self, shape: Vec<usize>, source: impl Fn(&[usize]) -> Vec<usize>) {
        let mut values = Vec::new();
        for flat in 0..shape.iter().product() {
            let mut rest = flat;
            let mut index = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                index[axis] = rest % shape[axis];
                rest /= shape[axis];
            }
            let at = source(&index).iter().zip(&self.shape).fold(0, |at, (&i, &len)| at * len + i);
            values.push(self.values[at]);
        }
        self.shape = shape;
        self.values = values;
    }
}

/// One random operation by two numbers.
fn step(pair: &mut Pair, kind: u8, seed: usize) {
    let rank = pair.shape.len();
    match kind % 4 {
        0 if rank > 1 => {
            let perm: Vec<usize> = (0..rank).map(|axis| (axis + seed) % rank).collect();
            pair.view = pair.view.transpose(&perm);
            let shape = perm.iter().map(|&axis| pair.shape[axis]).collect();
            pair.pick(shape, |index| {
                let mut source = vec![0; rank];
                perm.iter().zip(index).for_each(|(&axis, &i)| source[axis] = i);
                source
            });
        }
        1 => {
            let axis = seed % rank.max(1);
            let Some(&len) = pair.shape.get(axis) else { return };
            let start = seed / 7 % len;
            let count = 1 + seed / 3 % (len - start);
            let step = if count > 1 && start + (count - 1) * 2 < len { 1 + seed % 2 } else { 1 };
            let Some(view) = pair.view.slice(axis, start, count, step) else { return };
            pair.view = view;
            let mut shape = pair.shape.clone();
            shape[axis] = count;
            pair.pick(shape, |index| {
                let mut source = index.to_vec();
                source[axis] = start + index[axis] * step;
                source
            });
        }
        2 => {
            let total: usize = pair.shape.iter().product();
            let first = (1..=total).filter(|d| total.is_multiple_of(*d)).nth(seed % 5).unwrap_or(1);
            let shape = vec![first, total / first];
            let Some(view) = pair.view.reshape(&shape) else { return };
            pair.view = view;
            pair.shape = shape;
        }
        3 if rank < 6 && pair.values.len() < 500 => {
            let mut shape = vec![1 + seed % 3];
            shape.extend(&pair.shape);
            pair.view = pair.view.expand(&shape).expect("adds an axis");
            pair.pick(shape, |index| index[1..].to_vec());
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn views_read_what_a_plain_array_holds(
        shape in prop::collection::vec(1_usize..6, 1..5),
        steps in prop::collection::vec((any::<u8>(), 0_usize..1000), 0..12),
    ) {
        let mut pair = Pair::new(shape);
        for (kind, seed) in steps {
            step(&mut pair, kind, seed);
            prop_assert_eq!(pair.view.shape(), pair.shape.clone());
            prop_assert_eq!(pair.read(), pair.values.clone());
        }
    }

    #[test]
    fn refined_axes_read_the_same(a in prop::collection::vec(1_usize..5, 1..4), pick in 0_usize..8) {
        let total: usize = a.iter().product();
        let cut = (1..=total).filter(|d| total.is_multiple_of(*d)).nth(pick).unwrap_or(total);
        let x = fresh(&a).reshape(&[total]).unwrap();
        let y = fresh(&[cut, total / cut]).transpose(&[1, 0]).reshape(&[total]).unwrap();
        if let Some((left, right)) = refine(&x.axes[0], &y.axes[0]) {
            prop_assert_eq!(left.iter().map(|d| d.len).collect::<Vec<_>>(),
                right.iter().map(|d| d.len).collect::<Vec<_>>());
            prop_assert_eq!(coalesce(&left), x.axes[0].clone());
            prop_assert_eq!(coalesce(&right), coalesce(&y.axes[0]));
        }
    }
}

#[test]
fn patches_of_an_image_need_no_copy() {
    // Channels-last 8 × 8 × 3 storage seen as 1 × 3 × 8 × 8, cut into 4 × 4 patches.
    let image = View::laid_out(0, dense(&[1, 3, 8, 8], &[0, 2, 3, 1]));
    let patches = image.reshape(&[1, 3, 2, 4, 2, 4]).unwrap().transpose(&[0, 2, 4, 1, 3, 5]);
    let rows = patches.reshape(&[1, 4, 48]).unwrap();
    assert_eq!(rows.shape(), [1, 4, 48]);
    assert!(rows.covers(192));
    assert_eq!(rows.axes[1], [Dim { len: 2, stride: 96 }, Dim { len: 2, stride: 12 }]);
}

#[test]
fn a_cut_at_a_non_divisor_is_refused() {
    let view = fresh(&[2, 3]).transpose(&[1, 0]);
    assert_eq!(view.reshape(&[2, 3]), None);
    assert_eq!(view.reshape(&[6]).unwrap().slice(0, 1, 4, 1), None);
}
