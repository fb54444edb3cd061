//! `RotaryEmbedding` against its definition.

use super::{Sketch, close};
use crate::model::{Array, Attribute};

const HEADS: usize = 2;
const ROWS: usize = 3;
const HALF: usize = 2;
const HEAD_DIM: usize = 2 * HALF;

/// Head, row, channel of a sketch whose image is 2 × 3 × 4, turned by the angles of `positions`.
fn turned(
    values: &[f32],
    [cosines, sines]: [&[f32]; 2],
    positions: [usize; ROWS],
    interleaved: bool,
) -> Vec<f32> {
    let mut out = values.to_vec();
    for head in 0..HEADS {
        for (row, position) in positions.into_iter().enumerate() {
            for pair in 0..HALF {
                let (first, second) =
                    if interleaved { (2 * pair, 2 * pair + 1) } else { (pair, pair + HALF) };
                let at = |channel: usize| (head * ROWS + row) * HEAD_DIM + channel;
                let (cos, sin) = (cosines[position * HALF + pair], sines[position * HALF + pair]);
                let (a, b) = (values[at(first)], values[at(second)]);
                out[at(first)] = a * cos - b * sin;
                out[at(second)] = a * sin + b * cos;
            }
        }
    }
    out
}

#[test]
fn pairs_are_turned_in_either_layout() {
    for interleaved in [false, true] {
        for flat in [false, true] {
            let mut sketch = Sketch::new([1, HEADS, ROWS, HEAD_DIM]);
            let mut x = sketch.node("Relu", &["x"], &[]);
            let values = sketch.truth(&x);
            if flat {
                x = sketch.transpose(&x, &[0, 2, 1, 3]);
                x = sketch.reshape(&x, &[1, ROWS as i64, (HEADS * HEAD_DIM) as i64]);
            }
            // Positions out of order, of more angles than there are rows, some of them above 1.
            let positions = [4, 0, 2];
            let index = positions.map(|at| at as i64);
            let stated = sketch.constant(Array::new(vec![1, ROWS], index.to_vec()).unwrap());
            let cosines = sketch.floats(&[5, HALF]);
            let steep: Vec<f32> = (0..10).map(|at| at as f32 / 4.0 - 1.0).collect();
            let sines = sketch.constant(Array::new(vec![5, HALF], steep.clone()).unwrap());
            let attributes = [
                ("interleaved", Attribute::Int(interleaved.into())),
                ("num_heads", Attribute::Int(HEADS as i64)),
            ];
            let attributes = &attributes[..if flat { 2 } else { 1 }];
            let mut out = sketch.node("RotaryEmbedding", &[&x, &cosines, &sines, &stated], attributes);
            if flat {
                out = sketch.reshape(&out, &[1, ROWS as i64, HEADS as i64, HEAD_DIM as i64]);
                out = sketch.transpose(&out, &[0, 2, 1, 3]);
            }
            let cosines = sketch.model.constants[&cosines].to_f32s();
            close(&sketch.run(&out), &turned(&values, [&cosines, &steep], positions, interleaved));
        }
    }
}

#[test]
fn what_is_not_a_whole_head_is_refused() {
    let said = |cosines: &[usize], positions: Option<&[i64]>, part: i64| {
        let mut sketch = Sketch::new([1, HEADS, ROWS, HEAD_DIM]);
        let (cosines, sines) = (sketch.floats(cosines), sketch.floats(cosines));
        let mut inputs = vec!["x", &cosines, &sines];
        let positions = positions.map(|positions| sketch.ints(positions));
        inputs.extend(positions.as_deref());
        let out = sketch.node("RotaryEmbedding", &inputs, &[("rotary_embedding_dim", Attribute::Int(part))]);
        sketch.build(&out).map(drop)
    };
    assert!(said(&[1, ROWS, HALF], None, 0).is_ok());
    assert!(said(&[1, ROWS, HALF], None, 4).is_ok());
    assert!(said(&[9, HALF], Some(&[6]), 0).is_ok(), "rows 6, 7 and 8");
    for (cosines, positions, part, what) in [
        (&[1, ROWS, 1][..], None, 0, "a part of the 4 channels"),
        (&[1, ROWS, HALF], None, 2, "a part of the 4 channels"),
        (&[1, 2, HALF], None, 0, "positions"),
        (&[9, HALF], Some(&[7][..]), 0, "positions"),
        (&[9, HALF], Some(&[0, 1, -1]), 0, "positions"),
        (&[9, HALF], Some(&[0, 1]), 0, "positions"),
    ] {
        let message = said(cosines, positions, part).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    }
}
