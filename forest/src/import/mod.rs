//! Tree ensembles of other libraries.
//!
//! What it is: readers of files into an [`crate::ensemble::Ensemble`]. What it is not: a general ONNX runtime; a file
//! with anything else than trees and the few operators that converters put around them is refused by name.

mod error;
pub mod onnx;

pub use error::ImportError;
