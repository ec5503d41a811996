//! `hedgerow predict`: scores rows with a published model. Nothing leaves this machine.

use crate::args::Predict;
use crate::error::{CliError, Result};
use hedgerow_edge::files::{self, FileError};
use hedgerow_forest::model::Forest;
use hedgerow_forest::predict::Predictor;
use hedgerow_party::data::{DataSet, Engine, EngineOptions, Rows, SourceSpec};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Reads a model file.
///
/// # Errors
/// [`CliError::Library`] naming the file.
pub fn model(path: &Path) -> Result<Forest> {
    Forest::from_json(&files::read_text(path)?).map_err(CliError::library(path.display().to_string()))
}

/// Runs the command.
///
/// # Errors
/// The model's, the data's, and the output's.
pub async fn run(arguments: &Predict) -> Result<()> {
    let forest = model(&arguments.model)?;
    let binner = forest.binner().map_err(CliError::library("predict"))?;
    let predictor = Predictor::new(&forest).map_err(CliError::library("predict"))?;
    let source = SourceSpec::parse(&arguments.input, Path::new("")).map_err(CliError::library("predict"))?;
    let engine = Engine::new(EngineOptions::default()).map_err(CliError::library("predict"))?;
    let data = DataSet::open_unlabelled(&engine, &source, &forest.schema)
        .await
        .map_err(CliError::library("predict"))?;
    let (target, name) = match &arguments.output {
        Some(path) => {
            let file = File::create(path).map_err(CliError::file(path, "writing"))?;
            (Box::new(file) as Box<dyn Write>, path.as_path())
        }
        None => (
            Box::new(io::stdout().lock()) as Box<dyn Write>,
            Path::new("standard output"),
        ),
    };
    let mut out = BufWriter::new(target);
    let mut written = writeln!(out, "row,score,positive");
    let mut row = 0u64;
    data.for_each_block(&binner, Rows::All, |block, _| {
        for score in predictor.scores(block) {
            row += 1;
            if written.is_ok() {
                written = writeln!(out, "{row},{score:.6},{}", u8::from(predictor.is_positive(score)));
            }
        }
    })
    .await
    .map_err(CliError::library("predict"))?;
    for warning in data.take_warnings() {
        eprintln!("warning: {warning}");
    }
    match written.and_then(|()| out.flush()) {
        // `hedgerow predict ... | head` is no error.
        Err(error) if arguments.output.is_none() && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| FileError::new("writing", name, error).into()),
    }
}
