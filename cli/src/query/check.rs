//! `hedgerow query --check`: answers of a service beside the same model in the clear.

use std::path::Path;

use hedgerow_forest::ensemble::{Decision, Ensemble};
use hedgerow_inference::graph::Graph;
use hedgerow_inference::service::forest::arranged;
use hedgerow_inference::service::{Offer, Rows, forest, network};
use hedgerow_inference::trees::{EncryptedForest, Mode};

use super::service::{Answer, top};
use crate::error::{CliError, Result};
use crate::model;
use crate::serve::forest::Forests;

/// The model in the clear.
pub enum Check {
    /// A network: numbers are close.
    Network(Box<Graph>),
    /// A forest: numbers are the same.
    Forest(Box<Ensemble>),
}

impl Check {
    /// Reads a model of either kind.
    ///
    /// # Errors
    /// A file that is neither.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(match model::forest(path)? {
            Some(ensemble) => Self::Forest(Box::new(ensemble)),
            None => Self::Network(Box::new(crate::plan::net::network(path)?)),
        })
    }

    /// Refuses a model of another kind than the one that is offered, before anything is asked.
    ///
    /// # Errors
    /// The two kinds.
    pub fn fits(&self, offer: &Offer) -> Result<()> {
        let kind = match self {
            Self::Network(_) => network::KIND,
            Self::Forest(_) => forest::KIND,
        };
        let encrypted = kind == network::KIND && offer.kind == network::encrypted::KIND;
        if kind == offer.kind || encrypted {
            return Ok(());
        }
        Err(CliError::Config(format!(
            "--check: a {kind}, but the service offers a {}",
            offer.kind
        )))
    }

    /// Prints how the answers differ.
    ///
    /// # Errors
    /// A model of other outputs or columns.
    pub fn compare(&self, offer: &Offer, rows: &Rows, answers: &[Answer], forests: &Forests) -> Result<()> {
        match self {
            Self::Network(graph) => of_network(graph, rows, answers),
            Self::Forest(ensemble) => of_forest(ensemble, offer, rows, answers, forests),
        }
    }
}

/// Differences from the network in the clear.
fn of_network(graph: &Graph, rows: &Rows, answers: &[Answer]) -> Result<()> {
    let (mut largest, mut sum, mut count, mut same) = (0.0f64, 0.0, 0u32, 0);
    for (row, answer) in rows.iter().zip(answers) {
        let clear = graph
            .evaluate_original(row)
            .map_err(CliError::library("--check"))?;
        outputs(clear.len(), answer)?;
        same += usize::from(top(&clear) == top(&answer.values));
        for (a, b) in clear.iter().zip(&answer.values) {
            largest = largest.max((a - b).abs());
            sum += (a - b).abs();
            count += 1;
        }
    }
    println!(
        "against the clear network: largest difference 2^{:.1}, mean 2^{:.1}; {same} of {} decisions the same",
        largest.log2(),
        (sum / f64::from(count.max(1))).log2(),
        answers.len()
    );
    Ok(())
}

/// Whether scores are those of the binned forest in the clear, compiled as `serve` compiles it, and how far these are from
/// the forest as it is, whose leaf values are not rounded.
fn of_forest(
    ensemble: &Ensemble,
    offer: &Offer,
    rows: &Rows,
    answers: &[Answer],
    forests: &Forests,
) -> Result<()> {
    let mode = offer
        .mode
        .parse::<Mode>()
        .map_err(|error| CliError::Config(format!("--check: {error}")))?;
    let binned = EncryptedForest::compile(ensemble, mode, &forests.options(ensemble, mode)?)
        .map_err(CliError::library("--check"))?;
    let rows = arranged(&binned.offer().columns, rows).map_err(CliError::library("--check"))?;
    let (mut exact, mut largest, mut same) = (0, 0.0f64, 0);
    for (row, answer) in rows.iter().zip(answers) {
        let clear = binned.predict(row).map_err(CliError::library("--check"))?;
        outputs(clear.scores.len(), answer)?;
        exact += usize::from(clear.scores == answer.values && clear.label == answer.label);
        let original = ensemble.evaluate(row).map_err(CliError::library("--check"))?;
        for (a, b) in original.scores.iter().zip(&answer.values) {
            largest = largest.max((a - b).abs());
        }
        let class = match forests.threshold {
            Some(threshold) => original.scores.last().map(|score| u32::from(*score > threshold)),
            None => original.classes.first().copied(),
        };
        same += usize::from(class == clear.class);
    }
    let all = answers.len();
    println!("against the clear binned forest: {exact} of {all} rows exactly the same");
    if mode == Mode::LabelOnly {
        println!("against the forest itself: {same} of {all} classes the same");
        return Ok(());
    }
    let classes = match ensemble.parts().decision != Decision::None {
        true => format!("; {same} of {all} classes the same"),
        false => String::new(),
    };
    println!("against the forest itself: largest difference of a score {largest:.2e}{classes}");
    Ok(())
}

fn outputs(clear: usize, answer: &Answer) -> Result<()> {
    match answer.values.len() {
        seen if seen == clear => Ok(()),
        seen => Err(CliError::Config(format!(
            "--check: {clear} outputs, the service's model has {seen}"
        ))),
    }
}
