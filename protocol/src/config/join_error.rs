//! What is wrong with the join of a configuration.

use crate::ids::PartyId;

/// Links, roles, alignment or scores that nobody may act on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// Boosted trees where margins are of more than two parts.
    #[error(
        "forest.growth: boosted trees are joined over one link to one attribute party of a vertical run, found {actual}"
    )]
    Boosted {
        /// What the run is.
        actual: String,
    },
    /// The schema reads columns through links that are not declared, or not all that are.
    #[error("the schema reads columns through links {schema:?}, the run declares {declared:?}")]
    Links {
        /// Links of the schema, in its order.
        schema: Vec<String>,
        /// Links of the configuration.
        declared: Vec<String>,
    },
    /// Columns read through links in a horizontal run.
    #[error("a horizontal run reads columns through links {links:?}; it has none")]
    Horizontal {
        /// Links of the schema.
        links: Vec<String>,
    },
    /// A link that is of the other partition.
    #[error("link {link:?} must name {expected} in a {partition} run")]
    LinkParty {
        /// The link.
        link: String,
        /// `vertical` or `mixed`.
        partition: &'static str,
        /// What it must name.
        expected: &'static str,
    },
    /// A key without columns, or with too many, or links with keys of different lengths.
    #[error("link {link:?} has a key of {actual} columns, expected {expected}")]
    Key {
        /// The link.
        link: String,
        /// Columns given.
        actual: usize,
        /// What is needed, in words.
        expected: String,
    },
    /// A list that is empty or too long, or holds a text that is.
    #[error("{what}: {actual}, expected 1 to {most}")]
    Size {
        /// Which list or text.
        what: &'static str,
        /// Entries or bytes given.
        actual: usize,
        /// Most of them.
        most: usize,
    },
    /// An attribute party that is not a party, or is named twice, or by no link.
    #[error("the attribute party {party} {what}")]
    AttributeParty {
        /// Its id.
        party: PartyId,
        /// What is wrong.
        what: &'static str,
    },
    /// A value that two parties answer for.
    #[error("{value:?} is served by both {first} and {second}")]
    ServedTwice {
        /// The value.
        value: String,
        /// One party.
        first: PartyId,
        /// The other.
        second: PartyId,
    },
    /// A wrong number of parties with rows.
    #[error("{actual} parties have rows, expected {expected}")]
    RowParties {
        /// Parties that are no attribute parties.
        actual: usize,
        /// What is needed, in words.
        expected: &'static str,
    },
    /// Segments that are no power of two, or too many.
    #[error("segments is {actual}; it must be a power of two up to {most}")]
    Segments {
        /// Segments given.
        actual: u32,
        /// Most segments.
        most: u32,
    },
    /// Parameters that the cryptography refuses for these bounds.
    #[error("{what}: {reason}")]
    Parameters {
        /// Which part.
        what: &'static str,
        /// What it said.
        reason: String,
    },
    /// Another modulus than encrypted inner products end in.
    #[error("the modulus of a joined run is {expected}, not {actual}")]
    Modulus {
        /// Modulus given, in words.
        actual: u128,
        /// The plaintext modulus of `crypto::exact`.
        expected: u128,
    },
    /// Trees over two links where the chain cannot be.
    #[error("forest.links_per_tree = 2: {what}")]
    Chain {
        /// What is wrong.
        what: &'static str,
    },
    /// Shares mode, which has no upload in two steps.
    #[error("a joined run is summed with masks, not with shares")]
    Aggregation,
    /// A unit of privacy that this partition or this number of parties cannot keep.
    #[error("the unit \"entity\" with {rows} rows: {what}")]
    Entity {
        /// K.
        rows: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// Bounds of private scores.
    #[error("prediction: {what} is {actual}, expected {expected}")]
    Prediction {
        /// Which bound.
        what: &'static str,
        /// Value given.
        actual: String,
        /// What is needed.
        expected: &'static str,
    },
}
