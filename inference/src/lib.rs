//! Encrypted evaluation of networks and forests: tile tensors, a packing optimizer, one evaluator over several schemes.
//!
//! What it is: a compiler from a model to a plan, and the evaluator that runs a plan over any scheme. What it is not:
//! cryptography (that is `hedgerow-crypto`), a network, or a reader of files.
#![forbid(unsafe_code)]
