//! Which pieces of the arena must stay together.

use std::ops::Range;

use super::Storage;

/// Storages under construction, in addresses of the container's arena.
#[derive(Default)]
pub(super) struct Memory {
    parts: Vec<Part>,
}

struct Part {
    start: u64,
    /// Ends with all rows, and with those that the container has room for.
    end: u64,
    held_end: u64,
    life: Range<usize>,
    scratch: bool,
    /// The part that it has become one with.
    joined: Option<usize>,
}

impl Memory {
    /// A new storage at `start`, of `bytes` with all rows and `held` in the container.
    pub(super) fn add(&mut self, start: u64, bytes: u64, held: u64, now: usize, scratch: bool) -> usize {
        let life = now..now + 1;
        self.parts.push(Part {
            start,
            end: start + bytes,
            held_end: start + held,
            life,
            scratch,
            joined: None,
        });
        self.parts.len() - 1
    }

    /// The storage that `part` now belongs to.
    pub(super) fn root(&self, mut part: usize) -> usize {
        while let Some(next) = self.parts[part].joined {
            part = next;
        }
        part
    }

    /// Makes one of two storages, and returns it.
    pub(super) fn join(&mut self, a: usize, b: usize) -> usize {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return a;
        }
        let Part { start, end, held_end, life, .. } = &self.parts[b];
        let (start, end, held_end, life) = (*start, *end, *held_end, life.clone());
        let into = &mut self.parts[a];
        into.start = into.start.min(start);
        into.end = into.end.max(end);
        into.held_end = into.held_end.max(held_end);
        into.life = into.life.start.min(life.start)..into.life.end.max(life.end);
        self.parts[b].joined = Some(a);
        a
    }

    /// Notes that instruction `now` touches `part`.
    pub(super) fn touch(&mut self, part: usize, now: usize) {
        let root = self.root(part);
        let life = &mut self.parts[root].life;
        life.end = life.end.max(now + 1);
    }

    /// The storages, and for every part the index of its storage.
    pub(super) fn settle(self) -> (Vec<Storage>, Vec<usize>) {
        let mut storages = Vec::new();
        let mut index_of_root = vec![0; self.parts.len()];
        for (index, part) in self.parts.iter().enumerate().filter(|(_, part)| part.joined.is_none()) {
            index_of_root[index] = storages.len();
            storages.push(Storage {
                start: part.start,
                bytes: part.end - part.start,
                held: part.held_end - part.start,
                life: part.life.clone(),
                scratch: part.scratch,
            });
        }
        let index_of = (0..self.parts.len()).map(|part| index_of_root[self.root(part)]).collect();
        (storages, index_of)
    }
}
