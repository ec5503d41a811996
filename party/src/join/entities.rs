//! An attribute party's answers.

use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::ids::PartyId;

use super::spec;
use crate::data::{DataError, DataWarning, Engine, Entities, KeyDigest, SourceSpec};

/// The entities of one party under one configuration.
pub(crate) struct EntitySide {
    entities: Entities,
}

impl EntitySide {
    pub(super) async fn read(
        engine: &Engine,
        source: &SourceSpec,
        key: &[String],
        party: &PartyId,
        config: &RunConfig,
    ) -> Result<(Self, Vec<DataWarning>), DataError> {
        let attributes = spec::read_by(config, party, key)?;
        let entities = Entities::read(engine, source, key, &attributes).await?;
        let warnings = entities.warnings().to_vec();
        Ok((Self { entities }, warnings))
    }

    pub(super) fn keys(&self) -> &[KeyDigest] {
        self.entities.keys()
    }

    pub(super) fn attribute(&self, feature: u16) -> Result<Vec<u8>, String> {
        self.entities
            .attribute(feature)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| format!("feature {feature} is no attribute of this party"))
    }
}
