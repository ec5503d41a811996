//! What a run's configuration means for the columns of one party.

use hedgerow_protocol::config::{Join, LinkParty, RunConfig};
use hedgerow_protocol::ids::PartyId;

use crate::answers::binner;
use crate::data::entities::attributes;
use crate::data::{Attribute, DataError, LinkColumns, LinkedSpec, Named};

/// The declaration of links; runs without have no business here.
pub(crate) fn join_of(config: &RunConfig) -> Result<&Join, DataError> {
    config
        .join()
        .ok_or_else(|| invalid("partition", "the run declares no links"))
}

/// What a row party reads, with a column of its own that tells rows apart.
pub(crate) fn linked(config: &RunConfig, id: Option<&str>) -> Result<LinkedSpec, DataError> {
    let join = join_of(config)?;
    let links = join.links.iter().map(|link| {
        let party = match &link.party {
            LinkParty::Column(column) => Named::Column(column.clone()),
            LinkParty::Party(party) => Named::Always(position(join, party)?),
        };
        Ok(LinkColumns {
            party,
            key: link.key_columns.clone(),
        })
    });
    let serves = join
        .attribute_parties
        .iter()
        .zip(0u16..)
        .flat_map(|(party, position)| party.serves.iter().map(move |value| (value.clone(), position)));
    Ok(LinkedSpec {
        links: links.collect::<Result<_, DataError>>()?,
        parties: join.attribute_parties.len(),
        serves: serves.collect(),
        rows_per_entity: hedgerow_protocol::privacy::rows_per_entity(config),
        id: id.map(str::to_owned),
        ..LinkedSpec::own_columns(&config.schema, &binner(config)?)
    })
}

/// What an attribute party reads, after a check that its key has as many columns as each link's.
pub(crate) fn read_by(
    config: &RunConfig,
    party: &PartyId,
    key: &[String],
) -> Result<std::sync::Arc<[Attribute]>, DataError> {
    let join = join_of(config)?;
    let own = |name: &str| {
        let link = join.links.iter().find(|link| link.name == name)?;
        match &link.party {
            LinkParty::Column(_) => Some(link),
            LinkParty::Party(one) => (one == party).then_some(link),
        }
    };
    for link in config.schema.links().into_iter().filter_map(own) {
        if link.key_columns.len() != key.len() {
            return Err(invalid(
                "[data] key",
                &format!(
                    "link `{}` has {} key columns ({}), expected as many here, found {} ({})",
                    link.name,
                    link.key_columns.len(),
                    link.key_columns.join(", "),
                    key.len(),
                    key.join(", ")
                ),
            ));
        }
    }
    Ok(attributes(&config.schema, binner(config)?.features(), |column| {
        let link = column.link.as_deref()?;
        own(link)?;
        column.attribute().filter(|_| !column.is_known())
    }))
}

/// The position of an attribute party in the configuration.
pub(crate) fn position(join: &Join, party: &PartyId) -> Result<u16, DataError> {
    join.attribute_parties
        .iter()
        .zip(0u16..)
        .find(|(other, _)| other.party == *party)
        .map(|(_, position)| position)
        .ok_or_else(|| invalid("partition", &format!("{party} is no attribute party of the run")))
}

fn invalid(what: &str, reason: &str) -> DataError {
    DataError::Invalid {
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}
