//! What a joined run sends, said before it starts: a function of the configuration and of sizes that alignment
//! reveals anyhow. What a growth asks after its first query depends on the answers: there it is the most that the plan
//! allows, every cell joined.

use std::collections::BTreeMap;

use hedgerow_forest::join::Side;
use hedgerow_forest::query::{GATE_BRANCHES, MAX_KNOTS};
use hedgerow_forest::table::CLASSES;

use super::JoinError;
use super::chain;
use super::gradients::Exchange;
use super::plan::JoinPlan;
use super::upload::{Engine, MAX_HELD, Upload};
use crate::config::{Alignment, Role, RunConfig};
use crate::growth::Progression;
use crate::ids::PartyId;
use crate::privacy;

/// Bytes of a blinded key, and of a pseudonym, on the wire.
const KEY: u64 = 32;
const PSEUDONYM: u64 = 16;

/// How much two parties align.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairSizes {
    /// The row party.
    pub row: PartyId,
    /// The attribute party.
    pub attribute: PartyId,
    /// Distinct entities that the row party names at the attribute party.
    pub references: u64,
    /// Entities of the attribute party.
    pub entities: u64,
    /// Distinct entities of both; at most their sum.
    pub union: u64,
}

/// What one pair of parties sends, in bytes, before sealing and framing (less than one part in a hundred).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairForecast {
    /// The pair.
    pub sizes: PairSizes,
    /// What is encrypted.
    pub engine: Engine,
    /// Alignment, from the row party and from the attribute party.
    pub alignment: [u64; 2],
    /// Encrypted attributes, from the attribute party.
    pub upload: u64,
    /// Answers of all rounds, from the row party.
    pub answers: u64,
    /// Products of all rounds: blocks times answers, each some 30 microseconds of one core.
    pub products: u64,
}

/// What a run sends if nothing fails, scores not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// One for each pair, in the order given.
    pub pairs: Vec<PairForecast>,
    /// Bytes sent by each party, its masked vectors among them.
    pub sent: BTreeMap<PartyId, u64>,
    /// Whether these are bounds, because only the first query is known.
    pub at_most: bool,
}

/// The forecast of a joined run.
///
/// # Errors
/// [`JoinError`] for a run without a join, or bounds under which nothing can be encrypted.
pub fn forecast(config: &RunConfig, sizes: &[PairSizes]) -> Result<Forecast, JoinError> {
    let join = config.join().ok_or(JoinError::NoJoin)?;
    let growth = Progression::start(config).map_err(|error| JoinError::Data(error.to_string()))?;
    let query = growth.query().ok_or(JoinError::NoJoin)?;
    let plan = JoinPlan::new(config, query)?;
    let planned = privacy::plan(config).map_err(|error| JoinError::Data(error.to_string()))?;
    let cells: u64 = planned.iter().map(|planned| planned.cells as u64).sum();
    let vector = cells.saturating_mul(config.modulus.word_bytes() as u64);
    let later: Vec<u64> = planned
        .iter()
        .skip(1)
        .map(|planned| planned.cells as u64)
        .collect();
    let mut sent: BTreeMap<PartyId, u64> = config
        .parties
        .iter()
        .map(|party| (party.clone(), vector))
        .collect();
    if config.is_chained() {
        return chained(config, &plan, sizes, sent);
    }
    let sizes_of_all = sizes.len().max(1) as u64;
    let mut pairs = Vec::with_capacity(sizes.len());
    for sizes in sizes {
        if let Some(exchange) = Exchange::new(config, &plan, query, sizes.union)? {
            // Growth takes a gate where counts are exact.
            let branches = if config.privacy.is_none() {
                GATE_BRANCHES
            } else {
                1
            };
            let pair = of_gradients(join.alignment, sizes, &exchange, (&later, branches));
            for (party, bytes) in [
                (&sizes.row, pair.alignment[0].saturating_add(pair.answers)),
                (&sizes.attribute, pair.alignment[1].saturating_add(pair.upload)),
            ] {
                let sent = sent.entry(party.clone()).or_default();
                *sent = sent.saturating_add(bytes);
            }
            pairs.push(pair);
            continue;
        }
        let upload = Upload::new(config, &plan, &sizes.attribute, sizes.union)?;
        let alignment = alignment(join.alignment, sizes);
        let segments = u64::from(join.segments.max(1));
        let more: u64 = later.iter().map(|cells| cells.div_ceil(segments)).sum();
        let count = (upload.answers(&plan) as u64).saturating_add(more);
        let answers = count.saturating_mul(upload.params.answer_bytes() as u64);
        let bytes = later
            .iter()
            .fold(upload.bytes(), |bytes, cells| match upload.engine {
                // Kept, or sent again.
                Engine::Profiles if upload.bytes() <= MAX_HELD / sizes_of_all => bytes,
                Engine::Profiles => bytes.saturating_add(upload.bytes()),
                // A predicate for each two cells.
                Engine::Predicates => {
                    let items = (cells / 2).saturating_mul(upload.blocks as u64);
                    bytes.saturating_add(items.saturating_mul(upload.params.block_bytes() as u64))
                }
            });
        for (party, bytes) in [
            (&sizes.row, alignment[0].saturating_add(answers)),
            (&sizes.attribute, alignment[1].saturating_add(bytes)),
        ] {
            let sent = sent.entry(party.clone()).or_default();
            *sent = sent.saturating_add(bytes);
        }
        pairs.push(PairForecast {
            engine: upload.engine,
            alignment,
            upload: bytes,
            answers,
            products: count.saturating_mul(upload.blocks as u64),
            sizes: sizes.clone(),
        });
    }
    Ok(Forecast {
        pairs,
        sent,
        at_most: !later.is_empty(),
    })
}

/// What boosted trees send: at most all knots (in every branch of the gate), and every cell answered by either side, as it follows from the answers
/// whose columns a tree tests. Ciphertexts and answers of one side are added up.
fn of_gradients(
    alignment_of: Alignment,
    sizes: &PairSizes,
    exchange: &Exchange,
    (later, branches): (&[u64], usize),
) -> PairForecast {
    let (block, answer) = (
        exchange.params().block_bytes() as u64,
        exchange.params().answer_bytes() as u64,
    );
    let blocks = exchange
        .params()
        .blocks(usize::try_from(sizes.union).unwrap_or(usize::MAX)) as u64;
    let knots = (MAX_KNOTS * branches) as u64;
    let (rounds, cells) = (later.len() as u64, later.iter().sum::<u64>());
    let bytes = |side: Side| {
        let vectors = match side {
            Side::Row => CLASSES as u64 * knots,
            Side::Attribute => knots,
        };
        let now = exchange.encrypted(side) as u64 * block + exchange.cells(side).count() as u64 * answer;
        let later = (rounds * vectors).saturating_mul(blocks.saturating_mul(block));
        now.saturating_add(later)
            .saturating_add(cells.saturating_mul(answer))
    };
    let first = [Side::Row, Side::Attribute].map(|side| exchange.cells(side).count() as u64);
    let first = first.iter().sum::<u64>() * exchange.plan().knots().count() as u64;
    PairForecast {
        sizes: sizes.clone(),
        engine: Engine::Predicates,
        alignment: alignment(alignment_of, sizes),
        upload: bytes(Side::Attribute),
        answers: bytes(Side::Row),
        products: first
            .saturating_add(cells.saturating_mul(knots))
            .saturating_mul(blocks),
    }
}

/// The forecast of a run whose trees may test two links: of one query, over the common order.
fn chained(
    config: &RunConfig,
    plan: &JoinPlan,
    sizes: &[PairSizes],
    mut sent: BTreeMap<PartyId, u64>,
) -> Result<Forecast, JoinError> {
    let join = config.join().ok_or(JoinError::NoJoin)?;
    let params = chain::params()?;
    let slots = sizes.iter().map(|pair| pair.union).max().unwrap_or_default();
    let blocks = params.blocks(usize::try_from(slots).unwrap_or(usize::MAX)) as u64;
    let there: Vec<PartyId> = config.parties_of(Role::Attributes).cloned().collect();
    let mut pairs = Vec::with_capacity(sizes.len());
    for sizes in sizes {
        let (mut upload, mut answers, mut products) = (0u64, 0u64, 0u64);
        for unit in chain::units(plan, &sizes.attribute, &there) {
            let cells = unit.cells().count() as u64;
            upload += (unit.sources.len() as u64).saturating_mul(blocks) * params.block_bytes() as u64;
            answers += cells * params.answer_bytes() as u64;
            products = products.saturating_add(cells.saturating_mul(blocks));
            if let Some(second) = unit.second {
                let passed = (unit.products.len() as u64).saturating_mul(blocks);
                *sent.entry(second).or_default() += passed.saturating_mul(params.passed_bytes() as u64);
            }
        }
        let alignment = alignment(join.alignment, sizes);
        let order = sizes.union.saturating_mul(4);
        *sent.entry(sizes.row.clone()).or_default() += alignment[0] + answers + order;
        *sent.entry(sizes.attribute.clone()).or_default() += alignment[1] + upload;
        pairs.push(PairForecast {
            sizes: sizes.clone(),
            engine: Engine::Predicates,
            alignment,
            upload,
            answers,
            products,
        });
    }
    Ok(Forecast {
        pairs,
        sent,
        at_most: false,
    })
}

/// Bytes of an alignment from the row party and from the attribute party; see `hedgerow_crypto::align`.
fn alignment(alignment: Alignment, sizes: &PairSizes) -> [u64; 2] {
    let Alignment::Private { pad, .. } = alignment else {
        return [0, sizes.entities.saturating_mul(KEY)];
    };
    let dummies = u64::from(pad / 2);
    let (row, attribute) = (sizes.references + dummies, sizes.entities + dummies);
    let (larger, smaller) = (row.max(attribute), row.min(attribute));
    let union = sizes.union.saturating_add(2 * dummies);
    let alone = union.saturating_sub(larger);
    let tagger = (larger + 2 * smaller) * KEY + union * PSEUDONYM;
    let matcher = (smaller + larger + alone) * KEY;
    if row >= attribute {
        [tagger, matcher]
    } else {
        [matcher, tagger]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::party::tests::joined::world::Shape;
    use crate::party::tests::support::id;

    /// Everybody's bytes of a chained run: what a first party sends its second is sent once, what is passed on is half
    /// as much again for each block.
    #[test]
    fn chains_are_counted_along_their_way() {
        let config = RunConfig::new(Shape::chained(2).literal()).unwrap();
        let sizes = [0, 1].map(|party| PairSizes {
            row: id(2),
            attribute: id(party),
            references: 8_000,
            entities: 8_000,
            union: 9_000,
        });
        let forecast = forecast(&config, &sizes).unwrap();
        let plan = JoinPlan::new(&config, Progression::start(&config).unwrap().query().unwrap()).unwrap();
        let units = chain::units(&plan, &id(0), &[id(0), id(1)]);
        let over_two: Vec<_> = units.iter().filter(|unit| unit.second == Some(id(1))).collect();
        assert!(!over_two.is_empty());
        let passed: usize = over_two.iter().map(|unit| 2 * unit.products.len()).sum();
        let answered: usize = units.iter().map(|unit| unit.cells().count()).sum();
        assert_eq!(forecast.pairs[0].products, 2 * answered as u64);
        assert!(forecast.sent[&id(1)] > (passed * 307_224) as u64);
        assert!(forecast.sent[&id(2)] > (answered * 51_231) as u64);
    }

    fn of(numeric: bool) -> Forecast {
        let shape = Shape {
            numeric,
            ..Shape::of(2)
        };
        let config = RunConfig::new(shape.literal()).unwrap();
        let sizes = [0, 1].map(|bank| PairSizes {
            row: id(2),
            attribute: id(bank),
            references: 1_000,
            entities: 50_000,
            union: 50_100,
        });
        forecast(&config, &sizes).unwrap()
    }

    #[test]
    fn the_cheaper_way_is_taken_and_everything_is_counted() {
        let few = of(false);
        assert!(few.pairs.iter().all(|pair| pair.engine == Engine::Profiles));
        assert!(
            of(true)
                .pairs
                .iter()
                .all(|pair| pair.engine == Engine::Predicates)
        );
        let pair = &few.pairs[0];
        // 5 profiles in 25 blocks of 2048 entities, 51 kB each.
        assert_eq!(pair.upload % 25, 0);
        assert!(
            pair.upload > 5 * 25 * 51_000 && pair.upload < 5 * 25 * 52_000,
            "{}",
            pair.upload
        );
        assert_eq!(few.sent[&id(0)] - few.sent[&id(1)], 0);
        assert!(few.sent[&id(2)] > 2 * (pair.answers + pair.alignment[0]));
        assert!(pair.alignment[1] > 50_000 * 32);
    }
}
