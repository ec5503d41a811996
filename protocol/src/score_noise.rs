//! Noise of private scores.
//!
//! **Mechanism** discrete Gaussian, added by the attribute party to every opened sum · **neighbours** one entity's
//! attributes changed · **sensitivity** the largest sum over a link's trees of what two leaves can differ · **measure**
//! zCDP: the budget is for all scores that ask about one entity together, an equal part for each.

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_dp::{
    Accountant, ApplyError, Budget, Cells, DistributedGaussian, L2Squared, Mechanism, rho_for,
};
use hedgerow_forest::model::Forest;
use hedgerow_forest::schema::Schema;
use rand_core::CryptoRng;

use crate::config::RunConfigLiteral;
use crate::privacy::{PrivacyError, TAIL_BITS};

/// Most slots of one answer.
const SLOTS: u64 = 1 << 13;

struct Sums(Vec<i64>);

impl Cells for Sums {
    fn cells_mut(&mut self) -> &mut [i64] {
        &mut self.0
    }
}

/// What is added to every opened sum; none where the run promises nothing for scores.
pub(crate) fn mechanism(
    config: &RunConfigLiteral,
    forest: &Forest,
) -> Result<Option<Mechanism>, PrivacyError> {
    let prediction = config.partition.join().and_then(|join| join.prediction);
    let Some((prediction, budget)) = prediction.and_then(|of| Some((of, of.budget?))) else {
        return Ok(None);
    };
    let rho = rho_for(&Budget::new(budget.epsilon, budget.delta)?)?.share(1, prediction.per_entity.max(1));
    let differ = largest_difference(&config.schema, forest).max(1);
    let gaussian = DistributedGaussian::calibrate(rho, L2Squared(differ.saturating_mul(differ)), 1, SLOTS)?;
    Ok(Some(Mechanism::DiscreteGaussian(gaussian)))
}

/// What one entity can change of one score through one link.
fn largest_difference(schema: &Schema, forest: &Forest) -> u64 {
    let leaves = 1usize << forest.depth();
    let of_tree = |values: &[u32]| {
        let (most, least) = (values.iter().max(), values.iter().min());
        u64::from(most.copied().unwrap_or(0)) - u64::from(least.copied().unwrap_or(0))
    };
    let of_link = |name: &&str| -> u64 {
        forest
            .trees
            .iter()
            .zip(forest.leaf_values.chunks(leaves))
            .filter(|(tree, _)| {
                let tests = tree.splits().iter().filter(|split| !split.is_dummy());
                let mut links = tests.filter_map(|split| schema.features.get(usize::from(split.feature)));
                links.any(|column| column.link.as_deref() == Some(name))
            })
            .map(|(_, values)| of_tree(values))
            .sum()
    };
    schema.links().iter().map(of_link).max().unwrap_or(0)
}

/// What the noise of one sum exceeds with a probability of at most `2^-TAIL_BITS`.
pub(crate) fn tail(mechanism: &Mechanism) -> u64 {
    mechanism.tail_bound(TAIL_BITS, 1)
}

/// Adds noise to words mod p.
pub(crate) fn add(
    mechanism: &Mechanism,
    words: &mut [u64],
    modulus: Modulus,
    rng: &mut impl CryptoRng,
) -> Result<(), ApplyError> {
    // The configuration says how often an entity is asked about; books of its own would count the same again.
    let cost = mechanism.cost();
    let Ok(charge) = Accountant::new(cost).charge("scores", cost) else {
        words.fill(0);
        return Ok(());
    };
    let sums = Sums(words.iter().map(|word| *word as i64).collect());
    let noised = mechanism.apply(sums, charge, rng)?.into_inner().0;
    let whole = modulus.value() as i128;
    for (word, value) in words.iter_mut().zip(noised) {
        *word = i128::from(value).rem_euclid(whole) as u64;
    }
    Ok(())
}
