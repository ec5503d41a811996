//! Model files of every kind: our own, ensembles as JSON, ONNX files of other libraries.

use crate::error::{CliError, Result};
use hedgerow_edge::files;
use hedgerow_forest::ensemble::Ensemble;
use hedgerow_forest::export::json;
use hedgerow_forest::import::onnx;
use hedgerow_forest::model::Forest;
use serde::Deserialize;
use std::path::Path;

/// A model.
pub enum Model {
    /// One that this program has trained.
    Own(Box<Forest>),
    /// Any other tree ensemble.
    Ensemble(Box<Ensemble>),
}

/// The first field of a JSON model, of whichever format.
#[derive(Deserialize)]
struct Head {
    format: Option<String>,
}

impl Model {
    /// Reads a model file; JSON begins with a brace, everything else is taken for ONNX.
    ///
    /// # Errors
    /// [`CliError::Library`] naming the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path)?;
        let name = path.display().to_string();
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            let ensemble = onnx::ensemble(&bytes).map_err(CliError::library(name))?;
            return Ok(Self::Ensemble(Box::new(ensemble)));
        }
        let text = String::from_utf8(bytes).map_err(CliError::library(name.clone()))?;
        let head: Option<Head> = serde_json::from_str(&text).ok();
        if head.and_then(|head| head.format).as_deref() == Some(json::FORMAT) {
            let ensemble = json::decode(&text).map_err(CliError::library(name))?;
            return Ok(Self::Ensemble(Box::new(ensemble)));
        }
        // A file of no known format gets the error of our own.
        let forest = Forest::from_json(&text).map_err(CliError::library(name))?;
        Ok(Self::Own(Box::new(forest)))
    }

    /// The model as text for people.
    pub fn inspect(&self) -> String {
        match self {
            Self::Own(forest) => forest.inspect(),
            Self::Ensemble(ensemble) => ensemble.inspect(),
        }
    }
}
