//! What a join asks of a party's data.

use std::ops::Range;

use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_forest::join::GradientRows;
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::table::Table;

use crate::ids::PartyId;

/// A row party's training rows of one cell that name one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight {
    /// Cell of the query.
    pub cell: u32,
    /// Position of the entity's key in [`JoinData::references`].
    pub reference: u32,
    /// Rows.
    pub count: u32,
}

/// A party's data engine, as far as joins ask it. Everything is deterministic: the same data give the same lists in
/// the same order. Errors are texts that others may hear.
pub trait JoinData: Sync {
    /// Attribute party: the digests of its entities' keys, distinct.
    ///
    /// # Errors
    /// The data cannot be read, or name an entity twice.
    fn entities(&self) -> Result<Vec<[u8; 32]>, String>;

    /// Attribute party: the bins of one schema feature, a column with a link, for each entity in the order of
    /// [`Self::entities`].
    ///
    /// # Errors
    /// The data cannot be read.
    fn attributes(&self, feature: u16) -> Result<Vec<u8>, String>;

    /// Row party: the digests of the keys that its rows, training and test, name at an attribute party over all
    /// links; distinct.
    ///
    /// # Errors
    /// The data cannot be read.
    fn references(&self, party: &PartyId) -> Result<Vec<[u8; 32]>, String>;

    /// Row party: training rows in every local cell of the query's plan; and in the joined ones those rows that name
    /// no attribute party of the run through the tree's link, if the predicate accepts the missing
    /// (`JoinCounter::local` of [`hedgerow_forest::join`]).
    ///
    /// # Errors
    /// The data cannot be read.
    fn base_counts(&self, query: &TableQuery) -> Result<Table, String>;

    /// Row party: what it knows of gradients of the training rows that name an entity at `party`
    /// (`GradientPlan::rows` of [`hedgerow_forest::join`]); references as in [`Self::references`].
    ///
    /// # Errors
    /// The data cannot be read, or the query is none of gradients over one link.
    fn gradient_rows(&self, query: &TableQuery, party: &PartyId) -> Result<GradientRows, String>;

    /// Row party: training rows that pass the row tests of a joined cell of these trees and name through the tree's
    /// link an entity at `party`: by cell and entity, sorted by (cell, reference), each pair once.
    ///
    /// # Errors
    /// The data cannot be read.
    fn weights(
        &self,
        query: &TableQuery,
        party: &PartyId,
        trees: Range<usize>,
    ) -> Result<Vec<Weight>, String>;
}

/// The digest of a list of keys: tells whether data are still the same.
pub fn keys_digest(keys: &[[u8; 32]]) -> Digest {
    hash("hedgerow/protocol/join/keys/1", &[keys.as_flattened()])
}
