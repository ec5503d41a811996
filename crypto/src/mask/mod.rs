//! The masks of secure aggregation, after Bonawitz et al., *Practical Secure Aggregation for Privacy-Preserving
//! Machine Learning*, CCS 2017.
//!
//! In `Z_M`, party `i` of the ordered parties sends
//! `x_i + PRG(b_i) + sum_{j > i} PRG(s_ij) - sum_{j < i} PRG(s_ij)`.
//! In the sum over all parties the pair masks `s_ij` cancel. Self masks `b_i` come off, and pair masks of a party
//! that dropped, when `tau` parties hand over their Shamir shares of the seeds.
//!
//! | module | what it holds |
//! |---|---|
//! | [`modulus`] | `M`, arithmetic in place, words on the wire |
//! | [`prg`] | from a seed to a mask as long as the vector; many masks onto one vector |
//! | [`pairwise`] | `s_ij` from X25519 keys, and who adds and who subtracts |
//! | [`self_mask`] | `b_i` |
//! | [`shamir`] | shares of seeds |
//! | [`transcript`] | what the pair masks are bound to |

pub mod modulus;
pub mod pairwise;
pub mod prg;
pub mod self_mask;
pub mod shamir;
pub mod transcript;
