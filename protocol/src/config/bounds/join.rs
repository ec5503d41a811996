//! Bounds of mixed and vertical runs (protocol.md, "Joins" and "Units of privacy").

use std::collections::BTreeMap;

use hedgerow_crypto::align;
use hedgerow_crypto::exact::count::PLAINTEXT;
use hedgerow_crypto::exact::{CountParams, ExactError};
use hedgerow_crypto::hash::Digest;
use hedgerow_forest::params::Growth;

use super::MAX_TEXT;
use crate::config::{
    Aggregation, Alignment, Join, JoinError, LinkConfig, LinkParty, MAX_SEGMENTS, Partition, Prediction,
    RunConfigLiteral, Unit,
};
use crate::join::chain;

/// Most columns of a key.
const MAX_KEY_COLUMNS: usize = 16;
/// Most values that one attribute party answers for.
const MAX_SERVED: usize = 1 << 16;

pub(super) fn check(config: &RunConfigLiteral) -> Result<(), JoinError> {
    let links = config.schema.links();
    let Some(join) = config.partition.join() else {
        // CHK-079: no links, no two of them.
        if config.forest.links_per_tree > 1 {
            return Err(JoinError::Chain {
                what: "a horizontal run has no links",
            });
        }
        return match config.privacy.map(|privacy| privacy.unit) {
            _ if !links.is_empty() => Err(JoinError::Horizontal {
                links: links.into_iter().map(str::to_owned).collect(),
            }),
            Some(Unit::Entity { rows }) => Err(JoinError::Entity {
                rows,
                what: "a horizontal run has no entities",
            }),
            _ => Ok(()),
        };
    };
    let declared: Vec<&str> = join.links.iter().map(|link| link.name.as_str()).collect();
    if declared != links || links.is_empty() {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        return Err(JoinError::Links {
            schema: owned(links),
            declared: owned(declared),
        });
    }
    keys(join)?;
    roles(config, join)?;
    boosted(config, join)?;
    served(config, join)?;
    two_links(config, join)?;
    cryptography(config, join)?;
    unit(config, join)?;
    join.prediction.as_ref().map_or(Ok(()), prediction)
}

fn keys(join: &Join) -> Result<(), JoinError> {
    for link in &join.links {
        size("key columns of a link", link.key_columns.len(), MAX_KEY_COLUMNS)?;
        for column in &link.key_columns {
            size("name of a key column", column.len(), MAX_TEXT)?;
        }
        if let LinkParty::Column(column) = &link.party {
            size("name of a party column", column.len(), MAX_TEXT)?;
        }
        // The columns pair with the attribute parties' key by position.
        let first = join.links.iter().find(|first| match (&first.party, &link.party) {
            (LinkParty::Party(a), LinkParty::Party(b)) => a == b,
            _ => true,
        });
        if let Some(first) = first.filter(|first| first.key_columns.len() != link.key_columns.len()) {
            return Err(JoinError::Key {
                link: link.name.clone(),
                actual: link.key_columns.len(),
                expected: format!("{} as of link {:?}", first.key_columns.len(), first.name),
            });
        }
    }
    Ok(())
}

fn roles(config: &RunConfigLiteral, join: &Join) -> Result<(), JoinError> {
    size(
        "attribute parties",
        join.attribute_parties.len(),
        config.parties.len(),
    )?;
    let vertical = matches!(config.partition, Partition::Vertical(_));
    for link in &join.links {
        let wrong = |partition, expected| {
            Err(JoinError::LinkParty {
                link: link.name.clone(),
                partition,
                expected,
            })
        };
        match &link.party {
            LinkParty::Column(_) if vertical => return wrong("vertical", "a party"),
            LinkParty::Party(_) if !vertical => return wrong("mixed", "a party column"),
            LinkParty::Party(party) if join.attribute_party(party).is_none() => {
                return wrong("vertical", "one of its attribute parties");
            }
            _ => {}
        }
    }
    let mut names = join.attribute_parties.iter().map(|party| &party.party).peekable();
    while let Some(party) = names.next() {
        let refuse = |what| {
            Err(JoinError::AttributeParty {
                party: party.clone(),
                what,
            })
        };
        if config.parties.binary_search(party).is_err() {
            return refuse("is not a party of the run");
        }
        if names.peek() == Some(&party) {
            return refuse("is named twice");
        }
        let linked = |link: &LinkParty| matches!(link, LinkParty::Party(other) if other == party);
        if vertical && !join.links.iter().any(|link| linked(&link.party)) {
            return refuse("is named by no link");
        }
    }
    let actual = config.parties.len() - join.attribute_parties.len();
    match (vertical, actual) {
        (true, 1) | (false, 1..) => {}
        (true, _) => {
            return Err(JoinError::RowParties {
                actual,
                expected: "exactly one in a vertical run",
            });
        }
        (false, _) => {
            return Err(JoinError::RowParties {
                actual,
                expected: "at least one",
            });
        }
    }
    Ok(())
}

/// Margins of boosted trees are of two parts: whose, must be the same for all rows.
fn boosted(config: &RunConfigLiteral, join: &Join) -> Result<(), JoinError> {
    let vertical = matches!(config.partition, Partition::Vertical(_));
    let (links, parties) = (join.links.len(), join.attribute_parties.len());
    if config.forest.growth != Growth::Boosted || (vertical && links == 1 && parties == 1) {
        return Ok(());
    }
    let partition = if vertical { "vertical" } else { "mixed" };
    Err(JoinError::Boosted {
        actual: format!("a {partition} run of {links} links and {parties} attribute parties"),
    })
}

fn served(config: &RunConfigLiteral, join: &Join) -> Result<(), JoinError> {
    let mut by_value = BTreeMap::new();
    for party in &join.attribute_parties {
        if matches!(config.partition, Partition::Mixed(_)) || !party.serves.is_empty() {
            size("values that a party serves", party.serves.len(), MAX_SERVED)?;
        }
        for value in &party.serves {
            size("a value that a party serves", value.len(), MAX_TEXT)?;
            if let Some(first) = by_value.insert(value, &party.party) {
                return Err(JoinError::ServedTwice {
                    value: value.clone(),
                    first: first.clone(),
                    second: party.party.clone(),
                });
            }
        }
    }
    Ok(())
}

/// The chain: one dishonest party at most, one order of entities, and no scores.
fn two_links(config: &RunConfigLiteral, join: &Join) -> Result<(), JoinError> {
    if config.forest.links_per_tree < 2 {
        return Ok(());
    }
    let fail = |what| Err(JoinError::Chain { what });
    // CHK-079: what the chain needs to keep what it promises.
    if !matches!(config.partition, Partition::Vertical(_)) {
        return fail(
            "only for partition = \"vertical\": in others a row's two entities have no common order",
        );
    }
    if config.collusion > 1 {
        return fail(
            "refused for collusion >= 2: the row party together with the first attribute party of a tree could open \
             what the second passes on",
        );
    }
    if join.links.len() != join.attribute_parties.len() || join.links.len() < 2 {
        return fail("expected two attribute parties or more, and one link to each");
    }
    let keys = |link: &LinkConfig| link.key_columns.clone();
    if join
        .links
        .windows(2)
        .any(|two| two.first().map(keys) != two.last().map(keys))
    {
        return fail("all links must have the same key columns, for one order of entities");
    }
    if join.prediction.is_some() {
        return fail(
            "there are no private scores of trees over two links yet: leave prediction out, or use links_per_tree = 1",
        );
    }
    Ok(())
}

fn cryptography(config: &RunConfigLiteral, join: &Join) -> Result<(), JoinError> {
    if config.aggregation != Aggregation::Masked {
        return Err(JoinError::Aggregation);
    }
    let refused = |error: ExactError| JoinError::Parameters {
        what: "encrypted inner products",
        reason: error.to_string(),
    };
    let is_chained = config.forest.links_per_tree > 1;
    let expected = if is_chained {
        chain::params().map_err(refused)?.plaintext()
    } else {
        PLAINTEXT
    };
    let (actual, expected) = (config.modulus.value(), u128::from(expected));
    if actual != expected {
        return Err(JoinError::Modulus { actual, expected });
    }
    if !join.segments.is_power_of_two() || join.segments > MAX_SEGMENTS {
        return Err(JoinError::Segments {
            actual: join.segments,
            most: MAX_SEGMENTS,
        });
    }
    // A row counts once in a cell: the declared rows bound every sum of weights.
    if !is_chained {
        CountParams::new(join.segments as usize, config.max_rows).map_err(refused)?;
    }
    let Alignment::Private { minimum, pad } = join.alignment else {
        return Ok(());
    };
    let unaligned = |error: align::AlignError| JoinError::Parameters {
        what: "private alignment",
        reason: error.to_string(),
    };
    let padding = match pad {
        0 => None,
        pool => Some(align::Padding::new(pool).map_err(unaligned)?),
    };
    align::Params::new(&Digest([0; 32]), minimum, padding).map_err(unaligned)?;
    Ok(())
}

fn unit(config: &RunConfigLiteral, join: &Join) -> Result<(), JoinError> {
    let Some(privacy) = &config.privacy else {
        return Ok(());
    };
    match privacy.unit {
        Unit::Row => Ok(()),
        Unit::Entity { rows } => {
            let of_rows = config.parties.len() - join.attribute_parties.len();
            let fail = |what| Err(JoinError::Entity { rows, what });
            if u64::from(rows) > config.max_rows {
                fail("more than the rows that the run declares")
            } else if (rows as usize) < of_rows {
                fail("less than one for each row party")
            } else {
                Ok(())
            }
        }
    }
}

fn prediction(prediction: &Prediction) -> Result<(), JoinError> {
    let fail = |what, actual: String, expected| {
        Err(JoinError::Prediction {
            what,
            actual,
            expected,
        })
    };
    if prediction.rows == 0 {
        return fail("rows", "0".to_owned(), "at least 1");
    }
    if prediction.per_entity == 0 {
        return fail("per_entity", "0".to_owned(), "at least 1");
    }
    let Some(budget) = &prediction.budget else {
        return Ok(());
    };
    if !(budget.epsilon > 0.0 && budget.epsilon.is_finite()) {
        return fail("epsilon", budget.epsilon.to_string(), "a finite number above 0");
    }
    if !(budget.delta > 0.0 && budget.delta < 1.0) {
        return fail("delta", budget.delta.to_string(), "a number above 0 and below 1");
    }
    Ok(())
}

fn size(what: &'static str, actual: usize, most: usize) -> Result<(), JoinError> {
    if (1..=most).contains(&actual) {
        Ok(())
    } else {
        Err(JoinError::Size { what, actual, most })
    }
}
