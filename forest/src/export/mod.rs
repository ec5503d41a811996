//! Models for other programs.
//!
//! What it is: an [`crate::ensemble::Ensemble`] as an ONNX file ([`onnx`]) or as plain JSON ([`json`]). A model of our
//! own becomes an ensemble first ([`crate::ensemble::Ensemble::from_forest`]). What it is not: our own model file, which
//! [`crate::model`] writes.

pub mod json;
pub mod onnx;
