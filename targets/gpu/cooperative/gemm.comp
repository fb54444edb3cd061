#version 450 core

// Rows of int8 activations by weights, multiplied by cooperative matrices: what `linear` and `conv2d`
// do in WGSL, which has no such matrices of integers. `cargo xtask shaders` compiles this file to gemm.spv.
//
// The bindings are those of every kernel (shaders/memory.wgsl). A workgroup makes a tile of the
// results. Its subgroups share the operands of the tile, of which they hold DEPTH bytes of each row
// and column at a time, and each makes a part of the tile of its own.

#include "common.glsl"

// Of the tile: its sides, and subgroups from top to bottom and from left to right.
layout(constant_id = 16) const uint ROWS = 128;
layout(constant_id = 17) const uint COLUMNS = 128;
layout(constant_id = 18) const uint DEPTH = 128;
layout(constant_id = 19) const uint DOWN = 2;
layout(constant_id = 20) const uint ACROSS = 4;

// Of the epilogue, see shaders/epilogue.wgsl.
layout(constant_id = 21) const uint OUT_BYTES = 1;
layout(constant_id = 22) const uint TABLE = 0;
layout(constant_id = 23) const uint RESIDUAL = 0;
// 1 where every four results of 16 bits are those of one row and two words that can be taken at once.
layout(constant_id = 24) const uint WHOLE_FOURS = 1;
// 1 where a row of activations is what lies below a window of an image, a run of it after another.
layout(constant_id = 25) const uint WINDOWS = 0;

layout(set = 0, binding = 2, std140) uniform Params {
    uint frame_words;
    uint result;
    uint x;
    uint rows;
    uint n;
    uint k;
    uint in_height;
    uint in_width;
    uint in_channels;
    uint stride_h;
    uint stride_w;
    uint pad_top;
    uint pad_left;
    uint out_width;
    uint runs;
    uint run_pieces;
    uint table;
    int branch_mantissa;
    uint branch_shift;
    int stream_mantissa;
    uint stream_shift;
    uint requant;
    uint weights;
} P;

// The arenas by pairs of words, for results of 16 bits.
layout(set = 0, binding = 0, std430) buffer Arena2 { uvec2 arena2[]; };

// A piece is 16 bytes of a row of activations, or of a channel's weights. A row of pieces in shared
// memory has one more than it needs, so that neighbouring rows begin in other banks.
const uint PIECES = DEPTH / 16;
const uint STRIDE = PIECES + 1;
// Pieces of activations and of weights that an invocation loads.
const uint LOADS_A = ROWS * PIECES / THREADS;
const uint LOADS_B = COLUMNS * PIECES / THREADS;
// Results of a subgroup, and its matrices of them.
const uint OWN_ROWS = ROWS / DOWN;
const uint OWN_COLUMNS = COLUMNS / ACROSS;
const uint MATRICES_DOWN = OWN_ROWS / MATRIX_ROWS;
const uint MATRICES_ACROSS = OWN_COLUMNS / MATRIX_COLUMNS;
// Fours of columns of a subgroup, one to an invocation, and their distance in shared memory.
const uint FOURS = OWN_COLUMNS / 4;
const uint FOURS_STRIDE = FOURS + 1;
const uint ROWS_AT_ONCE = SUBGROUP / FOURS;

shared uint table[64];

int through_table(int t) {
    if (TABLE == 0u) {
        return t;
    }
    uint index = uint(t + 128);
    return bitfieldExtract(int(table[index >> 2u]), int(index & 3u) * 8, 8);
}

int into_stream(int t, int old) {
    if (RESIDUAL == 2u) {
        // 15 bits to the left 16 bits still fit a word, and shifts from 18 on become 33 or more.
        int branch = requantize_high(t << 15, P.branch_mantissa, P.branch_shift + 15u);
        return saturate_i16(branch + requantize_high(old << 15, P.stream_mantissa, P.stream_shift + 15u));
    }
    uvec2 branch = requantize_64(t, P.branch_mantissa, P.branch_shift);
    return saturate_i16(saturate_i32(add_64(branch, requantize_64(old, P.stream_mantissa, P.stream_shift))));
}

// The sum `z` with the record of its channel, [bias, mantissa, shift, 0].
int finish(int z, uvec4 record) {
    return requantize(z + int(record.x), int(record.y), record.z);
}

// Two results as a word, in the place of the word `old`.
uint two(ivec2 t, uint old) {
    t = clamp(t, -32768, GREATEST_I16);
    if (RESIDUAL != 0u) {
        t = ivec2(into_stream(t.x, bitfieldExtract(int(old), 0, 16)), into_stream(t.y, int(old) >> 16));
    }
    return (uint(t.x) & 0xffffu) | (uint(t.y) << 16);
}

// Stores four results of a row from column `column` on, of which those behind the last are left
// out; `at` is the first one's word.
void store_four(uint at, uint column, ivec4 t) {
    if (OUT_BYTES == 1u) {
        uint word = 0u;
        [[unroll]] for (int i = 0; i < 4; ++i) {
            word |= (uint(through_table(saturate_i8(t[i]))) & 0xffu) << (8 * i);
        }
        arena[at] = word;
    } else if (OUT_BYTES == 2u) {
        if (WHOLE_FOURS == 1u) {
            uvec2 old = RESIDUAL != 0u ? arena2[at / 2u] : uvec2(0);
            arena2[at / 2u] = uvec2(two(t.xy, old.x), two(t.zw, old.y));
            return;
        }
        arena[at] = two(t.xy, arena[at]);
        if (column + 2u < P.n) {
            arena[at + 1u] = two(t.zw, arena[at + 1u]);
        }
    } else {
        [[unroll]] for (uint i = 0; i < 4; ++i) {
            if (column + i < P.n) {
                arena[at + i] = uint(t[i]);
            }
        }
    }
}

// A row of all frames: its frame, and its number there.
struct Row {
    uint frame;
    uint number;
};

Row row_at(uint row) {
    uint frame = row / P.rows;
    return Row(frame, row - frame * P.rows);
}

// The word at byte `byte` of the frame's first row, and as far on as `row` is, where rows have `bytes`
// bytes.
uint row_word(Row row, uint byte, uint bytes) {
    return row.frame * P.frame_words + (byte + row.number * bytes) / 4u;
}

// Where row number `row` of activations lies: its first word, or that of the image, and the row and
// column of the image in which the window begins. Those above and left of it are huge numbers.
uvec3 place_a(uint row) {
    Row of = row_at(row);
    if (WINDOWS == 0u) {
        return uvec3(row_word(of, P.x, P.k), 0u, 0u);
    }
    uint down = of.number / P.out_width;
    uint across = of.number - down * P.out_width;
    uint image = of.frame * P.frame_words + P.x / 4u;
    return uvec3(image, down * P.stride_h - P.pad_top, across * P.stride_w - P.pad_left);
}

// Piece number `piece` of the row of activations at `place`. What lies behind the end of a row or of a
// run meets weights of 0.
uvec4 load_a(uvec3 place, uint piece) {
    piece = min(piece, (P.k - 1u) / 16u);
    if (WINDOWS == 0u) {
        return piece_at(place.x + piece * 4u);
    }
    uint run = piece / P.run_pieces;
    uint down = run / P.runs;
    uint y = place.y + down;
    uint x = place.z + run - down * P.runs;
    if (y >= P.in_height || x >= P.in_width) {
        return uvec4(0);
    }
    return piece_at(place.x + (y * P.in_width + x) * P.in_channels / 4u + (piece - run * P.run_pieces) * 4u);
}

// Piece number `piece` of the weights of channel `column`.
uvec4 load_b(uint column, uint piece) {
    return constants4[P.weights / 4u + piece * P.n + column];
}

void main() {
    const uint lane = gl_LocalInvocationID.x;
    const uint groups = gl_NumWorkGroups.x * gl_NumWorkGroups.y;
    const uint id = gl_WorkGroupID.z * groups + gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const uint tiles = (P.n + COLUMNS - 1u) / COLUMNS;
    const uint rows = P.rows * gl_NumWorkGroups.z;
    const uint first_row = id / tiles * ROWS;
    const uint first_column = id % tiles * COLUMNS;
    if (first_row >= rows) {
        return;
    }
    if (TABLE == 1u) {
        for (uint i = lane; i < 64u; i += THREADS) {
            uint at = P.table + i;
            table[i] = constants4[at / 4u][at % 4u];
        }
    }

    // Activations are loaded along rows, weights across channels, as both lie in memory.
    uvec3 row[LOADS_A];
    uint column[LOADS_B];
    uvec4 a[LOADS_A];
    uvec4 b[LOADS_B];
    [[unroll]] for (uint i = 0; i < LOADS_A; ++i) {
        uint at = lane + i * THREADS;
        row[i] = place_a(min(first_row + at / PIECES, rows - 1u));
        a[i] = load_a(row[i], at % PIECES);
    }
    [[unroll]] for (uint i = 0; i < LOADS_B; ++i) {
        uint at = lane + i * THREADS;
        column[i] = min(first_column + at % COLUMNS, P.n - 1u);
        b[i] = load_b(column[i], at / COLUMNS);
    }

    const uint y = gl_SubgroupID / ACROSS;
    const uint x = gl_SubgroupID % ACROSS;
    coopmat<int32_t, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLUMNS, gl_MatrixUseAccumulator>
        sums[MATRICES_DOWN][MATRICES_ACROSS];
    [[unroll]] for (uint i = 0; i < MATRICES_DOWN; ++i) {
        [[unroll]] for (uint j = 0; j < MATRICES_ACROSS; ++j) {
            sums[i][j] = coopmat<int32_t, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLUMNS, gl_MatrixUseAccumulator>(0);
        }
    }

    const uint steps = (P.k + DEPTH - 1u) / DEPTH;
    for (uint step = 0; step < steps; ++step) {
        if (step > 0u) {
            barrier();
        }
        [[unroll]] for (uint i = 0; i < LOADS_A; ++i) {
            uint at = lane + i * THREADS;
            staged[at / PIECES * STRIDE + at % PIECES] = a[i];
        }
        [[unroll]] for (uint i = 0; i < LOADS_B; ++i) {
            uint at = lane + i * THREADS;
            staged[(ROWS + at % COLUMNS) * STRIDE + at / COLUMNS] = b[i];
        }
        barrier();
        // The next step's operands are on their way while this one's are multiplied.
        if (step + 1u < steps) {
            uint first = (step + 1u) * PIECES;
            [[unroll]] for (uint i = 0; i < LOADS_A; ++i) {
                a[i] = load_a(row[i], first + (lane + i * THREADS) % PIECES);
            }
            [[unroll]] for (uint i = 0; i < LOADS_B; ++i) {
                b[i] = load_b(column[i], first + (lane + i * THREADS) / COLUMNS);
            }
        }
        [[unroll]] for (uint piece = 0; piece < PIECES; piece += MATRIX_DEPTH / 16) {
            coopmat<int8_t, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_DEPTH, gl_MatrixUseA> left[MATRICES_DOWN];
            [[unroll]] for (uint i = 0; i < MATRICES_DOWN; ++i) {
                uint at = (y * OWN_ROWS + i * MATRIX_ROWS) * STRIDE + piece;
                coopMatLoad(left[i], staged, at, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            }
            [[unroll]] for (uint j = 0; j < MATRICES_ACROSS; ++j) {
                coopmat<int8_t, gl_ScopeSubgroup, MATRIX_DEPTH, MATRIX_COLUMNS, gl_MatrixUseB> right;
                uint at = (ROWS + x * OWN_COLUMNS + j * MATRIX_COLUMNS) * STRIDE + piece;
                coopMatLoad(right, staged, at, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                [[unroll]] for (uint i = 0; i < MATRICES_DOWN; ++i) {
                    sums[i][j] = coopMatMulAdd(left[i], right, sums[i][j]);
                }
            }
        }
    }
    barrier();

    // Every subgroup takes its sums through a part of the shared memory that is its own.
    const uint strip = gl_SubgroupID * MATRIX_ROWS * FOURS_STRIDE;
    const uint four = gl_SubgroupInvocationID % FOURS;
    const uint from = first_column + x * OWN_COLUMNS + four * 4u;
    uvec4 records[4];
    [[unroll]] for (uint i = 0; i < 4; ++i) {
        records[i] = constants4[P.requant / 4u + min(from + i, P.n - 1u)];
    }
    uint here = first_row + y * OWN_ROWS + gl_SubgroupInvocationID / FOURS;
    Row result = row_at(here);
    [[unroll]] for (uint i = 0; i < MATRICES_DOWN; ++i) {
        [[unroll]] for (uint j = 0; j < MATRICES_ACROSS; ++j) {
            uint at = strip + j * (MATRIX_COLUMNS / 4u);
            coopMatStore(sums[i][j], staged, at, FOURS_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        }
        subgroup_barrier();
        [[unroll]] for (uint down = 0; down < MATRIX_ROWS; down += ROWS_AT_ONCE) {
            uint in_strip = down + gl_SubgroupInvocationID / FOURS;
            if (here < rows && from < P.n) {
                ivec4 z = ivec4(staged[strip + in_strip * FOURS_STRIDE + four]);
                ivec4 t;
                [[unroll]] for (int j = 0; j < 4; ++j) {
                    t[j] = finish(z[j], records[j]);
                }
                store_four(row_word(result, P.result + from * OUT_BYTES, P.n * OUT_BYTES), from, t);
            }
            // Without a division, which takes as long as the requantization of a result.
            here += ROWS_AT_ONCE;
            result.number += ROWS_AT_ONCE;
            while (result.number >= P.rows) {
                result.number -= P.rows;
                ++result.frame;
            }
        }
        subgroup_barrier();
    }
}
