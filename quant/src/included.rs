//! The ops that a build includes.
//!
//! Firmware for one model needs no more than the ops of that model. The environment
//! variable `SHIFTFORMER_OPS`, read when this crate is compiled, names them; where it is
//! not set, a build includes all. An op that is left out cannot be decoded, so the checker
//! refuses a program that uses it, and nothing else changes.

use crate::op::OpKind;

/// What `SHIFTFORMER_OPS` says: names of ops, separated by commas or spaces.
const LIST: Option<&str> = option_env!("SHIFTFORMER_OPS");

const _: () = assert!(is_known(LIST), "SHIFTFORMER_OPS names an op that there is not");

impl OpKind {
    /// Whether this build includes the op: all of them, or those that `SHIFTFORMER_OPS`
    /// named when the crate was compiled.
    pub const fn is_included(self) -> bool {
        is_included(LIST, self)
    }
}

const fn is_included(list: Option<&str>, kind: OpKind) -> bool {
    let Some(list) = list else { return true };
    let mut rest = list.as_bytes();
    while !rest.is_empty() {
        let (word, tail) = next_word(rest);
        if is_same(word, kind.name().as_bytes()) {
            return true;
        }
        rest = tail;
    }
    false
}

/// Whether every word of the list is the name of an op.
const fn is_known(list: Option<&str>) -> bool {
    let Some(list) = list else { return true };
    let mut rest = list.as_bytes();
    while !rest.is_empty() {
        let (word, tail) = next_word(rest);
        let (mut kinds, mut found) = (OpKind::ALL, word.is_empty());
        while let [kind, others @ ..] = kinds {
            found |= is_same(word, kind.name().as_bytes());
            kinds = others;
        }
        if !found {
            return false;
        }
        rest = tail;
    }
    true
}

/// The bytes before the first separator, and those behind it.
const fn next_word(text: &[u8]) -> (&[u8], &[u8]) {
    let (mut rest, mut len) = (text, 0);
    while let [byte, tail @ ..] = rest {
        if matches!(byte, b',' | b' ') {
            return (text.split_at(len).0, tail);
        }
        (rest, len) = (tail, len + 1);
    }
    (text, rest)
}

const fn is_same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, a_rest @ ..], [y, b_rest @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (a_rest, b_rest);
    }
    a.is_empty() && b.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_includes_what_it_names_and_no_list_everything() {
        let list = Some("Linear,LayerNorm  Add,");
        for &kind in OpKind::ALL {
            let named = matches!(kind, OpKind::Linear | OpKind::LayerNorm | OpKind::Add);
            assert_eq!(is_included(list, kind), named, "{kind:?}");
            assert!(is_included(None, kind), "{kind:?}");
            assert!(!is_included(Some(""), kind), "{kind:?}");
        }
    }

    #[test]
    fn a_name_that_is_no_op_is_noticed() {
        assert!(is_known(None));
        assert!(is_known(Some("")));
        assert!(is_known(Some("Linear, Add")));
        for wrong in ["Linea", "Linear2", "linear", "Linear;Add"] {
            assert!(!is_known(Some(wrong)), "{wrong}");
        }
    }
}
