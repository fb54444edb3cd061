//! Counts the messages and texts of a file before anything is allocated for them: an
//! empty message takes two bytes in a file and hundreds in memory.

use super::error::OnnxError;

/// Most messages and texts of a file; a model of 65,536 nodes has some 500,000.
pub(super) const MAX_FIELDS: u64 = 1 << 21;

/// Deepest nesting of messages: the decoder takes no more.
const MAX_DEPTH: usize = 100;

/// A message, as far as its fields allocate.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Info,
    Type,
    TensorType,
    Shape,
    Function,
    Leaf,
}

impl Kind {
    /// What the length-delimited `field` holds; none if it is not read, or is an array of
    /// numbers.
    fn field(self, field: u64) -> Option<Kind> {
        match (self, field) {
            (Kind::Model, 7) | (Kind::Attribute, 6) => Some(Kind::Graph),
            (Kind::Model, 25) => Some(Kind::Function),
            (Kind::Graph, 1) | (Kind::Function, 7) => Some(Kind::Node),
            (Kind::Graph, 5) | (Kind::Attribute, 5) | (Kind::Sparse, 1) => Some(Kind::Tensor),
            (Kind::Graph, 11 | 12) => Some(Kind::Info),
            (Kind::Graph, 15) => Some(Kind::Sparse),
            (Kind::Node, 5) | (Kind::Function, 11) => Some(Kind::Attribute),
            (Kind::Info, 2) => Some(Kind::Type),
            (Kind::Type, 1) => Some(Kind::TensorType),
            (Kind::TensorType, 2) => Some(Kind::Shape),
            (Kind::Model, 2 | 8 | 14)
            | (Kind::Node, 1..=4 | 7 | 8)
            | (Kind::Attribute, 1 | 4 | 9 | 21)
            | (Kind::Tensor, 8 | 13)
            | (Kind::Info | Kind::Shape, 1)
            | (Kind::Function, 1 | 4..=6 | 9 | 10 | 13) => Some(Kind::Leaf),
            _ => None,
        }
    }
}

/// Refuses a file with more than [`MAX_FIELDS`] messages and texts.
///
/// Damaged bytes end the count, as they end the decoding.
pub(super) fn check(bytes: &[u8]) -> Result<(), OnnxError> {
    let mut count = 0;
    scan(Kind::Model, bytes, 0, &mut count);
    if count > MAX_FIELDS {
        return Err(OnnxError::Limit {
            what: "messages and texts of the file".into(),
            found: count,
            limit: MAX_FIELDS,
        });
    }
    Ok(())
}

fn scan(kind: Kind, mut bytes: &[u8], depth: usize, count: &mut u64) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    while !bytes.is_empty() && *count <= MAX_FIELDS {
        let key = varint(&mut bytes)?;
        match key & 7 {
            0 => drop(varint(&mut bytes)?),
            1 => bytes = bytes.get(8..)?,
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                let (payload, rest) = bytes.split_at_checked(len)?;
                bytes = rest;
                if let Some(child) = kind.field(key >> 3) {
                    *count += 1;
                    if !matches!(child, Kind::Leaf) {
                        scan(child, payload, depth + 1, count)?;
                    }
                }
            }
            // Fields inside a group are looked at as if they were outside.
            3 | 4 => {}
            5 => bytes = bytes.get(4..)?,
            _ => return None,
        }
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_of_empty_nodes_is_refused() {
        let mut bytes = vec![0x3a];
        let nodes = 2 * (MAX_FIELDS as usize + 1);
        let mut len = nodes;
        while len >= 0x80 {
            bytes.push((len & 0x7f) as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        let head = bytes.len();
        bytes.resize(head + nodes, 0);
        for pair in bytes[head..].chunks_exact_mut(2) {
            pair[0] = 0x0a;
        }
        assert!(matches!(check(&bytes), Err(OnnxError::Limit { .. })));
        assert!(check(&bytes[..head + 2]).is_ok());
    }
}
