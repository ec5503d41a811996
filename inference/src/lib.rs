//! Encrypted evaluation of networks: tile tensors, a packing optimizer, one evaluator over several schemes.
//!
//! What it is: a compiler from a model to a plan, and the evaluator that runs a plan over any scheme. What it is not:
//! cryptography (that is `hedgerow-crypto`), a network, or a reader of files.
//!
//! | module | what it is |
//! |---|---|
//! | [`scheme`] | the seam to cryptography, the clear scheme that is the oracle, the simulation that only counts |
//! | [`tile`] | tile tensors: the notation, packing, operators |
//! | [`graph`] | networks as affine maps and polynomials: ONNX, calibration, the f64 oracle |
//! | [`linear`] | any affine map as generalised diagonals between any two layouts |
//! | [`plan`](mod@plan) | the search for layouts, splits and ring; plans as data |
//! | [`eval`] | a prepared model, run over any scheme |
//! | [`trees`] | forests: public structure, private model |
//! | [`service`] | a service of encrypted evaluation: machines of both sides, wire, the seam to models |
#![forbid(unsafe_code)]

pub mod eval;
pub mod graph;
pub mod linear;
pub mod plan;
pub mod scheme;
pub mod service;
pub mod tile;
pub mod trees;
