// The three bindings of every kernel, and access to elements at any byte.

// The arenas of all frames one after another, each laid out as the container says.
@group(0) @binding(0) var<storage, read_write> arena: array<u32>;
// Those of the instruction.
@group(0) @binding(1) var<storage, read> constants: array<u32>;
@group(0) @binding(2) var<uniform> P: Params;

// The first word of the frame at hand; every kernel sets it before anything else.
var<private> frame: u32;

// Offsets of the arena are in bytes from the beginning of the frame.

fn load_i8(byte: u32) -> i32 {
    return extractBits(bitcast<i32>(arena[frame + (byte >> 2u)]), (byte & 3u) * 8u, 8u);
}

fn load_u8(byte: u32) -> u32 {
    return extractBits(arena[frame + (byte >> 2u)], (byte & 3u) * 8u, 8u);
}

// At an even byte.
fn load_i16(byte: u32) -> i32 {
    return extractBits(bitcast<i32>(arena[frame + (byte >> 2u)]), (byte & 2u) * 8u, 16u);
}

// At a multiple of 4.
fn load_u32(byte: u32) -> u32 {
    return arena[frame + (byte >> 2u)];
}

fn load_i32(byte: u32) -> i32 {
    return bitcast<i32>(load_u32(byte));
}

// Four bytes from any byte on. The last word of the arena is never the first of two: every
// frame ends with words that nobody uses.
fn load_4(byte: u32) -> u32 {
    let at = frame + (byte >> 2u);
    let low = arena[at];
    let shift = (byte & 3u) * 8u;
    if (shift == 0u) {
        return low;
    }
    return (low >> shift) | (arena[at + 1u] << (32u - shift));
}

// Constants, by element from the beginning of a word.

fn constant_i8(word: u32, index: u32) -> i32 {
    return extractBits(bitcast<i32>(constants[word + (index >> 2u)]), (index & 3u) * 8u, 8u);
}

fn constant_i16(word: u32, index: u32) -> i32 {
    return extractBits(bitcast<i32>(constants[word + (index >> 1u)]), (index & 1u) * 16u, 16u);
}

fn constant_i32(word: u32) -> i32 {
    return bitcast<i32>(constants[word]);
}

// Element `index` of activations of `bytes` bytes each from byte `base` on.
fn load_act(bytes: u32, base: u32, index: u32) -> i32 {
    if (bytes == 1u) {
        return load_i8(base + index);
    }
    if (bytes == 2u) {
        return load_i16(base + index * 2u);
    }
    return load_i32(base + index * 4u);
}

// The same of constants, from the beginning of a word.
fn constant_act(bytes: u32, word: u32, index: u32) -> i32 {
    if (bytes == 1u) {
        return constant_i8(word, index);
    }
    if (bytes == 2u) {
        return constant_i16(word, index);
    }
    return constant_i32(word + index);
}
