//! `hedgerow export`: a model for other programs.

use crate::args::{Export, ExportFormat};
use crate::error::{CliError, Result};
use crate::model::Model;
use hedgerow_edge::files;
use hedgerow_forest::ensemble::Ensemble;
use hedgerow_forest::export::{json, onnx};
use hedgerow_forest::model::Forest;
use serde_json::json;

/// Runs the command.
///
/// # Errors
/// The model's, or [`CliError::Library`] naming what the format cannot hold.
pub fn run(arguments: &Export) -> Result<()> {
    let name = arguments.model.display().to_string();
    let doing = || format!("export of {name}");
    let (ensemble, metadata) = match Model::read(&arguments.model)? {
        Model::Own(forest) => {
            let ensemble = Ensemble::from_forest(&forest).map_err(CliError::library(doing()))?;
            (ensemble, metadata(&forest))
        }
        Model::Ensemble(ensemble) => (*ensemble, Vec::new()),
    };
    let bytes = match arguments.to {
        ExportFormat::Json => json::encode(&ensemble)
            .map_err(CliError::library(doing()))?
            .into_bytes(),
        ExportFormat::Onnx => {
            let options = onnx::Options {
                columns: arguments.columns,
                ml_3: arguments.ml_3,
                metadata,
            };
            onnx::encode(&ensemble, &options).map_err(CliError::library(doing()))?
        }
    };
    files::write_atomic(&arguments.out, &bytes)?;
    println!("{}: {} bytes", arguments.out.display(), bytes.len());
    Ok(())
}

/// What else a model of our own says, for whoever looks into the file.
fn metadata(forest: &Forest) -> Vec<(String, String)> {
    let encoding = "features: [rows, columns] in the order of hedgerow.features; a category is given as its position in \
                    its list; NaN is missing, and so is any whole number that is no category";
    let label = json!({"name": forest.schema.label.name, "positive": forest.schema.label.positive});
    let mut pairs = vec![
        ("hedgerow.encoding".to_owned(), encoding.to_owned()),
        ("hedgerow.label".to_owned(), label.to_string()),
    ];
    // Numbers and texts always have a JSON form.
    if let Ok(statement) = serde_json::to_string(&forest.statement) {
        pairs.push(("hedgerow.privacy".to_owned(), statement));
    }
    pairs
}
