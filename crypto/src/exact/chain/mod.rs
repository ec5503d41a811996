//! One sum over entities of weights times the bits of *two* attribute parties: the chain.
//!
//! A cell whose path tests attributes of two parties is `T = sum_e u[e] a[e] b[e]`: the row party knows `u`, the first
//! attribute party the bits `a`, the second the bits `b`, over one common order of entities. Products are slot by slot
//! modulo a prime `p = 1 mod 2N` (see [`super::slots`]):
//!
//! 1. The *first* party encrypts `a` under its own key, in slots ([`ChainKey::encrypt_slots`]).
//! 2. The *second* multiplies by `b`, adds a fresh encryption of zero with the first party's public key, floods all
//!    coefficients, drops one prime, and passes on ([`ChainParams::pass_on`]).
//! 3. The *row party* multiplies by `N u`, so that coefficient 0 is the sum over slots, adds blocks, a uniform mask,
//!    floods coefficient 0 and switches to one prime ([`ChainProduct`]): an ordinary [`Answer`](super::Answer) of one
//!    cell. Coefficient 0 of a polynomial is the mean of its values, hence the factor `N`.
//! 4. The first party opens `T + mask`: both have a share modulo `p`.
//!
//! # What nobody learns, and what two together would
//! The row party sees ciphertexts under the first party's key only. The first party opens one coefficient, uniform by
//! the mask, with noise that the row party's flooding covers at least 40 bits wide, all of the second party's noise
//! included. The second party sees encryptions of the first's bits. The row party *together with the first* would open
//! what the second passed on, `a[e] b[e]` for every entity: the second party's bits wherever the first's are 1. So the
//! chain stands against one dishonest party, and not against two. (The second party's own flooding covers its bits in the *noise* of what
//! these two would open; what is passed on may be opened by nobody else.)
//!
//! # Parameters
//! `N = 8192`, `Q` four primes of 50 bits. The second party's product is flooded by as little as is allowed, since the
//! noise is multiplied once more; its last prime is dropped then, which takes 50 bits of noise along with a quarter of
//! the bytes. Certain bounds, no tails: a coefficient modulo `p` is at most `p / 2`.
//!
//! | | first party | second party | row party |
//! |---|---|---|---|
//! | hidden | | `H1 = N p/2 (21 + 1) + fresh` | `H2 = k N p/2 ((H1 + B1) / q + 4097) + fresh`, of `k` blocks |
//! | flooded | | `B1 = 2^40 H1` on `N` coefficients | `B2 >= 2^40 H2` on one, as wide as fits below `Q / q / 2p` |
//!
//! `p` has up to 27 bits for 128 blocks (a million entities), 28 bits for 16.

mod key;
mod params;
mod pass;
mod product;

pub use key::ChainKey;
pub use params::{ChainLiteral, ChainParams};
pub use pass::PassedBlock;
pub use product::{ChainBlock, ChainProduct, ChainScratch};

#[cfg(test)]
mod tests;
