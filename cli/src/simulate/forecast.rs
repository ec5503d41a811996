//! What a joined run will send, said before it is started: [`hedgerow_protocol::join::price`] for a scenario.

use super::deploy::Deployment;
use super::joined::Joined;
use crate::error::{CliError, Result};
use crate::report;
use crate::scenario::Role;
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::join::price::{self, Forecast, PairSizes};
use hedgerow_protocol::join::upload::Engine;

const DOING: &str = "forecast the traffic";

/// The forecast for a scenario whose deployment has been written. The sizes are those that alignment reveals.
///
/// # Errors
/// A consortium that no run can have.
pub fn forecast(deployment: &Deployment<'_>, joined: &Joined) -> Result<Forecast> {
    let config = super::measure::config(deployment)?;
    let parties = &deployment.scenario.parties;
    let of = |role: Role| {
        parties
            .iter()
            .enumerate()
            .filter(move |(_, party)| party.role == role)
    };
    let id = |id: &str| PartyId::new(id).map_err(CliError::library(DOING));
    let mut sizes = Vec::new();
    for (row, row_party) in of(Role::Rows) {
        for (attribute, attribute_party) in of(Role::Attributes) {
            let pair = joined.pair(row, attribute);
            sizes.push(PairSizes {
                row: id(&row_party.id)?,
                attribute: id(&attribute_party.id)?,
                references: pair.references,
                entities: pair.entities,
                union: pair.references + pair.entities - pair.common,
            });
        }
    }
    price::forecast(&config, &sizes).map_err(CliError::library(DOING))
}

/// The forecast in a sentence.
pub fn sentence(forecast: &Forecast) -> String {
    let each = forecast.sent.iter().map(|(id, bytes)| {
        let pair = forecast.pairs.iter().find(|pair| pair.sizes.attribute == *id);
        let what = match pair.map(|pair| pair.engine) {
            Some(Engine::Profiles) => " (attributes by profile)",
            Some(Engine::Predicates) => " (attributes by predicate)",
            None => "",
        };
        format!("{id} {}{what}", report::bytes(*bytes))
    });
    let products: u64 = forecast.pairs.iter().map(|pair| pair.products).sum();
    format!(
        "predicted to be sent in training{}: {}; {:.1} million encrypted products",
        if forecast.at_most { ", at most" } else { "" },
        each.collect::<Vec<_>>().join(", "),
        products as f64 / 1e6
    )
}
