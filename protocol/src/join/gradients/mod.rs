//! Gradients of boosted trees between a row party and the one attribute party: both encrypt what they know of margins,
//! and each multiplies the other's by which rows its own trees count ([`hedgerow_forest::join::gradients`]).
//!
//! Both directions are alike. What is encrypted are numbers by position of the union: hats at the attribute party, sums of
//! derivatives at the row party, one vector for every knot (and derivative), and with a gate for every branch of it. Each cell of an own tree is the sum over
//! the vectors of own weights times the other's ciphertexts; it ends as shares. Nobody learns a margin, a gradient or a
//! sum.

use std::sync::Arc;

use hedgerow_crypto::exact::count::CountLiteral;
use hedgerow_crypto::exact::{AttributeKey, CountParams};
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::binning::Binned;
use hedgerow_forest::join::{GradientPlan, Side};
use hedgerow_forest::query::{GATE_BRANCHES, HAT_BITS, MAX_KNOTS, Measure, TableQuery};
use hedgerow_forest::table::CLASSES;
use rayon::prelude::*;

use super::align::Aligned;
use super::data::JoinData;
use super::encrypt::Attributes;
use super::error::JoinError;
use super::plan::JoinPlan;
use super::stream::items_per_message;
use crate::config::{Role, RunConfig};
use crate::ids::PartyId;

mod answer;

pub use answer::{Answerer, Blocks, own_shares};

/// What passes between the two parties for one query.
#[derive(Clone, Debug)]
pub struct Exchange {
    plan: Arc<GradientPlan>,
    query: [u8; 32],
    params: CountParams,
    union: usize,
}

/// What one party knows, by position of the union. Secret: not printed.
pub struct Own {
    /// `[vectors, positions]`: what is encrypted.
    vectors: Vec<Vec<i32>>,
    /// What multiplies: positions, ascending, one for each row of the row party, one for each position elsewhere.
    positions: Vec<u32>,
    /// `[kinds, branches, knots, positions]`: one kind for both derivatives (hats), or one for each, 0 in a branch that a row
    /// is not in.
    weights: Vec<i32>,
    kinds: usize,
    /// `[branches, joined parts of this side, positions]`: which leaf counts it; the same in all branches if there is one.
    leaves: Vec<Vec<Vec<u16>>>,
}

impl Own {
    /// Which leaf of a part counts every position in a branch.
    fn leaves(&self, branch: usize, part: usize) -> Option<&Vec<u16>> {
        let of = self.leaves.get(branch).or_else(|| self.leaves.first())?;
        of.get(part)
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Own({} positions)", self.positions.len())
    }
}

/// The side of a role.
#[must_use]
pub const fn side(role: Role) -> Side {
    match role {
        Role::Row => Side::Row,
        Role::Attributes => Side::Attribute,
    }
}

const fn other(side: Side) -> Side {
    match side {
        Side::Row => Side::Attribute,
        Side::Attribute => Side::Row,
    }
}

/// Bits of the gradients of a query.
fn bits(query: &TableQuery) -> u8 {
    match query.measure() {
        Measure::Gradients(gradients) => gradients.bits(),
        _ => HAT_BITS,
    }
}

impl Exchange {
    /// The exchange for a query over so many positions of the union; none for a query of something else.
    ///
    /// # Errors
    /// Bounds under which nothing can be encrypted.
    pub fn new(
        config: &RunConfig,
        plan: &JoinPlan,
        query: &TableQuery,
        union: u64,
    ) -> Result<Option<Self>, JoinError> {
        let Some(gradients) = plan.gradients() else {
            return Ok(None);
        };
        // The same for all queries of a run, so that there is one key: a row has a derivative of at most 1 at every knot of
        // its branch, an entity hats that sum up to 1 in every branch.
        let of_rows = config
            .max_rows
            .saturating_mul((MAX_KNOTS as u64) << (bits(query) - HAT_BITS));
        let of_entities = union.saturating_mul((GATE_BRANCHES as u64) << HAT_BITS);
        let params = CountParams::from_literal(CountLiteral {
            segments: 1,
            max_weight_sum: of_rows.max(of_entities),
            max_summands: 1,
        })?;
        Ok(Some(Self {
            plan: Arc::clone(gradients),
            query: *plan.query(),
            params,
            union: usize::try_from(union).unwrap_or(usize::MAX),
        }))
    }

    /// The plan of the query.
    #[must_use]
    pub fn plan(&self) -> &GradientPlan {
        &self.plan
    }

    /// Parameters of the encryption, the same in both directions and for all queries of a run.
    #[must_use]
    pub fn params(&self) -> &CountParams {
        &self.params
    }

    /// Blocks of the union.
    fn blocks(&self) -> usize {
        self.params.blocks(self.union)
    }

    /// Vectors that a side encrypts: none if the other has nothing to multiply with.
    #[must_use]
    pub fn vectors(&self, side: Side) -> usize {
        let all = self.plan.branches() * self.plan.knots().count();
        match (side, self.plan.joined(other(side)).next()) {
            (_, None) => 0,
            (Side::Attribute, _) => all,
            (Side::Row, _) => CLASSES * all,
        }
    }

    /// Encrypted blocks that a side sends, and messages that they and the key fill.
    #[must_use]
    pub fn encrypted(&self, side: Side) -> usize {
        self.vectors(side) * self.blocks()
    }

    fn per_message(&self) -> usize {
        items_per_message(self.params.block_bytes())
    }

    /// Messages of a side's key and ciphertexts.
    #[must_use]
    pub fn messages(&self, side: Side) -> usize {
        match self.encrypted(side) {
            0 => 0,
            blocks => 1 + blocks.div_ceil(self.per_message()),
        }
    }

    fn answers_per_message(&self) -> usize {
        items_per_message(self.params.answer_bytes())
    }

    /// Messages of the answers to each of a side's parts.
    pub fn answer_messages(&self, side: Side) -> impl Iterator<Item = usize> {
        let per_message = self.answers_per_message();
        let parts = self.plan.joined(side);
        parts.map(move |part| (CLASSES * part.leaves).div_ceil(per_message))
    }

    /// The cells that a side answers, in order, each with its part.
    pub fn cells(&self, side: Side) -> impl Iterator<Item = (usize, usize)> {
        let parts = self.plan.joined(side).enumerate();
        parts.flat_map(|(number, part)| {
            (part.first..part.first + CLASSES * part.leaves).map(move |cell| (number, cell))
        })
    }

    /// What the row party knows: once for a query.
    ///
    /// # Errors
    /// Data that cannot be read, or do not fit.
    pub fn rows(
        &self,
        data: &dyn JoinData,
        query: &TableQuery,
        party: &PartyId,
        aligned: &Aligned,
    ) -> Result<Own, JoinError> {
        let rows = data.gradient_rows(query, party).map_err(JoinError::Data)?;
        let (count, knots) = (rows.references.len(), self.plan.knots().count());
        fits(
            "weights of gradients",
            CLASSES * knots * count,
            rows.weights.len(),
        )?;
        let at = rows.references.iter().map(|reference| {
            aligned
                .positions
                .get(*reference as usize)
                .copied()
                .ok_or(JoinError::Shape {
                    what: "reference of a row, below",
                    expected: aligned.positions.len() as u64,
                    actual: u64::from(*reference),
                })
        });
        let at: Vec<u32> = at.collect::<Result<_, _>>()?;
        let mut order: Vec<u32> = (0..count as u32).collect();
        order.par_sort_unstable_by_key(|row| (at.get(*row as usize).copied(), *row));
        let take = |list: &[i32]| -> Vec<i32> {
            order
                .iter()
                .map(|row| list.get(*row as usize).copied().unwrap_or_default())
                .collect()
        };
        fits("branches of rows", count, rows.branches.len())?;
        let lists: Vec<Vec<i32>> = rows.weights.par_chunks(count.max(1)).map(take).collect();
        let branches: Vec<u8> = order
            .iter()
            .filter_map(|row| rows.branches.get(*row as usize).copied())
            .collect();
        let lists = by_branch(&lists, &branches, (knots, self.plan.branches()));
        let positions: Vec<u32> = order
            .iter()
            .filter_map(|row| at.get(*row as usize).copied())
            .collect();
        let sums = |list: &Vec<i32>| {
            let mut sums = vec![0i32; self.union];
            for (position, weight) in positions.iter().zip(list) {
                if let Some(sum) = sums.get_mut(*position as usize) {
                    *sum += weight;
                }
            }
            sums
        };
        let vectors = if self.vectors(Side::Row) == 0 {
            Vec::new()
        } else {
            lists.par_iter().map(sums).collect()
        };
        let joined = self.plan.joined(Side::Row).count();
        fits("leaves of gradients", joined, rows.leaves.len())?;
        let take = |list: &Vec<u16>| {
            order
                .iter()
                .filter_map(|row| list.get(*row as usize).copied())
                .collect()
        };
        Ok(Own {
            vectors,
            weights: lists.concat(),
            kinds: CLASSES,
            leaves: vec![rows.leaves.par_iter().map(take).collect()],
            positions,
        })
    }

    /// What the attribute party knows: once for a query.
    ///
    /// # Errors
    /// Attributes that do not fit.
    pub fn entities(&self, attributes: &Attributes) -> Result<Own, JoinError> {
        let columns = attributes.columns(0);
        let mut block = Binned::new(attributes.entities(), columns.len());
        for (feature, column) in columns.iter().enumerate() {
            block.column_mut(feature).copy_from_slice(column);
        }
        let known = self.plan.entities(&block)?;
        // The last is the entity that nobody knows.
        let last = attributes.entities();
        let at: Vec<usize> = attributes
            .positions()
            .map(|entity| entity.unwrap_or(last))
            .collect();
        fits("positions of the union", self.union, at.len())?;
        let knots = self.plan.knots().count();
        let of_branch = known.hats.iter().flat_map(|hats| {
            let at = &at;
            (0..knots).map(move |knot| {
                let hat = |entity: &usize| hats.get(*entity).map_or(0, |hat| hat.weight(knot) as i32);
                at.iter().map(hat).collect()
            })
        });
        let hats: Vec<Vec<i32>> = of_branch.collect();
        let take = |list: &Vec<u16>| {
            at.iter()
                .filter_map(|entity| list.get(*entity).copied())
                .collect()
        };
        Ok(Own {
            weights: hats.concat(),
            vectors: hats,
            kinds: 1,
            leaves: known
                .leaves
                .iter()
                .map(|leaves| leaves.iter().map(take).collect())
                .collect(),
            positions: (0..self.union as u32).collect(),
        })
    }

    /// Messages of ciphertexts, the key not among them, those of a range.
    ///
    /// # Errors
    /// [`JoinError::Exact`]; not for what is known of this query.
    pub fn encrypt(
        &self,
        own: &Own,
        (key, seed): (&AttributeKey, &Seed),
        range: std::ops::Range<usize>,
    ) -> Result<Vec<Vec<u8>>, JoinError> {
        let (vectors, per_message) = (own.vectors.len().max(1), self.per_message());
        let all = vectors * self.blocks();
        let message = |message: usize| {
            let mut bytes = Vec::new();
            for item in message * per_message..((message + 1) * per_message).min(all) {
                bytes.extend(self.block(own, (key, seed), (item / vectors, item % vectors))?);
            }
            Ok(bytes)
        };
        range.into_par_iter().map(message).collect()
    }

    fn block(
        &self,
        own: &Own,
        (key, seed): (&AttributeKey, &Seed),
        (block, vector): (usize, usize),
    ) -> Result<Vec<u8>, JoinError> {
        let length = self.params.block_len();
        let numbers = own.vectors.get(vector).map(Vec::as_slice).unwrap_or_default();
        let end = ((block + 1) * length).min(numbers.len());
        let numbers = numbers.get(block * length..end).unwrap_or_default();
        let context = [block as u64, vector as u64].map(u64::to_le_bytes).concat();
        let context = [context.as_slice(), &self.query].concat();
        Ok(key.encrypt_numbers(numbers, &context, seed)?.to_bytes())
    }
}

/// Lists `[kinds, knots, positions]` as `[kinds, branches, knots, positions]`: a position counts in its branch alone.
fn by_branch(lists: &[Vec<i32>], of: &[u8], (knots, branches): (usize, usize)) -> Vec<Vec<i32>> {
    if branches == 1 {
        return lists.to_vec();
    }
    let kept = |list: &Vec<i32>, branch: usize| -> Vec<i32> {
        let here = |(weight, own): (&i32, &u8)| if usize::from(*own) == branch { *weight } else { 0 };
        list.iter().zip(of).map(here).collect()
    };
    let kinds = lists.chunks(knots.max(1));
    let all = kinds.flat_map(|lists| {
        (0..branches).flat_map(move |branch| lists.iter().map(move |list| kept(list, branch)))
    });
    all.collect()
}

fn fits(what: &'static str, expected: usize, actual: usize) -> Result<(), JoinError> {
    if expected == actual {
        return Ok(());
    }
    Err(JoinError::Shape {
        what,
        expected: expected as u64,
        actual: actual as u64,
    })
}
