//! Tree ensembles from ONNX files.
//!
//! What is read: one `TreeEnsembleClassifier`, `TreeEnsembleRegressor` (`ai.onnx.ml` 1 to 4) or `TreeEnsemble` (5), as
//! skl2onnx writes decision trees, random forests, extra trees, gradient boosting and histogram gradient boosting, and
//! onnxmltools XGBoost and LightGBM; in front of it `Identity`, `Cast`, `Concat` of columns and `LabelEncoder` of
//! categories; behind it `Identity`, `Cast`, `ZipMap`, `Normalizer`, `ArrayFeatureExtractor`, `Concat`, `ArgMax`, `Add`,
//! `Sub`, `Mul`, `Div`, `Neg`, `Reciprocal`, `Exp`, `Sigmoid`, `Reshape` and `GreaterOrEqual`, in the places where converters put them.
//! Everything else is refused with the name of operator and node.

use prost::Message;

use super::ImportError;
use crate::ensemble::{Ensemble, Feature};
use crate::onnx::{self, FEATURES_KEY};

mod attributes;
mod graph;
mod operators;
mod trees;

/// Most bytes of a file.
pub const MAX_BYTES: usize = 1 << 29;

/// The ensemble of an ONNX file.
///
/// # Errors
/// An [`ImportError`] that names the operator and node, or tree and node, at fault.
pub fn ensemble(file: &[u8]) -> Result<Ensemble, ImportError> {
    if file.len() > MAX_BYTES {
        let (limit, seen) = (MAX_BYTES, file.len());
        return Err(ImportError::Size { limit, seen });
    }
    let model = onnx::Model::decode(file).map_err(|error| ImportError::Syntax {
        reason: error.to_string(),
    })?;
    let features = model.metadata().get(FEATURES_KEY).and_then(|text| {
        // Metadata is for people; a file whose metadata are not ours is read without them.
        serde_json::from_str::<Vec<Feature>>(text).ok()
    });
    let graph = model.graph.ok_or_else(|| ImportError::Syntax {
        reason: "there is no graph in it".to_owned(),
    })?;
    graph::read(&graph, features)
}

/// Whether an ONNX file has an ensemble of trees in it: other files may be networks.
pub fn has_trees(file: &[u8]) -> bool {
    let Ok(model) = onnx::Model::decode(file) else {
        return false;
    };
    let nodes = model.graph.into_iter().flat_map(|graph| graph.node);
    nodes
        .into_iter()
        .any(|node| node.op_type.starts_with("TreeEnsemble") && node.domain == onnx::ML_DOMAIN)
}

#[cfg(test)]
mod tests;
