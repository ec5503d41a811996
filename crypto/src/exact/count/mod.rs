//! Sums of counts over entities, packed in coefficients.
//!
//! A block holds `L = N / m` entities: the bit of entity `i` is the coefficient of `X^i`. The row party has `m` cells
//! side by side: the weight of cell `g` for entity `e` is the coefficient of `X^(gL - e)`. In the product the
//! coefficient of `X^(gL)` is the inner product of cell `g`, as exponents of other cells are off by more than `L`.
//! There is no rotation and no key for one. Sums over blocks are sums of products. A block is 128 KiB, so that memory
//! is what bounds one cell at a time: with several cells of one predicate, go block by block and within it cell by cell.
//!
//! `N = 4096`, `Q` two primes of 50 bits, `p = 2^30`; for larger sums than these flood, `N = 8192` and three primes.

mod key;
mod params;
mod product;

pub use key::AttributeKey;
pub use params::{CountLiteral, CountParams, MAX_SEGMENTS, PLAINTEXT};
pub use product::{PredicateBlock, Product, Scratch};

#[cfg(test)]
mod noise_tests;
#[cfg(test)]
mod tests;
