#version 450 core

// Rows of int8 activations by weights, multiplied by cooperative matrices: what `linear` does in
// WGSL, which has no such matrices of integers. `cargo xtask shaders` compiles this file to gemm.spv.
//
// The bindings are those of every kernel (shaders/memory.wgsl). A workgroup makes a tile of the
// results. Its subgroups share the operands of the tile, of which they hold DEPTH bytes of each row
// and column at a time, and each makes a part of the tile of its own.

#pragma use_vulkan_memory_model
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_EXT_control_flow_attributes : require

// Of the adapter: rows and columns of a matrix of sums, the length of its sums, a multiple of 16, and
// invocations of a subgroup.
layout(constant_id = 0) const uint MATRIX_ROWS = 16;
layout(constant_id = 1) const uint MATRIX_COLUMNS = 16;
layout(constant_id = 2) const uint MATRIX_DEPTH = 32;
layout(constant_id = 3) const uint SUBGROUP = 32;

// Of the tile: its sides, subgroups from top to bottom and from left to right, and what follows from
// these: invocations, and the memory that they share in units of 16 bytes.
layout(constant_id = 4) const uint ROWS = 128;
layout(constant_id = 5) const uint COLUMNS = 128;
layout(constant_id = 6) const uint DEPTH = 128;
layout(constant_id = 7) const uint DOWN = 2;
layout(constant_id = 8) const uint ACROSS = 4;
layout(constant_id = 9) const uint THREADS = 256;
layout(constant_id = 10) const uint SHARED = 2304;

// Of the instruction: 1 where rows of activations begin at multiples of 16 bytes, and the epilogue's,
// see shaders/epilogue.wgsl.
layout(constant_id = 11) const uint A_ALIGNED = 1;
layout(constant_id = 12) const uint OUT_BYTES = 1;
layout(constant_id = 13) const uint HIGH_SHIFTS = 1;
layout(constant_id = 14) const uint TABLE = 0;
layout(constant_id = 15) const uint RESIDUAL = 0;

// The greatest results of both widths; a test of the tests sets smaller ones.
layout(constant_id = 16) const int GREATEST_I8 = 127;
layout(constant_id = 17) const int GREATEST_I16 = 32767;

layout(local_size_x_id = 9, local_size_y = 1, local_size_z = 1) in;

// The arenas of all frames by words, and by fours of them. What is read by fours is never written.
layout(set = 0, binding = 0, std430) buffer Arena { uint arena[]; };
layout(set = 0, binding = 0, std430) readonly buffer Arena4 { uvec4 arena4[]; };
layout(set = 0, binding = 1, std430) readonly buffer Constants { uvec4 constants4[]; };
layout(set = 0, binding = 2, std140) uniform Params {
    uint frame_words;
    uint result;
    uint x;
    uint rows;
    uint n;
    uint k;
    uint table;
    int branch_mantissa;
    uint branch_shift;
    int stream_mantissa;
    uint stream_shift;
    uint requant;
    uint weights;
} P;

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

shared uvec4 staged[SHARED];
shared uint table[64];

// 64-bit integers are (low, high) words.

uvec2 add_64(uvec2 a, uvec2 b) {
    uint carry;
    uint low = uaddCarry(a.x, b.x, carry);
    return uvec2(low, a.y + b.y + carry);
}

// 2^by, for exponents below 64.
uvec2 power_64(uint by) {
    return by < 32u ? uvec2(1u << by, 0u) : uvec2(0u, 1u << (by - 32u));
}

// An arithmetic shift by 1 to 63.
uvec2 shift_right_64(uvec2 a, uint by) {
    int high = int(a.y);
    if (by >= 32u) {
        return uvec2(uint(high >> (by - 32u)), uint(high >> 31));
    }
    return uvec2((a.x >> by) | (a.y << (32u - by)), uint(high >> by));
}

int saturate_i32(uvec2 a) {
    int high = int(a.y);
    if (high == (int(a.x) >> 31)) {
        return int(a.x);
    }
    return high < 0 ? -2147483647 - 1 : 2147483647;
}

// floor(z · mantissa / 2^shift + 1/2), for shifts from 1 to 62.
uvec2 requantize_64(int z, int mantissa, uint shift) {
    int high, low;
    imulExtended(z, mantissa, high, low);
    return shift_right_64(add_64(uvec2(uint(low), uint(high)), power_64(shift - 1u)), shift);
}

// The same for shifts of 33 and more: the rounding term has no low word then.
int requantize_high(int z, int mantissa, uint shift) {
    int high, low;
    imulExtended(z, mantissa, high, low);
    return (high + int(1u << (shift - 33u))) >> (shift - 32u);
}

int requantize(int z, int mantissa, uint shift) {
    if (HIGH_SHIFTS == 1u || shift >= 33u) {
        return requantize_high(z, mantissa, shift);
    }
    return saturate_i32(requantize_64(z, mantissa, shift));
}

int saturate_i8(int z) {
    return clamp(z, -128, GREATEST_I8);
}

int saturate_i16(int z) {
    return clamp(z, -32768, GREATEST_I16);
}

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

void store_two(uint at, int low, int high) {
    low = saturate_i16(low);
    high = saturate_i16(high);
    if (RESIDUAL != 0u) {
        int old = int(arena[at]);
        low = into_stream(low, bitfieldExtract(old, 0, 16));
        high = into_stream(high, old >> 16);
    }
    arena[at] = (uint(low) & 0xffffu) | (uint(high) << 16);
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
        store_two(at, t.x, t.y);
        if (column + 2u < P.n) {
            store_two(at + 1u, t.z, t.w);
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

// Piece number `piece` of the row that begins with word `row`. What lies behind a row's end meets
// weights of 0.
uvec4 load_a(uint row, uint piece) {
    uint at = row + min(piece, (P.k - 1u) / 16u) * 4u;
    if (A_ALIGNED == 1u) {
        return arena4[at / 4u];
    }
    return uvec4(arena[at], arena[at + 1u], arena[at + 2u], arena[at + 3u]);
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
    uint row[LOADS_A];
    uint column[LOADS_B];
    uvec4 a[LOADS_A];
    uvec4 b[LOADS_B];
    [[unroll]] for (uint i = 0; i < LOADS_A; ++i) {
        uint at = lane + i * THREADS;
        row[i] = row_word(row_at(min(first_row + at / PIECES, rows - 1u)), P.x, P.k);
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
        controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
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
        controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
    }
}
