//! What can be wrong with a schema.

use super::link::MAX_LINKS;
use super::{MAX_CATEGORIES, MAX_FEATURES};

/// A schema that cannot be used: column, what was seen, what is expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Not the TOML or JSON of a schema.
    #[error("schema: {reason}")]
    Syntax {
        /// The parser's words, with line and column.
        reason: String,
    },
    /// None or too many features.
    #[error("schema: expected 1 to {MAX_FEATURES} features, found {seen}")]
    FeatureCount {
        /// How many there are.
        seen: usize,
    },
    /// A feature without a name.
    #[error("schema: feature number {} has an empty name", index + 1)]
    EmptyName {
        /// Position, from 0.
        index: usize,
    },
    /// The label lacks its name or its positive class.
    #[error("schema: label.{field} is empty")]
    EmptyLabel {
        /// The empty field.
        field: &'static str,
    },
    /// The label is listed as a feature.
    #[error("schema: column {column:?} is the label, it cannot be a feature too")]
    FeatureIsLabel {
        /// The column.
        column: String,
    },
    /// Two features of one name.
    #[error("schema: column {column:?} is listed more than once")]
    RepeatedColumn {
        /// The column.
        column: String,
    },
    /// An infinite or NaN bound.
    #[error("schema: column {column:?}: {field} must be a finite number, found {seen}")]
    BoundNotFinite {
        /// The column.
        column: String,
        /// `min` or `max`.
        field: &'static str,
        /// The value.
        seen: f64,
    },
    /// Bounds in the wrong order, or further apart than a number can say.
    #[error(
        "schema: column {column:?}: expected min <= max with a finite difference, found min {min} and max {max}"
    )]
    Bounds {
        /// The column.
        column: String,
        /// Its lower bound.
        min: f64,
        /// Its upper bound.
        max: f64,
    },
    /// None or too many categories.
    #[error("schema: column {column:?}: expected 1 to {MAX_CATEGORIES} categories, found {seen}")]
    CategoryCount {
        /// The column.
        column: String,
        /// How many there are.
        seen: usize,
    },
    /// An empty category.
    #[error("schema: column {column:?}: category number {} is empty; missing values need no category", index + 1)]
    EmptyCategory {
        /// The column.
        column: String,
        /// Position, from 0.
        index: usize,
    },
    /// A category listed twice.
    #[error("schema: column {column:?}: category {category:?} is listed more than once")]
    RepeatedCategory {
        /// The column.
        column: String,
        /// The category.
        category: String,
    },
    /// A link without a name, or with a full stop in it.
    #[error("schema: column {column:?}: link: expected a name without \".\", found {seen:?}")]
    LinkName {
        /// The column.
        column: String,
        /// Its link.
        seen: String,
    },
    /// Too many links.
    #[error("schema: expected at most {MAX_LINKS} links, found {seen}")]
    LinkCount {
        /// How many there are.
        seen: usize,
    },
    /// A column read through a link, under a name that does not say so.
    #[error(
        "schema: column {column:?} is read through link {link:?}: expected the name \"{link}.<attribute>\""
    )]
    LinkedName {
        /// The column.
        column: String,
        /// Its link.
        link: String,
    },
    /// A column of the rows under the name of a column of a link.
    #[error(
        "schema: column {column:?} is named like one of link {link:?}: it needs link = {link:?}, or another name"
    )]
    UnlinkedName {
        /// The column.
        column: String,
        /// The link.
        link: String,
    },
    /// A link without its `known` column.
    #[error(
        "schema: link {link:?}: expected a column \"{link}.known\", categorical [\"no\", \"yes\"], found none"
    )]
    NoKnown {
        /// The link.
        link: String,
    },
    /// A `known` column that does not say no or yes.
    #[error("schema: column {column:?}: expected categorical [\"no\", \"yes\"], found {seen}")]
    Known {
        /// The column.
        column: String,
        /// Its type.
        seen: String,
    },
}
