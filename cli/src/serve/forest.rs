//! Forests that are served.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::Ensemble;
use hedgerow_inference::service::forest::{HostedForest, MAX_ROWS};
use hedgerow_inference::trees::{Edges, EncryptedForest, Mode, Options};
use tracing::{info, warn};

use crate::error::{CliError, Result};
use crate::query::input::Input;

/// How forests are compiled, beside their mode.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Of forests")]
pub struct Forests {
    /// Bin edges at quantiles of these rows (.npy or CSV with the model's columns), which are public: edges then tell nothing
    /// of the model, and thresholds move to the nearest edge [default: the model's own thresholds]
    #[arg(long, value_name = "FILE")]
    pub bins: Option<PathBuf>,
    /// Bits of a leaf value, sign included; label-only takes fewer where there are many trees [default: 16]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(2..=24))]
    pub leaf_bits: Option<u32>,
    /// In label-only: the score of the second class, or of a regression, that a row must exceed [default: the rule by which the
    /// model itself decides]
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
}

impl Forests {
    /// Options for a model in a mode.
    ///
    /// # Errors
    /// A file that does not read, or of other columns; a threshold where a mode compares with none.
    pub fn options(&self, model: &Ensemble, mode: Mode) -> Result<Options> {
        let mut options = Options::default();
        if let Some(path) = &self.bins {
            let (rows, said) = Input::read(path)?.rows(model.features())?;
            said.iter().for_each(|line| warn!("{line}"));
            let width = model.features().len();
            if rows.width() != width {
                return Err(CliError::Config(format!(
                    "--bins {}: {} columns, expected {width}",
                    path.display(),
                    rows.width()
                )));
            }
            let values: Vec<f64> = rows.iter().flatten().copied().collect();
            options.edges = Edges::quantiles(&values, width);
        }
        if let Some(bits) = self.leaf_bits {
            options.leaf_bits = bits;
        }
        if self.threshold.is_some() && mode != Mode::LabelOnly {
            return Err(CliError::Config(format!(
                "--threshold: for --mode {}, and not for {mode}, which tells scores",
                Mode::LabelOnly
            )));
        }
        options.threshold = self.threshold;
        Ok(options)
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.arguments().is_empty()
    }

    /// The same as arguments of a command line.
    pub fn arguments(&self) -> Vec<OsString> {
        let bins = self.bins.as_ref().map(|path| path.as_os_str().to_owned());
        let values = [
            ("--bins", bins),
            ("--leaf-bits", self.leaf_bits.map(|bits| bits.to_string().into())),
            (
                "--threshold",
                self.threshold.map(|score| score.to_string().into()),
            ),
        ];
        let given = values
            .into_iter()
            .filter_map(|(name, value)| Some([name.into(), value?]));
        given.flatten().collect()
    }
}

/// The mode of `--mode`; without it the one that tells a client least.
///
/// # Errors
/// Names of no mode, or of one that is not there yet.
pub fn mode(asked: Option<&str>) -> Result<Mode> {
    match asked {
        Some(text) => text
            .parse::<Mode>()
            .map_err(|error| CliError::Config(format!("--mode: {error}"))),
        None => Ok(Mode::PrivateModel),
    }
}

/// Compiles a forest. Of encrypted-model, the key derives from `seed` and the model: with the same one, clients that have
/// downloaded the model need not do so again.
///
/// # Errors
/// A forest that does not fit the mode, with a mode that it fits; more rows in a request than a forest takes.
pub fn host(
    path: &Path,
    name: String,
    model: &Ensemble,
    mode: Mode,
    batch: u32,
    forests: &Forests,
    seed: &Seed,
) -> Result<HostedForest> {
    let wrong = |error: &dyn std::fmt::Display| CliError::Config(format!("{}: {error}", path.display()));
    let rows = batch as usize;
    let forest = EncryptedForest::compile(model, mode, &forests.options(model, mode)?)
        .map_err(|error| wrong(&error))?;
    let most = MAX_ROWS * forest.plan().rows;
    if rows > most {
        let most = format!("--batch {rows}: a request about a forest carries at most {most} rows in {mode}");
        return Err(wrong(&most));
    }
    let plan = forest.plan();
    info!(
        model = name,
        trees = plan.trees,
        leaves = plan.leaves,
        degree = plan.parameters.degree(),
        flooding_bits = plan.flooding_bits,
        leaf_bits = plan.leaf_bits,
        bootstraps = plan.bootstraps,
        predicted_ms = plan.seconds * 1e3,
        "compiled for {mode}"
    );
    if !plan.exact_bins {
        warn!(
            model = name,
            "some thresholds are moved to a public edge, or merged (63 of a feature): scores are those of that binned forest"
        );
    }
    HostedForest::keyed(name, forest, rows, seed).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use hedgerow_crypto::seed::Seed;
    use hedgerow_inference::trees::bench::complete_forest;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        forests: Forests,
    }

    fn model() -> Ensemble {
        complete_forest(3, 2, 2, &mut Seed::from_bytes([1; 32]).rng()).unwrap()
    }

    #[test]
    fn arguments_are_passed_on_as_they_came() {
        let given = ["--bins", "rows.csv", "--leaf-bits", "12", "--threshold", "-0.25"];
        let line = Line::parse_from(["serve"].iter().chain(&given));
        assert_eq!(line.forests.arguments(), given.map(OsString::from));
        assert!(!line.forests.is_empty() && Line::parse_from(["serve"]).forests.is_empty());
        assert!(Line::try_parse_from(["serve", "--leaf-bits", "25"]).is_err());
    }

    #[test]
    fn public_rows_make_edges_and_thresholds_are_for_labels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, "1,5\n2,6\n3,7\n").unwrap();
        let forests = Forests {
            bins: Some(path.clone()),
            leaf_bits: Some(12),
            threshold: None,
        };
        let options = forests.options(&model(), Mode::PrivateModel).unwrap();
        assert_eq!(
            options.edges,
            Edges::quantiles(&[1.0, 5.0, 2.0, 6.0, 3.0, 7.0], 2)
        );
        assert_eq!(options.leaf_bits, 12);
        std::fs::write(&path, "1,5,9\n").unwrap();
        let error = forests.options(&model(), Mode::PrivateModel).unwrap_err();
        assert!(error.to_string().contains("3 columns, expected 2"), "{error}");
        let labels = Forests {
            threshold: Some(0.5),
            ..Forests::default()
        };
        assert_eq!(
            labels.options(&model(), Mode::LabelOnly).unwrap().threshold,
            Some(0.5)
        );
        let error = labels
            .options(&model(), Mode::PublicStructure)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--mode label-only") && error.contains("public-structure"),
            "{error}"
        );
    }
}
