// Sums of channels over rows. A workgroup takes 8 quads of channels; 32 lanes share the rows of each
// quad. Channel 0 is channel `skew` of quad 0, so that quads can follow the words of a result.
// Parameters: `x`, `width`, `skew`. Constants: `X_BYTES`; `ALIGNED`, whether the four values of a
// quad are whole words and `skew` is 0; `SUMS`, 1 for the sum of values alone, 3 for that of
// the low and high halves of their squares besides. All fit 32 bits over 2¹⁵ rows, and the first
// over 65535.

const QUADS = 8u;
const STRIPES = 32u;
const THREADS = 256u;

var<workgroup> sums: array<vec4<i32>, SUMS * THREADS>;

// The values of four channels in a row. Those of channels that do not exist are any others.
fn quad_of(row: u32, quad: u32) -> vec4<i32> {
    if (ALIGNED == 1u) {
        let channel = min(quad * 4u, P.width - 4u);
        let at = frame + ((P.x + (row * P.width + channel) * X_BYTES) >> 2u);
        let word = bitcast<i32>(arena[at]);
        if (X_BYTES == 1u) {
            return vec4<i32>(word << 24u, word << 16u, word << 8u, word) >> vec4<u32>(24u);
        }
        let next = bitcast<i32>(arena[at + 1u]);
        return vec4<i32>(word << 16u, word, next << 16u, next) >> vec4<u32>(16u);
    }
    let first = row * P.width;
    let channel = vec4<i32>(bitcast<i32>(quad * 4u - P.skew)) + vec4<i32>(0, 1, 2, 3);
    let inside = clamp(channel, vec4<i32>(0), vec4<i32>(bitcast<i32>(P.width - 1u)));
    let at = bitcast<vec4<u32>>(inside) + vec4<u32>(first);
    return vec4<i32>(
        load_act(X_BYTES, P.x, at.x),
        load_act(X_BYTES, P.x, at.y),
        load_act(X_BYTES, P.x, at.z),
        load_act(X_BYTES, P.x, at.w),
    );
}

// Leaves the sums of the rows from `begin` up to `end` in `sums`: those of the workgroup's quad
// number q at q, and those of halves of squares `THREADS` and twice `THREADS` behind it.
fn sum_rows(block: u32, begin: u32, end: u32, lane: u32) {
    let quad = block * QUADS + lane % QUADS;
    let stripe = lane / QUADS;
    var sum = vec4<i32>(0);
    var low = vec4<i32>(0);
    var high = vec4<i32>(0);
    for (var row = begin + stripe; row < end; row += STRIPES) {
        let x = quad_of(row, quad);
        sum += x;
        if (SUMS == 3u) {
            let square = x * x;
            low += square & vec4<i32>(0xffff);
            high += square >> vec4<u32>(16u);
        }
    }
    sums[lane] = sum;
    if (SUMS == 3u) {
        sums[THREADS + lane] = low;
        sums[2u * THREADS + lane] = high;
    }
    for (var half = STRIPES / 2u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if (stripe < half) {
            for (var i = lane; i < SUMS * THREADS; i += THREADS) {
                sums[i] += sums[i + half * QUADS];
            }
        }
    }
    workgroupBarrier();
}
