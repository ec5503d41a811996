//! The model file: JSON, versioned, the same bytes for the same forest.
//!
//! ```json
//! {
//!   "format": "hedgerow-model",
//!   "version": 1,
//!   "schema": { "feature": [...], "label": {...} },
//!   "bins": 64,
//!   "depth": 8,
//!   "scale": 1048576,
//!   "threshold": 0.34375,
//!   "statement": null,
//!   "trees": [
//!     { "splits": ["3:17-64", ...], "leaves": [181023, ...] }
//!   ]
//! }
//! ```
//! A feature that is read through a link also has `"link": "<link>"`, and is called `<link>.<attribute>`: so is the
//! column of a joined table that the model is applied to. A split reads `feature:bins that go right`, `"-"` is a node
//! that splits nothing; leaves are probabilities times `scale`.
//!
//! A boosted forest has version 2, `"output": "log-odds"`, a `"base"`, the scale 65536, and leaves with a sign: a
//! row's margin is `(base + sum of its leaves) / scale`, its score [`crate::logistic::probability`] of that. Forests of
//! probabilities are still written as version 1, for all programs that read it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::pretty::OuterPretty;
use super::{Forest, LOG_ODDS_ZERO, MAX_BASE, Output, PrivacyStatement};
use crate::binning::{Binner, BinningError};
use crate::exact;
use crate::logistic::MARGIN_ONE;
use crate::query::{MAX_LEAF_VALUE, QueryError, SCALE, TableQuery};
use crate::schema::Schema;
use crate::tree::{BinSet, BinSetError, Split, Tree, TreeError};

/// First words of a model file.
pub const FORMAT: &str = "hedgerow-model";
/// Newest version of the model file that is written and read; all since 1 are read.
pub const VERSION: u32 = 2;
/// Version of files whose leaves are probabilities.
const PROBABILITIES: u32 = 1;
/// Word for leaves that are log-odds.
const LOG_ODDS: &str = "log-odds";

/// A model file that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Not JSON, a field missing, unknown or of the wrong type.
    #[error("model file: {reason}")]
    Syntax {
        /// The parser's words, with line and column.
        reason: String,
    },
    /// Not a model file of ours.
    #[error("model file: format: expected {FORMAT:?}, found {seen:?}")]
    Format {
        /// The format named.
        seen: String,
    },
    /// A version that this program does not read.
    #[error("model file: version: expected 1 to {VERSION}, found {seen}")]
    Version {
        /// The version named.
        seen: u32,
    },
    /// A number out of range.
    #[error("model file: {field}: expected {expected}, found {seen}")]
    Value {
        /// The field.
        field: &'static str,
        /// What would be right.
        expected: String,
        /// What is there.
        seen: String,
    },
    /// Schema or bins.
    #[error("model file: {0}")]
    Binning(#[from] BinningError),
    /// A tree that is not complete.
    #[error("model file: trees[{tree}]: {error}")]
    Tree {
        /// Position of the tree.
        tree: usize,
        /// What is wrong with it.
        error: TreeError,
    },
    /// A test that is no test, or on a feature or bin that the schema does not have.
    #[error("model file: trees[{tree}].splits[{split}]: expected {expected}, found {seen:?}")]
    Split {
        /// Position of the tree.
        tree: usize,
        /// Position of the test, in level order.
        split: usize,
        /// What would be right.
        expected: String,
        /// The text.
        seen: String,
    },
    /// Not one value per leaf.
    #[error("model file: trees[{tree}].leaves: expected {expected} values, found {seen}")]
    Leaves {
        /// Position of the tree.
        tree: usize,
        /// `2^depth`.
        expected: usize,
        /// How many there are.
        seen: usize,
    },
    /// A leaf value out of range.
    #[error("model file: trees[{tree}].leaves[{leaf}]: expected {least} to {most}, found {seen}")]
    Leaf {
        /// Position of the tree.
        tree: usize,
        /// Position of the leaf.
        leaf: usize,
        /// Smallest value.
        least: i64,
        /// Largest value.
        most: i64,
        /// The value found.
        seen: i64,
    },
    /// Trees and leaf values do not hold together.
    #[error("model file: {0}")]
    Query(#[from] QueryError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    format: String,
    version: u32,
    schema: Schema,
    bins: u16,
    depth: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<i32>,
    scale: u32,
    #[serde(with = "exact")]
    threshold: f64,
    statement: Option<PrivacyStatement>,
    trees: Vec<TreeFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeFile {
    splits: Vec<String>,
    leaves: Vec<i64>,
}

/// The first fields alone, so that a file of another version is called that and not a syntax error.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl Forest {
    /// The model file. The same forest gives the same bytes, on every machine.
    ///
    /// # Errors
    /// Fields changed by hand so that they no longer fit each other.
    pub fn to_json(&self) -> Result<String, ModelError> {
        TableQuery::score_histogram(Arc::clone(&self.trees), Arc::clone(&self.leaf_values), 1)?;
        let leaves = 1 << self.depth();
        let (base, zero, scale) = match self.output {
            Output::Probability => (None, 0, SCALE),
            Output::LogOdds { base } => (Some(base), i64::from(LOG_ODDS_ZERO), MARGIN_ONE as u32),
        };
        let tree = |(tree, leaves): (&Tree, &[u32])| TreeFile {
            splits: tree.splits().iter().map(split_text).collect(),
            leaves: leaves.iter().map(|value| i64::from(*value) - zero).collect(),
        };
        let file = ModelFile {
            format: FORMAT.to_owned(),
            version: if base.is_some() { VERSION } else { PROBABILITIES },
            schema: self.schema.clone(),
            bins: self.bins,
            depth: self.depth(),
            output: base.map(|_| LOG_ODDS.to_owned()),
            base,
            scale,
            threshold: self.threshold,
            statement: self.statement.clone(),
            trees: self
                .trees
                .iter()
                .zip(self.leaf_values.chunks_exact(leaves))
                .map(tree)
                .collect(),
        };
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, OuterPretty::default());
        file.serialize(&mut serializer).map_err(|e| syntax(&e))?;
        bytes.push(b'\n');
        String::from_utf8(bytes).map_err(|e| ModelError::Syntax {
            reason: e.to_string(),
        })
    }

    /// Reads and validates a model file.
    ///
    /// # Errors
    /// A [`ModelError`] that names the field, the value seen and what is expected.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let head: Head = serde_json::from_str(text).map_err(|e| syntax(&e))?;
        if head.format != FORMAT {
            return Err(ModelError::Format { seen: head.format });
        }
        if !(PROBABILITIES..=VERSION).contains(&head.version) {
            return Err(ModelError::Version { seen: head.version });
        }
        let file: ModelFile = serde_json::from_str(text).map_err(|e| syntax(&e))?;
        file.validate()
    }
}

impl ModelFile {
    fn output(&self) -> Result<Output, ModelError> {
        let expected = (self.version > PROBABILITIES).then_some(LOG_ODDS);
        match (expected, self.output.as_deref(), self.base) {
            (None, None, None) => Ok(Output::Probability),
            (Some(word), Some(seen), Some(base)) if word == seen => {
                if base.unsigned_abs() > MAX_BASE.unsigned_abs() {
                    return Err(value("base", format!("-{MAX_BASE} to {MAX_BASE}"), base));
                }
                Ok(Output::LogOdds { base })
            }
            (None, ..) => Err(value("output", "none in version 1", "output or base")),
            (Some(word), Some(seen), _) if word != seen => Err(value("output", word, seen)),
            (Some(word), None, _) => Err(value("output", word, "none")),
            (Some(_), ..) => Err(value("base", "a number", "none")),
        }
    }

    fn validate(self) -> Result<Forest, ModelError> {
        let binner = Binner::new(&self.schema, self.bins)?;
        let output = self.output()?;
        let (zero, scale) = match output {
            Output::Probability => (0, SCALE),
            Output::LogOdds { .. } => (i64::from(LOG_ODDS_ZERO), MARGIN_ONE as u32),
        };
        if self.scale != scale {
            return Err(value("scale", scale, self.scale));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(value("threshold", "0 to 1", self.threshold));
        }
        let mut trees = Vec::with_capacity(self.trees.len());
        let mut leaf_values = Vec::new();
        for (position, file) in self.trees.into_iter().enumerate() {
            let splits = file
                .splits
                .iter()
                .enumerate()
                .map(|(split, text)| {
                    read_split(text, &binner).map_err(|expected| ModelError::Split {
                        tree: position,
                        split,
                        expected,
                        seen: text.clone(),
                    })
                })
                .collect::<Result<_, _>>()?;
            let tree = Tree::new(self.depth, splits).map_err(|error| ModelError::Tree {
                tree: position,
                error,
            })?;
            if file.leaves.len() != tree.leaves() {
                let (expected, seen) = (tree.leaves(), file.leaves.len());
                return Err(ModelError::Leaves {
                    tree: position,
                    expected,
                    seen,
                });
            }
            trees.push(tree);
            let most = i64::from(MAX_LEAF_VALUE) - zero;
            for (leaf, seen) in file.leaves.into_iter().enumerate() {
                let (tree, least) = (position, -zero);
                let error = ModelError::Leaf {
                    tree,
                    leaf,
                    least,
                    most,
                    seen,
                };
                let stored = (least..=most).contains(&seen).then_some(seen + zero);
                leaf_values.push(stored.and_then(|value| u32::try_from(value).ok()).ok_or(error)?);
            }
        }
        let (trees, leaf_values): (Arc<[Tree]>, Arc<[u32]>) = (trees.into(), leaf_values.into());
        TableQuery::score_histogram(Arc::clone(&trees), Arc::clone(&leaf_values), 1)?;
        Ok(Forest {
            schema: self.schema,
            bins: self.bins,
            trees,
            leaf_values,
            output,
            threshold: self.threshold,
            statement: self.statement,
        })
    }
}

fn syntax(error: &serde_json::Error) -> ModelError {
    ModelError::Syntax {
        reason: error.to_string(),
    }
}

fn value(field: &'static str, expected: impl ToString, seen: impl ToString) -> ModelError {
    ModelError::Value {
        field,
        expected: expected.to_string(),
        seen: seen.to_string(),
    }
}

const DUMMY: &str = "-";

fn split_text(split: &Split) -> String {
    if split.is_dummy() {
        DUMMY.to_owned()
    } else {
        format!("{}:{}", split.feature, split.right)
    }
}

/// The test, or what was expected instead.
fn read_split(text: &str, binner: &Binner) -> Result<Split, String> {
    if text == DUMMY {
        return Ok(Split::DUMMY);
    }
    let form = || "\"feature:bins\" or \"-\"".to_owned();
    let (feature, right) = text.split_once(':').ok_or_else(form)?;
    let number: u16 = feature.parse().map_err(|_| form())?;
    let known = binner
        .features()
        .get(usize::from(number))
        .filter(|_| number.to_string() == feature);
    let missing = known
        .ok_or_else(|| format!("a feature below {}", binner.len()))?
        .missing();
    let right: BinSet = right.parse().map_err(|error: BinSetError| error.to_string())?;
    if right.is_empty() || right.iter().any(|bin| bin > missing) {
        return Err(format!("at least one bin, none above {missing}"));
    }
    Ok(Split {
        feature: number,
        right,
    })
}
