// What kernels of cooperative matrices share: the extensions that they take, the bindings, and the
// arithmetic of requantization.

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

// Of a workgroup: its invocations, and the memory that they share in pieces of 16 bytes.
layout(constant_id = 4) const uint THREADS = 256;
layout(constant_id = 5) const uint SHARED = 2304;

// Of the instruction: 1 where rows of activations begin at multiples of 16 bytes, and 1 where every
// shift is 33 or more.
layout(constant_id = 6) const uint ALIGNED = 1;
layout(constant_id = 7) const uint HIGH_SHIFTS = 1;

// The greatest results of both widths; a test of the tests sets smaller ones.
layout(constant_id = 8) const int GREATEST_I8 = 127;
layout(constant_id = 9) const int GREATEST_I16 = 32767;

layout(local_size_x_id = 4, local_size_y = 1, local_size_z = 1) in;

// The arenas of all frames by words, and by fours of them. What is read by fours is never written.
layout(set = 0, binding = 0, std430) buffer Arena { uint arena[]; };
layout(set = 0, binding = 0, std430) readonly buffer Arena4 { uvec4 arena4[]; };
layout(set = 0, binding = 1, std430) readonly buffer Constants { uvec4 constants4[]; };

shared uvec4 staged[SHARED];

// The piece of a row of activations that begins at word `at`.
uvec4 piece_at(uint at) {
    if (ALIGNED == 1u) {
        return arena4[at / 4u];
    }
    return uvec4(arena[at], arena[at + 1u], arena[at + 2u], arena[at + 3u]);
}

// Makes visible to its subgroup what an invocation has written to shared memory.
void subgroup_barrier() {
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

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
