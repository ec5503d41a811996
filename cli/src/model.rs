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
        Self::read_bytes(files::read(path)?, &path.display().to_string())
    }

    fn read_bytes(bytes: Vec<u8>, name: &str) -> Result<Self> {
        if !is_json(&bytes) {
            let ensemble = onnx::ensemble(&bytes).map_err(CliError::library(name))?;
            return Ok(Self::Ensemble(Box::new(ensemble)));
        }
        let text = String::from_utf8(bytes).map_err(CliError::library(name))?;
        let head: Option<Head> = serde_json::from_str(&text).ok();
        if head.and_then(|head| head.format).as_deref() == Some(json::FORMAT) {
            let ensemble = json::decode(&text).map_err(CliError::library(name))?;
            return Ok(Self::Ensemble(Box::new(ensemble)));
        }
        // A file of no known format gets the error of our own.
        let forest = Forest::from_json(&text).map_err(CliError::library(name))?;
        Ok(Self::Own(Box::new(forest)))
    }

    /// As an ensemble, whichever it is.
    ///
    /// # Errors
    /// A model of our own that does not hold together, under this name.
    pub fn into_ensemble(self, name: &str) -> Result<Ensemble> {
        match self {
            Self::Own(forest) => Ensemble::from_forest(&forest).map_err(CliError::library(name)),
            Self::Ensemble(ensemble) => Ok(*ensemble),
        }
    }

    /// The model as text for people.
    pub fn inspect(&self) -> String {
        match self {
            Self::Own(forest) => forest.inspect(),
            Self::Ensemble(ensemble) => ensemble.inspect(),
        }
    }
}

/// The forest of a file; `None` for a file without trees, which may be a network.
///
/// # Errors
/// [`CliError::Library`] naming the file and what is wrong with its forest.
pub fn forest(path: &Path) -> Result<Option<Ensemble>> {
    let bytes = files::read(path)?;
    if !is_json(&bytes) && !onnx::has_trees(&bytes) {
        return Ok(None);
    }
    let name = path.display().to_string();
    Model::read_bytes(bytes, &name)?.into_ensemble(&name).map(Some)
}

/// JSON begins with a brace.
fn is_json(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}
