//! Sums of scores for many rows, packed in slots.
//!
//! Modulo a prime `p = 1 mod 2N` the ring is `N` copies of `Z_p`: a block holds `N` entities, one in each slot, and a
//! product by weights multiplies slot by slot (Smart and Vercauteren, *Fully homomorphic SIMD operations*, ePrint
//! 2011/133). An answer gives one sum per slot: of `N` different rows, each of an entity in that slot of any block.
//! All coefficients of an answer are opened, so all are flooded.
//!
//! `N = 8192`, `Q` three primes of 50 bits, `p` the smallest prime that exceeds the largest total.

mod key;
mod params;
mod product;

pub use key::SlotKey;
pub(in crate::exact) use params::prime_from;
pub use params::{MAX_PLAINTEXT, SlotLiteral, SlotParams};
pub(in crate::exact) use product::lift;
pub use product::{SlotBlock, SlotProduct, SlotScratch};

#[cfg(test)]
mod tests;
