//! The word-by-word kernels of lattice schemes: AVX-512 IFMA where the machine has it, the same arithmetic in plain Rust
//! elsewhere. Which one runs is chosen at run time; the tests hold them equal.
//!
//! All moduli are below `2^50`, all words below `2^52`. Sums of products are kept as the sums of the low and of the
//! high 52 bits of each product and reduced once (`madd52lo`, `madd52hi`); products with a known factor use Shoup's
//! form in base `2^52`. Lengths are multiples of 8 words; the functions panic otherwise, or if lengths differ.
//!
//! This is the only module of the crate with `unsafe` code: unaligned vector loads and stores, and calls of
//! functions whose CPU features were just detected.

mod portable;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod ifma;

/// Words that are handled at once.
pub const LANES: usize = 8;

/// So many products below `2^100` may be summed before a reduction.
pub const MAX_PRODUCTS: usize = 15;

const MASK: u64 = (1 << 52) - 1;

/// A modulus below `2^50` with what the kernels need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reducer {
    pub(super) modulus: u64,
    /// `2^52` modulo the modulus, prepared.
    pub(super) wrap: Factor,
    /// `floor(2^52 / modulus)`.
    pub(super) reciprocal: u64,
}

/// A reduced factor, prepared for products modulo one modulus: `floor(2^52 value / modulus)` beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factor {
    pub(super) value: u64,
    pub(super) quotient: u64,
}

impl Reducer {
    /// For a modulus in `2..2^50`; `None` outside.
    pub const fn new(modulus: u64) -> Option<Self> {
        if modulus < 2 || modulus >> 50 != 0 {
            return None;
        }
        let mut reducer = Self {
            modulus,
            wrap: Factor {
                value: 0,
                quotient: 0,
            },
            reciprocal: (1 << 52) / modulus,
        };
        reducer.wrap = reducer.factor((1 << 52) % modulus);
        Some(reducer)
    }

    /// The modulus.
    pub const fn modulus(&self) -> u64 {
        self.modulus
    }

    /// So many products of two reduced words may be summed before a reduction.
    pub(super) const fn products(&self) -> usize {
        let bits = 64 - self.modulus.leading_zeros();
        // The high halves stay below 2^52, the low ones below 2^64.
        if bits > 46 { 1 << (104 - 2 * bits) } else { 1 << 12 }
    }

    /// Prepares a reduced factor.
    pub const fn factor(&self, value: u64) -> Factor {
        Factor {
            value,
            quotient: (((value as u128) << 52) / self.modulus as u128) as u64,
        }
    }
}

impl Factor {
    /// The factor.
    pub const fn value(&self) -> u64 {
        self.value
    }
}

/// Whether the vector code runs on this machine.
pub fn accelerated() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512ifma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

macro_rules! kernels {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),* $(,)?);)*) => {
        $(
            $(#[$doc])*
            #[allow(unsafe_code, clippy::too_many_arguments)]
            pub fn $name($($argument: $kind),*) {
                #[cfg(target_arch = "x86_64")]
                if accelerated() {
                    // SAFETY: the CPU has avx512f and avx512ifma, which is all that the function asks for.
                    return unsafe { ifma::$name($($argument),*) };
                }
                portable::$name($($argument),*)
            }
        )*

        /// The vector code beside its twin, under one set of names.
        #[cfg(all(test, target_arch = "x86_64"))]
        mod both {
            $(
                #[allow(unsafe_code, clippy::too_many_arguments)]
                pub fn $name($($argument: $kind),*) {
                    // SAFETY: the tests that call this checked `accelerated()`.
                    unsafe { super::ifma::$name($($argument),*) }
                }
            )*
            use super::{Factor, Reducer};
        }
    };
}

kernels! {
    /// `words[i] = words[i] factor + shift`; words below `2^52` in, reduced out.
    scale(words: &mut [u64], factor: Factor, shift: u64, reducer: Reducer);
    /// `out[i] = shift + sum_j sources[j][i] weights[j]`, for `weights.len()` sources one after the other, at most
    /// [`MAX_PRODUCTS`], each word below `2^50`.
    convert(out: &mut [u64], sources: &[u64], weights: &[u64], shift: u64, reducer: Reducer);
    /// `out[i] = sum_j a[j][i] b[j][i]`, for any number of pairs.
    dot(out: &mut [u64], a: &[&[u64]], b: &[&[u64]], reducer: Reducer);
    /// Both of `out0[i] = sum_j a[j][i] b0[j][i]` and `out1[i] = sum_j a[j][i] b1[j][i]`.
    dot_pair(out0: &mut [u64], out1: &mut [u64], a: &[&[u64]], b0: &[&[u64]], b1: &[&[u64]], reducer: Reducer);
    /// `out[i] = sum_j weights[j] sources[picks[j] L + i]`, for the length `L` of `out`: at most 32 words.
    combine(out: &mut [u64], sources: &[u64], picks: &[u32], weights: &[u64], reducer: Reducer);
    /// `words[i] = (words[i] - other[i]) factor`.
    sub_scale(words: &mut [u64], other: &[u64], factor: Factor, reducer: Reducer);
    /// `words[i] += other[i] factor`.
    add_scaled(words: &mut [u64], other: &[u64], factor: Factor, reducer: Reducer);
    /// `(a0 + a1 x)(b0 + b1 x) = out0 + out1 x + out2 x^2`.
    tensor(out0: &mut [u64], out1: &mut [u64], out2: &mut [u64], a0: &[u64], a1: &[u64], b0: &[u64], b1: &[u64], reducer: Reducer);
    /// `words[i] *= other[i]`.
    mul(words: &mut [u64], other: &[u64], reducer: Reducer);
    /// `out[i] = a[i] b[i]`.
    mul_into(out: &mut [u64], a: &[u64], b: &[u64], reducer: Reducer);
    /// `words[i] += a[i] b[i]`.
    mul_add(words: &mut [u64], a: &[u64], b: &[u64], reducer: Reducer);
    /// `words[i] += other[i]`.
    add(words: &mut [u64], other: &[u64], reducer: Reducer);
    /// `words[i] -= other[i]`.
    sub(words: &mut [u64], other: &[u64], reducer: Reducer);
    /// `words[i] = -words[i]`.
    negate(words: &mut [u64], reducer: Reducer);
    /// `out[i] = source[table[i]]`, where the table maps each group of 8 into one such group.
    permute(out: &mut [u64], source: &[u64], table: &[u32]);
    /// `out[i] = numbers[i]` modulo the modulus, for numbers from `-2^62` up to below `2^62`.
    reduce_signed(out: &mut [u64], numbers: &[i64], reducer: Reducer);
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
