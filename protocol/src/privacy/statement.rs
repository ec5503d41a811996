//! What a run promises and to whom, and what each party learns: the same words in the model, in reports and for
//! operators.

use hedgerow_dp::Noise;
use hedgerow_forest::model::PrivacyStatement;

use super::{PrivacyError, total_rho};
use crate::config::{Alignment, Role, RunConfigLiteral, Unit};
use crate::ids::PartyId;

/// The delta at which statements name the epsilon of an alignment.
const OVERLAP_DELTA: f64 = 1e-6;

/// What the model says about its privacy: the promise of the configuration, the same words everywhere.
///
/// # Errors
/// As [`total_rho`].
pub fn statement(config: &RunConfigLiteral) -> Result<PrivacyStatement, PrivacyError> {
    let (mechanism, rho) = match &config.privacy {
        None => ("none", None),
        Some(privacy) => (
            match privacy.mechanism {
                Noise::DiscreteGaussian => "distributed discrete Gaussian",
                Noise::Skellam => "distributed Skellam",
                Noise::DiscreteLaplace => "distributed discrete Laplace",
            },
            Some(total_rho(privacy)?.value()),
        ),
    };
    let mut notes = match &config.privacy {
        None => vec!["exact totals were released: nothing is promised to single rows".to_owned()],
        Some(_) => vec![
            "for the queries of one successful run; repeated attempts are charged to each party's ledger"
                .to_owned(),
        ],
    };
    notes.extend(config.privacy.and_then(|privacy| match privacy.mechanism {
        Noise::DiscreteGaussian => None,
        Noise::Skellam => {
            Some("rho: Renyi divergence divided by its order, at the order of the budget".to_owned())
        }
        Noise::DiscreteLaplace => {
            Some("pure differential privacy: epsilon holds with delta 0, and rho is that epsilon".to_owned())
        }
    }));
    if config.partition.join().is_some() {
        notes.push(promise(config, Role::Row));
        notes.push(promise(config, Role::Attributes));
        notes.extend(of_alignment(config));
        notes.extend(of_scores(config));
    }
    notes.extend(of_chains(config));
    let (unit, neighbours) = match config.privacy.map(|privacy| privacy.unit) {
        Some(Unit::Entity { rows }) => (
            "entity",
            format!("change one entity's attributes, or add or remove it with its rows, at most {rows}"),
        ),
        Some(Unit::Row) | None => ("row", "add or remove one row of one party".to_owned()),
    };
    Ok(PrivacyStatement {
        mechanism: mechanism.to_owned(),
        unit: unit.to_owned(),
        neighbours,
        epsilon: config.privacy.map(|privacy| privacy.epsilon),
        delta: config.privacy.map(|privacy| privacy.delta),
        rho,
        collusion: config.collusion,
        notes,
    })
}

/// What the released totals promise to the data of a role.
#[must_use]
pub fn promise(config: &RunConfigLiteral, role: Role) -> String {
    match (config.privacy.map(|privacy| privacy.unit), role) {
        (None, Role::Row) => "rows: no differential privacy, exact totals are released".to_owned(),
        (None, Role::Attributes) => {
            "attributes: no differential privacy, exact totals are released".to_owned()
        }
        (Some(Unit::Row), Role::Row) => {
            "rows: differential privacy of the released totals for each single row".to_owned()
        }
        (Some(Unit::Row), Role::Attributes) => {
            "attributes: no guarantee; the unit is one row, and an attribute counts in all rows that refer to it"
                .to_owned()
        }
        (Some(Unit::Entity { rows }), Role::Row) => format!(
            "rows: differential privacy of the released totals for an entity with all its rows, of which at most \
             {rows} count"
        ),
        (Some(Unit::Entity { .. }), Role::Attributes) => {
            "attributes: differential privacy of the released totals for all attributes of one entity".to_owned()
        }
    }
}

/// What a party learns by this run besides the released totals and the model, which everybody has. For a party
/// that keeps to the protocol and colludes with nobody.
#[must_use]
pub fn learns(config: &RunConfigLiteral, party: &PartyId) -> Vec<String> {
    let mut learned = vec!["the noised tables, the model, and who took part in each".to_owned()];
    let Some(join) = config.partition.join() else {
        learned.push("no row and no count of another party".to_owned());
        return learned;
    };
    let scores = join.prediction.is_some();
    let is_chained = config.forest.links_per_tree > 1;
    if is_chained && join.attribute_party(party).is_some() {
        learned.push(
            "the number of places in the common order: the largest union of the row party's keys with those of any \
             attribute party"
                .to_owned(),
        );
    }
    if join.attribute_party(party).is_some() {
        learned.push(match join.alignment {
            Alignment::Private { .. } => {
                "with each row party: how many keys both have, and how many only one has".to_owned()
            }
            Alignment::Plain => "with each row party: nothing of its keys".to_owned(),
        });
        learned.push("how many ciphertexts it answered; nothing of rows, labels or counts".to_owned());
        if scores {
            learned.push("how many scores were asked, not of which entities".to_owned());
        }
    } else {
        learned.push(match join.alignment {
            Alignment::Private { .. } => {
                "with each attribute party: how many keys both have, and how many only one has".to_owned()
            }
            Alignment::Plain => "the keys of every attribute party".to_owned(),
        });
        learned.push(
            "no attribute, no count before noise, and of no row whether its entity is known".to_owned(),
        );
        if scores {
            learned.push(
                "the scores of the rows that it asks about: of each row one number per link, the part of the entity's \
                 attribute party, not only their sum"
                    .to_owned(),
            );
        }
    }
    learned
}

fn of_chains(config: &RunConfigLiteral) -> Option<String> {
    (config.forest.links_per_tree > 1).then(|| {
        "trees test attributes of two parties: the row party together with the first attribute party of a tree could \
         open, entity by entity, what its paths demand of the second, and two attribute parties together which of their \
         entities the row party has; neither alone learns any of it"
            .to_owned()
    })
}

fn of_alignment(config: &RunConfigLiteral) -> Option<String> {
    Some(match config.partition.join()?.alignment {
        Alignment::Private { pad: 0, .. } => {
            "alignment reveals the exact sizes of both sets of keys and of their overlap, per pair".to_owned()
        }
        alignment @ Alignment::Private { pad, .. } => {
            let epsilon = alignment.epsilon(OVERLAP_DELTA).unwrap_or(f64::INFINITY);
            format!(
                "alignment reveals the sizes of both sets of keys and, blurred by a pool of {pad} dummies, of their \
                 overlap, per pair: for one key in place of another that is epsilon {epsilon:.2} at delta {OVERLAP_DELTA:e}, \
                 charged to each party's ledger for every pair"
            )
        }
        Alignment::Plain => {
            "alignment is plain: row parties get to know the keys of attribute parties".to_owned()
        }
    })
}

fn of_scores(config: &RunConfigLiteral) -> Vec<String> {
    let Some(prediction) = config.partition.join().and_then(|join| join.prediction) else {
        return Vec::new();
    };
    match prediction.budget {
        Some(budget) => vec![format!(
            "scores: epsilon {} and delta {:e} for all of at most {} scores about one entity",
            budget.epsilon, budget.delta, prediction.per_entity
        )],
        None => vec![
            "a score without output noise reveals the profile of the row's entity up to profiles of equal score"
                .to_owned(),
        ],
    }
}
