//! Linear forms of encrypted bits, many in one answer.
//!
//! A client encrypts bits as coefficients; a server has linear forms of them modulo a prime `p`, each with few weights or
//! many, and a constant for each. A form is one coefficient of the product with a polynomial: `M = N / window` forms in
//! one product, at multiples of the window, with garbage between them. Without packing these products are the answers.
//! With packing the garbage is removed by automorphisms that negate it, two products becoming one (Chen, Dai, Kim, Song,
//! *Efficient homomorphic conversion between (ring) LWE ciphertexts*, ACNS 2021, algorithm 2), until all forms are one
//! ciphertext. All products share the client's ciphertext, and an image of a product is the product of the images: so the
//! first steps of the packing are done on that one ciphertext and on the weights, in the clear, and only the last steps
//! take a key switch for each pair.
//!
//! What hides the forms is what hides the weights of [the module above](super): a fresh encryption with the client's
//! public key, and flooding over a bound that is certain.
//!
//! | module | what it holds |
//! |---|---|
//! | [`params`] | ring, window, packing, bounds; where each form lies |
//! | [`key`] | the client's side: encrypt bits, open answers |
//! | [`evaluate`] | the server's side: forms, products, packing, answers |

pub mod evaluate;
pub mod key;
pub mod params;

pub use evaluate::{Evaluator, Form};
pub use key::FormKey;
pub use params::{FormLiteral, FormParams};

#[cfg(test)]
mod tests;
