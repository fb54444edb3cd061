//! Modules of SPIR-V whose specialization constants are set by their names in the source. wgpu sets
//! none in a module that it passes through, so the values are written into the module itself.

use std::collections::HashMap;

/// The module of `bytes`, as it lies in the repository.
pub(crate) fn words(bytes: &[u8]) -> Vec<u32> {
    bytemuck::pod_collect_to_vec(bytes)
}

/// Sets each of `settings` whose constant `module` has; how many these are.
pub(crate) fn set<'n>(module: &mut [u32], settings: impl IntoIterator<Item = (&'n str, u32)>) -> usize {
    let constants = constants(module);
    let mut found = 0;
    for (name, value) in settings {
        let number = constants.iter().find(|constant| constant.name.as_deref() == Some(name));
        let Some(number) = number.and_then(|constant| constant.number) else { continue };
        found += 1;
        for constant in constants.iter().filter(|constant| constant.number == Some(number)) {
            module[constant.at] = value;
        }
    }
    found
}

/// The members of the structure `name` in their order.
pub(crate) fn members(module: &[u32], name: &str) -> Vec<String> {
    let mut of = None;
    let mut members = Vec::new();
    for (_, instruction) in instructions(module) {
        match *instruction {
            [head, id, ref text @ ..] if head & 0xffff == NAME && string(text) == name => of = Some(id),
            [head, id, _, ref text @ ..] if head & 0xffff == MEMBER_NAME && of == Some(id) => {
                members.push(string(text));
            }
            _ => {}
        }
    }
    members
}

// Numbers of instructions, and of the decoration that numbers a specialization constant.
const NAME: u32 = 5;
const MEMBER_NAME: u32 = 6;
const SPEC_CONSTANT: u32 = 50;
const DECORATE: u32 = 71;
const SPEC_ID: u32 = 1;

/// Words in front of the first instruction.
const HEADER: usize = 5;

/// A specialization constant. Several with one number have one value: the size of a workgroup is
/// another constant than the one that the source names, with the same number.
struct Constant {
    name: Option<String>,
    number: Option<u32>,
    /// Where its value lies.
    at: usize,
}

/// All of them, in the order of the module.
fn constants(module: &[u32]) -> Vec<Constant> {
    let (mut names, mut numbers) = (HashMap::new(), HashMap::new());
    let mut constants = Vec::new();
    for (at, instruction) in instructions(module) {
        match *instruction {
            [head, id, ref text @ ..] if head & 0xffff == NAME => {
                names.insert(id, string(text));
            }
            [head, id, SPEC_ID, number] if head & 0xffff == DECORATE => {
                numbers.insert(id, number);
            }
            [head, _, id, _] if head & 0xffff == SPEC_CONSTANT => {
                let (name, number) = (names.remove(&id), numbers.get(&id).copied());
                constants.push(Constant { name, number, at: at + 3 });
            }
            _ => {}
        }
    }
    constants
}

/// Instructions, each behind the word that it begins at.
fn instructions(module: &[u32]) -> impl Iterator<Item = (usize, &[u32])> {
    let mut at = HEADER;
    std::iter::from_fn(move || {
        let len = (module.get(at)? >> 16).max(1) as usize;
        let instruction = module.get(at..at + len)?;
        at += len;
        Some((at - len, instruction))
    })
}

/// Text that ends with a byte of zero.
fn string(words: &[u32]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.take_while(|&byte| byte != 0).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module of the constant `AB`, whose value is 7, of another with the same number, and of the
    /// structure `S` with one member.
    fn module() -> Vec<u32> {
        let text = |text: &[u8; 4]| u32::from_le_bytes(*text);
        let header = [0x0723_0203, 0x0001_0500, 0, 9, 0];
        let names = [3 << 16 | NAME, 1, text(b"AB\0\0"), 3 << 16 | NAME, 2, text(b"S\0\0\0")];
        let member = [4 << 16 | MEMBER_NAME, 2, 0, text(b"one\0")];
        let number = |id| [4 << 16 | DECORATE, id, SPEC_ID, 3];
        let constant = |id| [4 << 16 | SPEC_CONSTANT, 4, id, 7];
        [&header[..], &names, &member, &number(1), &number(5), &constant(1), &constant(5)].concat()
    }

    #[test]
    fn constants_are_set_by_name_wherever_their_number_stands() {
        let (before, mut words) = (module(), module());
        assert_eq!(set(&mut words, [("AB", 9), ("C", 5)]), 1);
        let changed = (0..words.len()).filter(|&at| words[at] != before[at]).collect::<Vec<_>>();
        assert_eq!(changed, [words.len() - 5, words.len() - 1]);
        assert!(changed.iter().all(|&at| words[at] == 9));
    }

    #[test]
    fn members_are_listed_by_their_structure() {
        assert_eq!(members(&module(), "S"), ["one"]);
        assert!(members(&module(), "T").is_empty());
    }

    #[test]
    fn a_module_that_ends_too_soon_ends_there() {
        for len in 0..module().len() {
            set(&mut module()[..len], [("AB", 9)]);
        }
    }
}
