//! The joined table in one place: what the parties together must equal, and nobody but a test or a benchmark builds.

use super::JoinError;
use super::error::expect;
use super::links::Links;
use crate::binning::Binned;
use crate::schema::link::{BIN_OF_KNOWN, BIN_OF_UNKNOWN};

/// What one link leads to.
#[derive(Debug, Clone, Copy)]
pub struct Entities<'a> {
    /// For every row the entity that it names; a number beyond the entities, as [`super::NOBODY`], is missing.
    pub references: &'a [u32],
    /// `[attributes of the link without known, entities]`.
    pub attributes: &'a Binned,
}

/// Joins `rows` (`[row columns, rows]`) with the entities of every link, to `[features, rows]` in the schema's order. A
/// row without an entity has the bins of missing values, and `known` says no.
///
/// # Errors
/// Lists that do not fit the schema or each other.
pub fn pooled(links: &Links, rows: &Binned, entities: &[Entities<'_>]) -> Result<Binned, JoinError> {
    expect("columns of the rows", links.row_columns(), rows.features())?;
    expect("links", links.links().len(), entities.len())?;
    let mut joined = Binned::new(rows.rows(), links.features());
    let own = (0..links.features()).filter(|feature| links.link_of(*feature).is_none());
    for (position, feature) in own.enumerate() {
        joined.column_mut(feature).copy_from_slice(rows.column(position));
    }
    for (link, of) in links.links().iter().zip(entities) {
        expect("references of a link", rows.rows(), of.references.len())?;
        expect(
            "attributes of a link",
            link.attributes.len(),
            of.attributes.features(),
        )?;
        let count = of.attributes.rows();
        for (known, entity) in joined.column_mut(link.known).iter_mut().zip(of.references) {
            let is_known = (*entity as usize) < count;
            *known = if is_known { BIN_OF_KNOWN } else { BIN_OF_UNKNOWN };
        }
        let missing = links
            .domains()
            .get(link.domain)
            .into_iter()
            .flat_map(|domain| domain.missing());
        for ((position, feature), missing) in link.attributes.iter().enumerate().zip(missing) {
            let bins = of.attributes.column(position);
            for (bin, entity) in joined.column_mut(*feature).iter_mut().zip(of.references) {
                *bin = bins.get(*entity as usize).copied().unwrap_or(missing);
            }
        }
    }
    Ok(joined)
}
