//! Functions of real numbers that give the same bits on every machine.
//!
//! IEEE 754 settles sums, products, quotients, square roots and the rounding to integers. It does
//! not settle the functions here: the standard library calls the platform's, which differ in the
//! last bits. A conversion takes all of them from here, and clippy refuses the standard library's
//! in the crates of the converter. Its sums have one order, and no multiplication is fused with an
//! addition.

pub use libm::{
    cos, cosf, erf, erfc, exp, expf, expm1, log, log1p, log1pf, log2, log10, logf, pow, sin, sinf, tanh,
    tanhf,
};

/// `x²`.
pub fn square(x: f64) -> f64 {
    x * x
}

/// `2ⁿ`, exactly where it is a number of 64 bits.
pub fn power_of_two(n: i32) -> f64 {
    libm::scalbn(1.0, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_exact() {
        for n in [-1074, -1073, -1022, -1, 0, 1, 62, 1023] {
            let bits = if n < -1022 { 1u64 << (n + 1074) } else { ((n + 1023) as u64) << 52 };
            assert_eq!(power_of_two(n).to_bits(), bits, "2^{n}");
        }
    }
}
