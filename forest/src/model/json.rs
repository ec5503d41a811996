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

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;

use super::{Forest, PrivacyStatement};
use crate::binning::{Binner, BinningError};
use crate::exact;
use crate::query::{QueryError, SCALE, TableQuery};
use crate::schema::Schema;
use crate::tree::{BinSet, BinSetError, Split, Tree, TreeError};

/// First words of a model file.
pub const FORMAT: &str = "hedgerow-model";
/// Version of the model file that is written and read.
pub const VERSION: u32 = 1;

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
    #[error("model file: version: expected {VERSION}, found {seen}")]
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
    leaves: Vec<u32>,
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
        let tree = |(tree, leaves): (&Tree, &[u32])| TreeFile {
            splits: tree.splits().iter().map(split_text).collect(),
            leaves: leaves.to_vec(),
        };
        let file = ModelFile {
            format: FORMAT.to_owned(),
            version: VERSION,
            schema: self.schema.clone(),
            bins: self.bins,
            depth: self.depth(),
            scale: SCALE,
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
        if head.version != VERSION {
            return Err(ModelError::Version { seen: head.version });
        }
        let file: ModelFile = serde_json::from_str(text).map_err(|e| syntax(&e))?;
        file.validate()
    }
}

impl ModelFile {
    fn validate(self) -> Result<Forest, ModelError> {
        let binner = Binner::new(&self.schema, self.bins)?;
        if self.scale != SCALE {
            return Err(value("scale", SCALE, self.scale));
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
            leaf_values.extend(file.leaves);
        }
        let (trees, leaf_values): (Arc<[Tree]>, Arc<[u32]>) = (trees.into(), leaf_values.into());
        TableQuery::score_histogram(Arc::clone(&trees), Arc::clone(&leaf_values), 1)?;
        Ok(Forest {
            schema: self.schema,
            bins: self.bins,
            trees,
            leaf_values,
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

/// Indents the outer levels and keeps the inner ones on one line, so that a file of many trees stays readable.
#[derive(Default)]
struct OuterPretty {
    depth: usize,
    filled: bool,
}

const PRETTY_LEVELS: usize = 3;

impl OuterPretty {
    fn open<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(bracket)
    }

    fn close<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        let broken = self.filled && self.depth <= PRETTY_LEVELS;
        self.depth -= 1;
        if broken {
            self.line(writer)?;
        }
        self.filled = true;
        writer.write_all(bracket)
    }

    fn element<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.depth <= PRETTY_LEVELS {
            self.line(writer)
        } else {
            Ok(())
        }
    }

    fn line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for OuterPretty {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.element(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.element(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(if self.depth <= PRETTY_LEVELS { b": " } else { b":" })
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}
