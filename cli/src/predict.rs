//! `hedgerow predict`: scores rows with a published or imported model. Nothing leaves this machine.

use crate::args::Predict;
use crate::error::{CliError, Result};
use crate::model::Model;
use hedgerow_edge::files::FileError;
use hedgerow_forest::ensemble::{Decision, Ensemble, Float, Task};
use hedgerow_forest::model::Forest;
use hedgerow_forest::predict::Predictor;
use hedgerow_party::data::{DataSet, Engine, EngineOptions, Rows, SourceSpec, ValueRows};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// The model's, the data's, and the output's.
pub async fn run(arguments: &Predict) -> Result<()> {
    let model = Model::read(&arguments.model)?;
    let source = SourceSpec::parse(&arguments.input, Path::new("")).map_err(CliError::library("predict"))?;
    let engine = Engine::new(EngineOptions::default()).map_err(CliError::library("predict"))?;
    match model {
        Model::Own(forest) => own(arguments, &forest, &engine, &source).await,
        Model::Ensemble(ensemble) => imported(arguments, &ensemble, &engine, &source).await,
    }
}

async fn own(arguments: &Predict, forest: &Forest, engine: &Engine, source: &SourceSpec) -> Result<()> {
    let binner = forest.binner().map_err(CliError::library("predict"))?;
    let predictor = Predictor::new(forest).map_err(CliError::library("predict"))?;
    let data = DataSet::open_unlabelled(engine, source, &forest.schema)
        .await
        .map_err(CliError::library("predict"))?;
    let mut out = Target::open(arguments)?;
    out.line(format_args!("row,score,positive"));
    let mut row = 0u64;
    data.for_each_block(&binner, Rows::All, |block, _| {
        for score in predictor.scores(block) {
            row += 1;
            out.line(format_args!(
                "{row},{score:.6},{}",
                u8::from(predictor.is_positive(score))
            ));
        }
    })
    .await
    .map_err(CliError::library("predict"))?;
    for warning in data.take_warnings() {
        eprintln!("warning: {warning}");
    }
    out.finish(arguments)
}

/// Scores of an ensemble with all their digits, so that they can be compared with those of its own library.
async fn imported(
    arguments: &Predict,
    ensemble: &Ensemble,
    engine: &Engine,
    source: &SourceSpec,
) -> Result<()> {
    let rows = ValueRows::open(engine, source, ensemble.features())
        .await
        .map_err(CliError::library("predict"))?;
    let parts = ensemble.parts();
    let class = match &parts.task {
        _ if parts.decision == Decision::None => None,
        Task::Classification { .. } => Some("class"),
        Task::Regression { .. } => Some("positive"),
    };
    let width = ensemble.scores_per_row();
    let mut header = vec!["row".to_owned()];
    header.extend((0..width).map(|index| match &parts.task {
        Task::Classification { labels } if labels.len() == width => {
            quoted(&format!("score_{}", labels.text(index).unwrap_or_default()))
        }
        _ if width == 1 => "score".to_owned(),
        _ => format!("score_{index}"),
    }));
    header.extend(class.map(str::to_owned));
    let mut out = Target::open(arguments)?;
    out.line(format_args!("{}", header.join(",")));
    let mut row = 0u64;
    let narrow = ensemble.score_type() == Float::F32;
    let mut scoring = Ok(());
    let unknown = rows.for_each_block(|values| {
        let scored = match ensemble.evaluate(values) {
            Ok(scored) => scored,
            Err(error) => {
                scoring = Err(error);
                return;
            }
        };
        let mut classes = scored.classes.iter();
        for scores in scored.scores.chunks(width) {
            row += 1;
            let mut cells = vec![row.to_string()];
            // The shortest text of the type that the library has.
            let text = |score: &f64| {
                if narrow {
                    (*score as f32).to_string()
                } else {
                    score.to_string()
                }
            };
            cells.extend(scores.iter().map(text));
            cells.extend(classes.next().map(|class| match &parts.task {
                Task::Classification { labels } => quoted(&labels.text(*class as usize).unwrap_or_default()),
                Task::Regression { .. } => class.to_string(),
            }));
            out.line(format_args!("{}", cells.join(",")));
        }
    });
    let unknown = unknown.await.map_err(CliError::library("predict"))?;
    scoring.map_err(CliError::library("predict"))?;
    for (index, count) in unknown.iter().enumerate().filter(|(_, count)| **count > 0) {
        eprintln!(
            "warning: column {:?}: {count} values are no category of the model and count as missing",
            ensemble.feature_name(index)
        );
    }
    out.finish(arguments)
}

/// A cell of a CSV file.
pub fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Where the scores go; the first error is kept until the end of the rows.
struct Target<'a> {
    out: BufWriter<Box<dyn Write>>,
    name: &'a Path,
    written: io::Result<()>,
}

impl<'a> Target<'a> {
    fn open(arguments: &'a Predict) -> Result<Self> {
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
        Ok(Self {
            out: BufWriter::new(target),
            name,
            written: Ok(()),
        })
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        if self.written.is_ok() {
            self.written = writeln!(self.out, "{line}");
        }
    }

    fn finish(mut self, arguments: &Predict) -> Result<()> {
        match self.written.and_then(|()| self.out.flush()) {
            // `hedgerow predict ... | head` is no error.
            Err(error) if arguments.output.is_none() && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(|error| FileError::new("writing", self.name, error).into()),
        }
    }
}
