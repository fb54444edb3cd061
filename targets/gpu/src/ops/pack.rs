//! Constants in words, the first element in the lowest bits.

/// Four to a word; the last is filled with 0.
pub(crate) fn bytes(values: &[i8]) -> impl Iterator<Item = u32> + '_ {
    values.chunks(4).map(|four| {
        let place = |(lane, &value): (usize, &i8)| u32::from(value.cast_unsigned()) << (8 * lane);
        four.iter().enumerate().map(place).fold(0, |word, bits| word | bits)
    })
}

/// Two to a word; the last is filled with 0.
pub(crate) fn halves(values: &[i16]) -> impl Iterator<Item = u32> + '_ {
    values.chunks(2).map(|two| {
        let place = |(lane, &value): (usize, &i16)| u32::from(value.cast_unsigned()) << (16 * lane);
        two.iter().enumerate().map(place).fold(0, |word, bits| word | bits)
    })
}

/// One to a word.
pub(crate) fn words(values: &[i32]) -> impl Iterator<Item = u32> + '_ {
    values.iter().map(|value| value.cast_unsigned())
}
