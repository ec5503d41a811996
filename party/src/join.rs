//! The party's data as joined runs ask it: what the configuration means for this party's columns, and the answers.
//!
//! - `spec`: from the run's configuration to columns, keys and bins
//! - `rows`: a row party's answers, from rows in memory; `scored`: rows as the protocol scores them
//! - `entities`: an attribute party's

use std::ops::Range;

use hedgerow_forest::join::GradientRows;
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::table::Table;
use hedgerow_protocol::config::{Role, RunConfig};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::join::{JoinData, Weight};

use crate::config;
use crate::data::{DataError, DataSpec, DataWarning, Engine, Split};

mod entities;
mod rows;
mod scored;
pub(crate) mod spec;

pub(crate) use entities::EntitySide;
pub(crate) use rows::RowSide;
pub(crate) use scored::References;

/// What a party says of itself and its columns.
#[derive(Clone, Copy)]
pub(crate) struct Own<'a> {
    /// Its name.
    pub(crate) party: &'a PartyId,
    /// What it holds.
    pub(crate) role: config::Role,
    /// Attribute party: the columns that tell its entities apart.
    pub(crate) key: &'a [String],
    /// Row party: the column that tells its rows apart, if it names one.
    pub(crate) id: Option<&'a str>,
}

/// A party's data for one joined run, read once.
pub(crate) enum Joined {
    /// A row party's.
    Rows(Box<RowSide>),
    /// An attribute party's.
    Attributes(EntitySide),
}

impl Joined {
    /// Reads the data under the configuration of a run.
    pub(crate) async fn read(
        engine: &Engine,
        data: &DataSpec,
        own: Own<'_>,
        config: &RunConfig,
    ) -> Result<(Self, Vec<DataWarning>), DataError> {
        let Own { party, role, key, id } = own;
        match (config.role(party), role) {
            (Role::Row, config::Role::Rows) => {
                let split = Split::new(config.test.fraction, config.test.seed, party.as_str())?;
                let (side, warnings) = RowSide::read(engine, data, config, (split, id)).await?;
                Ok((Self::Rows(Box::new(side)), warnings))
            }
            (Role::Attributes, config::Role::Attributes) => {
                let (side, warnings) = EntitySide::read(engine, &data.source, key, party, config).await?;
                Ok((Self::Attributes(side), warnings))
            }
            (Role::Row, _) => Err(DataError::Role {
                expected: "rows",
                found: "attributes",
            }),
            (Role::Attributes, _) => Err(DataError::Role {
                expected: "attributes",
                found: "rows",
            }),
        }
    }

    pub(crate) fn rows(&self) -> Result<&RowSide, String> {
        match self {
            Self::Rows(side) => Ok(side),
            Self::Attributes(_) => Err("an attribute party has no rows".to_owned()),
        }
    }

    fn attributes_side(&self) -> Result<&EntitySide, String> {
        match self {
            Self::Attributes(side) => Ok(side),
            Self::Rows(_) => Err("a row party has no entities".to_owned()),
        }
    }
}

impl JoinData for Joined {
    fn entities(&self) -> Result<Vec<[u8; 32]>, String> {
        Ok(self.attributes_side()?.keys().to_vec())
    }

    fn attributes(&self, feature: u16) -> Result<Vec<u8>, String> {
        self.attributes_side()?.attribute(feature)
    }

    fn references(&self, party: &PartyId) -> Result<Vec<[u8; 32]>, String> {
        self.rows()?.references(party)
    }

    fn base_counts(&self, query: &TableQuery) -> Result<Table, String> {
        self.rows()?.base_counts(query)
    }

    fn gradient_rows(&self, query: &TableQuery, party: &PartyId) -> Result<GradientRows, String> {
        self.rows()?.gradient_rows(query, party)
    }

    fn weights(
        &self,
        query: &TableQuery,
        party: &PartyId,
        trees: Range<usize>,
    ) -> Result<Vec<Weight>, String> {
        self.rows()?.weights(query, party, trees)
    }
}

/// The data of a process that asks for scores: a run that is over needs none.
pub(crate) struct NoData;

const NO_DATA: &str = "the run is over, and asks for no data any more";

impl JoinData for NoData {
    fn entities(&self) -> Result<Vec<[u8; 32]>, String> {
        Err(NO_DATA.to_owned())
    }

    fn attributes(&self, _: u16) -> Result<Vec<u8>, String> {
        Err(NO_DATA.to_owned())
    }

    fn references(&self, _: &PartyId) -> Result<Vec<[u8; 32]>, String> {
        Err(NO_DATA.to_owned())
    }

    fn base_counts(&self, _: &TableQuery) -> Result<Table, String> {
        Err(NO_DATA.to_owned())
    }

    fn gradient_rows(&self, _: &TableQuery, _: &PartyId) -> Result<GradientRows, String> {
        Err(NO_DATA.to_owned())
    }

    fn weights(&self, _: &TableQuery, _: &PartyId, _: Range<usize>) -> Result<Vec<Weight>, String> {
        Err(NO_DATA.to_owned())
    }
}

#[cfg(test)]
mod tests;
