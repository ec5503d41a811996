//! What a joined run will send before it is started, from public bounds and the sizes that alignment reveals anyhow.

use super::deploy::Deployment;
use super::joined::{Joined, PairSizes};
use crate::error::{CliError, Result};
use crate::scenario::Role;
use hedgerow_coordinator::consortium::{Consortium, Drawn};
use hedgerow_protocol::config::{Alignment, RunConfig};
use hedgerow_protocol::growth::Progression;
use hedgerow_protocol::ids::{PartyId, RunId};
use hedgerow_protocol::join::JoinPlan;
use hedgerow_protocol::join::upload::{Engine, Upload};
use std::collections::BTreeMap;

/// Bytes of a group element and of a pseudonym on the wire of an alignment.
const ELEMENT: u64 = 32;
const PSEUDONYM: u64 = 16;
/// Bytes of a masked counter: words modulo 2^30.
const COUNTER: u64 = 4;

/// What one party will send during training, seals and framing apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Aligning keys with all its counterparts.
    pub alignment: u64,
    /// Encrypted attributes.
    pub encryption: u64,
    /// Answers to them.
    pub answers: u64,
    /// The masked table.
    pub summation: u64,
    /// Does it encrypt profiles? Else predicates, if anything.
    pub profiles: bool,
}

impl Forecast {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.alignment + self.encryption + self.answers + self.summation
    }
}

/// The forecast for every party, by id. The deployment must have been written.
///
/// # Errors
/// A consortium that no run can have.
pub fn forecast(deployment: &Deployment<'_>, joined: &Joined) -> Result<BTreeMap<String, Forecast>> {
    const DOING: &str = "forecast the traffic";
    let drawn = Drawn {
        run: RunId([0; 16]),
        seed: [0; 32],
    };
    let config = Consortium::load(&deployment.layout.config().join("consortium.toml"))
        .and_then(|consortium| consortium.config(&drawn))
        .map_err(|error| CliError::Config(error.to_string()))?;
    let progression = Progression::start(&config).map_err(CliError::library(DOING))?;
    let mut all = BTreeMap::new();
    let Some(query) = progression.query() else {
        return Ok(all);
    };
    let plan = JoinPlan::new(&config, query).map_err(CliError::library(DOING))?;
    let summation = query.shape().cells() as u64 * COUNTER;
    for party in &config.parties {
        let own = Forecast {
            summation,
            ..Forecast::default()
        };
        all.insert(party.as_str().to_owned(), own);
    }
    let parties = &deployment.scenario.parties;
    let of = |role: Role| {
        parties
            .iter()
            .enumerate()
            .filter(move |(_, party)| party.role == role)
    };
    for (row, row_party) in of(Role::Rows) {
        for (attribute, attribute_party) in of(Role::Attributes) {
            let id = PartyId::new(attribute_party.id.as_str()).map_err(CliError::library(DOING))?;
            let pair = joined.pair(row, attribute);
            let [by_row, by_attribute] = aligned(&config, pair);
            let upload =
                Upload::new(&config, &plan, &id, union(&config, pair)).map_err(CliError::library(DOING))?;
            let sent = all.entry(attribute_party.id.clone()).or_default();
            sent.alignment += by_attribute;
            sent.encryption += upload.bytes();
            sent.profiles = upload.engine == Engine::Profiles;
            let sent = all.entry(row_party.id.clone()).or_default();
            sent.alignment += by_row;
            sent.answers += upload.answer_bytes(&plan);
        }
    }
    Ok(all)
}

fn dummies(config: &RunConfig) -> u64 {
    match config.join().map(|join| join.alignment) {
        Some(Alignment::Private { pad, .. }) => u64::from(pad) / 2,
        _ => 0,
    }
}

/// Size of the common index, if as many dummies meet as is most likely.
fn union(config: &RunConfig, pair: PairSizes) -> u64 {
    let dummies = dummies(config);
    pair.row + pair.attribute + 2 * dummies - pair.common - dummies / 2
}

/// Bytes that the row party and the attribute party send to align their keys.
fn aligned(config: &RunConfig, pair: PairSizes) -> [u64; 2] {
    let Some(Alignment::Private { .. }) = config.join().map(|join| join.alignment) else {
        return [0, pair.attribute * ELEMENT];
    };
    let dummies = dummies(config);
    let sizes = [pair.row + dummies, pair.attribute + dummies];
    // The owner of the larger set tags; a tie goes to the row side.
    let tagger = usize::from(sizes[1] > sizes[0]);
    let (larger, smaller) = (sizes[0].max(sizes[1]), sizes[0].min(sizes[1]));
    let union = union(config, pair);
    let mut sent = [0; 2];
    sent[tagger] = ELEMENT * (larger + 2 * smaller) + PSEUDONYM * union;
    sent[1 - tagger] = ELEMENT * (smaller + larger + union.saturating_sub(larger));
    sent
}

/// The forecast in a sentence.
pub fn sentence(forecast: &BTreeMap<String, Forecast>) -> String {
    let each = forecast.iter().map(|(id, sent)| {
        let what = match (sent.encryption, sent.profiles) {
            (0, _) => "",
            (_, true) => " (by profile)",
            (_, false) => " (by predicate)",
        };
        format!("{id} {}{what}", crate::report::bytes(sent.total()))
    });
    format!(
        "predicted to be sent in training: {}",
        each.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_the_way() {
        let of = |encryption, profiles| Forecast {
            alignment: 1000,
            encryption,
            answers: 0,
            summation: 24,
            profiles,
        };
        let forecast = BTreeMap::from([
            ("a".to_owned(), of(0, false)),
            ("b".to_owned(), of(4_000_000, true)),
        ]);
        let text = sentence(&forecast);
        assert!(
            text.contains("a 1") && text.contains("b 4") && text.contains("by profile"),
            "{text}"
        );
    }
}
