//! Every bound that a configuration keeps (protocol.md, "Roles and trust" and "Summation").

use super::{Aggregation, ConfigError, MAX_PARTIES, RunConfigLiteral, smallest_threshold};
use crate::privacy;
use crate::wire::MAX_CELLS;

mod join;

/// Longest name, task or label in bytes.
const MAX_TEXT: usize = 1024;
/// Most rows: far below 2^63, so that no sum of counts and noise overflows.
const MAX_ROWS: u64 = 1 << 48;

pub(super) fn check(config: &RunConfigLiteral) -> Result<(), ConfigError> {
    texts(config)?;
    model(config)?;
    parties(config)?;
    aggregators(config)?;
    // CHK-051: links, roles, alignment and scores of joined runs, and none in horizontal ones.
    join::check(config)?;
    if !(0.0..1.0).contains(&config.test.fraction) {
        return Err(ConfigError::TestFraction {
            actual: config.test.fraction,
        });
    }
    if config.max_rows == 0 || config.max_rows > MAX_ROWS {
        return Err(ConfigError::MaxRows {
            actual: config.max_rows,
            most: MAX_ROWS,
        });
    }
    noise_and_modulus(config)
}

fn texts(config: &RunConfigLiteral) -> Result<(), ConfigError> {
    for (what, text) in [("name", &config.name), ("task", &config.task)] {
        if text.len() > MAX_TEXT {
            return Err(ConfigError::Text {
                what,
                actual: text.len(),
                most: MAX_TEXT,
            });
        }
    }
    Ok(())
}

fn model(config: &RunConfigLiteral) -> Result<(), ConfigError> {
    config.schema.validate().map_err(|error| ConfigError::Model {
        what: "schema",
        reason: error.to_string(),
    })?;
    privacy::plan(config).map_err(|error| ConfigError::Model {
        what: "forest",
        reason: error.to_string(),
    })?;
    let actual = privacy::largest_query(config);
    if actual > MAX_CELLS {
        return Err(ConfigError::Cells {
            actual,
            most: MAX_CELLS,
        });
    }
    Ok(())
}

fn parties(config: &RunConfigLiteral) -> Result<(), ConfigError> {
    let actual = config.parties.len();
    let parties = match u32::try_from(actual) {
        Ok(parties) if (2..=MAX_PARTIES).contains(&actual) => parties,
        _ => {
            return Err(ConfigError::Parties {
                actual,
                most: MAX_PARTIES,
            });
        }
    };
    for pair in config.parties.windows(2) {
        if let [a, b] = pair
            && a == b
        {
            return Err(ConfigError::Repeated { party: a.clone() });
        }
    }
    let collusion = config.collusion;
    if config.privacy.is_some() && collusion == 0 {
        return Err(ConfigError::NoCollusion);
    }
    // Two sets of survivors, each with tau signers of whom c lie, would need more than n honest parties.
    let least = smallest_threshold(parties, collusion);
    if !(least..=parties).contains(&config.shamir_threshold) {
        return Err(ConfigError::Threshold {
            actual: config.shamir_threshold,
            parties,
            collusion,
            least,
        });
    }
    // At least c + 1 survivors also means that n_min - c >= 1 shares of noise are honest.
    let least = config.shamir_threshold.max(collusion.saturating_add(1));
    if !(least..=parties).contains(&config.min_parties) {
        return Err(ConfigError::MinParties {
            actual: config.min_parties,
            least,
            parties,
        });
    }
    Ok(())
}

fn aggregators(config: &RunConfigLiteral) -> Result<(), ConfigError> {
    let Aggregation::Shares { aggregators } = &config.aggregation else {
        return Ok(());
    };
    let least = (config.collusion as usize).saturating_add(1).max(2);
    if aggregators.len() < least {
        return Err(ConfigError::Aggregators {
            actual: aggregators.len(),
            collusion: config.collusion,
            least,
        });
    }
    for (index, party) in aggregators.iter().enumerate() {
        if config.parties.binary_search(party).is_err() {
            return Err(ConfigError::UnknownAggregator { party: party.clone() });
        }
        if aggregators.get(index + 1) == Some(party) {
            return Err(ConfigError::Repeated { party: party.clone() });
        }
    }
    Ok(())
}

fn noise_and_modulus(config: &RunConfigLiteral) -> Result<(), ConfigError> {
    let refuse = |error: privacy::PrivacyError| ConfigError::Privacy {
        reason: error.to_string(),
    };
    for planned in privacy::plan(config).map_err(refuse)? {
        let mechanism = privacy::mechanism(config, &planned).map_err(refuse)?;
        // Totals are decoded centred: M > 2 max|total|.
        let needed = 2 * u128::from(privacy::largest_total(config, &planned, &mechanism));
        let modulus = config.modulus.value();
        if modulus <= needed {
            return Err(ConfigError::Modulus {
                modulus,
                needed,
                max_rows: config.max_rows,
            });
        }
    }
    Ok(())
}
