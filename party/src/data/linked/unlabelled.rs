//! Rows to be scored: without labels, with keys that earlier rows have named or that mean nobody.

use std::sync::Arc;

use super::keys::KeyIndex;
use super::read::{Reading, Shared};
use super::{LinkedSpec, RowStore, open};
use crate::data::engine::Engine;
use crate::data::error::DataError;
use crate::data::key::KeyDigest;
use crate::data::source::SourceSpec;
use crate::data::split::Split;
use crate::data::warning::DataWarning;

/// Rows in source order, all labels 0.
#[derive(Debug)]
pub struct NewRows {
    /// The rows.
    pub rows: RowStore,
    /// How often a row names a key that is not among the known ones; such a reference is
    /// [`NOBODY`](super::NOBODY).
    pub unknown: u64,
    /// What was odd.
    pub warnings: Vec<DataWarning>,
}

impl NewRows {
    /// Reads a source. `keys` are those of each attribute party, ascending: key `i` of a party is number
    /// `i` after all keys of the parties before it.
    ///
    /// # Errors
    /// As reading [`super::LinkedRows`], but for labels.
    pub async fn read(
        engine: &Engine,
        source: &SourceSpec,
        spec: &LinkedSpec,
        keys: &[Vec<KeyDigest>],
    ) -> Result<Self, DataError> {
        let spec = LinkedSpec {
            labelled: false,
            ..spec.clone()
        };
        let source = source.clone().with_spare(&spec.label.name);
        let scan = open(engine, &source, &spec).await?;
        let shared = Arc::new(Shared::new(&spec, KeyIndex::known(keys)));
        let reading = Reading {
            engine,
            scan,
            shared: &shared,
            split: Split::none(),
            ids: true,
            in_order: true,
        };
        let (rows, _, mut warnings) = reading.run().await?;
        warnings.retain(|warning| !matches!(warning, DataWarning::NoPositiveLabel { .. }));
        let unknown = Arc::into_inner(shared).map_or(0, |shared| shared.into_keys().unknown());
        Ok(Self {
            rows,
            unknown,
            warnings,
        })
    }
}
