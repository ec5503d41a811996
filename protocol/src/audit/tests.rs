use hedgerow_dp::audit::{epsilon_lower_bound, guess, membership};
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::schema::Column;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::config::RunConfig;
use crate::config::RunConfigLiteral;
use crate::party::tests::support::{literal, noisy};

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// A run over columns enough to tell canaries apart.
fn wide() -> RunConfigLiteral {
    let mut config = literal(4);
    config.schema.features = (0..10)
        .map(|i| Column::numeric(format!("x{i}"), 0.0, 8.0))
        .collect();
    config.forest = ForestParams::new(40, 6, 8, Growth::Random);
    config
}

/// Rows whose label follows their first column.
fn rows(config: &RunConfig, count: usize, rng: &mut ChaCha20Rng) -> Vec<Block> {
    let binner = Binner::new(&config.schema, config.forest.bins).unwrap();
    let mut block = Binned::new(count, binner.len());
    for feature in 0..binner.len() {
        let bins = binner.feature(feature).value_bins() as f64;
        for bin in block.column_mut(feature) {
            *bin = (fraction(rng) * bins) as u8;
        }
    }
    let half = (binner.feature(0).value_bins() / 2) as u8;
    let labels = block.column(0).iter().map(|bin| u8::from(*bin >= half)).collect();
    vec![(Arc::new(block), labels)]
}

fn bounds(config: &RunConfig, seed: u8) -> (f64, f64) {
    let mut rng = rng(seed);
    let blocks = rows(config, 2000, &mut rng);
    let attack = attack(config, &blocks, 200, &mut rng).unwrap();
    let bound = |scores: &[f64]| epsilon_lower_bound(&guess(scores, &attack.included, 50), 1e-6, 0.999);
    (bound(&attack.by_tables), bound(&attack.by_model))
}

#[test]
fn without_noise_the_attack_refutes_any_small_epsilon() {
    let config = RunConfig::new(wide()).unwrap();
    let (tables, model) = bounds(&config, 1);
    assert!(tables > 1.5, "from tables: {tables}");
    assert!(model > 0.5, "from the model: {model}");
}

#[test]
fn with_noise_it_never_refutes_the_claim() {
    let config = RunConfig::new(noisy(wide())).unwrap();
    let claim = config.privacy.unwrap().epsilon;
    for seed in 0..10 {
        let (tables, model) = bounds(&config, seed);
        assert!(tables <= claim && model <= claim, "{tables} {model} of {claim}");
    }
}

#[test]
fn membership_is_plain_without_noise() {
    let config = RunConfig::new(wide()).unwrap();
    let mut rng = rng(3);
    let blocks = rows(&config, 500, &mut rng);
    let attack = attack(&config, &blocks, 100, &mut rng).unwrap();
    let found = membership(&attack.by_tables, &attack.included, 0.95).unwrap();
    assert!(found.auc > 0.8, "{}", found.auc);
}

#[test]
fn rows_of_another_schema_are_refused() {
    let config = RunConfig::new(wide()).unwrap();
    let blocks = vec![(Arc::new(Binned::new(1, 1)), vec![0])];
    assert!(matches!(
        attack(&config, &blocks, 1, &mut rng(0)),
        Err(AuditError::Columns { actual: 1, .. })
    ));
}
