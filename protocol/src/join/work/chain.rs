//! Works of chained runs, whose trees may test columns of two links.

use std::sync::Arc;

use hedgerow_crypto::exact::{ChainKey, ChainParams};
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::query::TableQuery;

use super::super::align::Aligned;
use super::super::chain::Unit;
use super::super::chain::answer::{self, Answerer, Sums};
use super::super::chain::encrypt::{self, Encryptor, Item};
use super::super::chain::order::{self, Orders};
use super::super::chain::pass::Passer;
use super::super::data::JoinData;
use super::super::done::Done;
use super::super::encrypt::Attributes;
use super::super::error::JoinError;
use super::super::plan::JoinPlan;
use super::WorkKind;
use crate::ids::PartyId;

/// A step of a chained round.
pub enum ChainWork {
    /// Row party of a chained run: draw the common order of a round.
    Orders {
        /// The attribute parties of the round.
        parties: Vec<(PartyId, Arc<Aligned>)>,
        /// Whether they have told their keys.
        is_plain: bool,
        /// The seed of the order.
        seed: Seed,
    },
    /// Attribute party of a chained run: read the own attributes in the common order that came.
    Attributes {
        /// The plan.
        plan: Arc<JoinPlan>,
        /// This party.
        party: PartyId,
        /// Where the entities stand in the union.
        aligned: Arc<Aligned>,
        /// The order.
        messages: Vec<Vec<u8>>,
    },
    /// First party of a chain: encrypt some items.
    Encrypt {
        /// With what.
        encryptor: Encryptor,
        /// Which.
        items: Vec<Item>,
    },
    /// Second party of a chain: pass one block of a tree on.
    Pass {
        /// With what.
        passer: Passer,
        /// The tree.
        unit: Arc<Unit>,
        /// The block.
        block: usize,
        /// The first party's.
        messages: Vec<Vec<u8>>,
    },
    /// Row party of a chained run: take one block of a tree.
    Step {
        /// With what.
        answerer: Box<Answerer>,
        /// The tree.
        unit: Arc<Unit>,
        /// The sums so far, moved here and back.
        sums: Option<Box<Sums>>,
        /// What came.
        messages: Vec<Vec<u8>>,
    },
    /// First party of a chain: open answers.
    Open {
        /// The key that opens them.
        key: Arc<ChainKey>,
        /// Their parameters.
        params: ChainParams,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Count the rows of trees of which a party is missing.
    Missing {
        /// The query.
        query: TableQuery,
        /// Its plan.
        plan: Arc<JoinPlan>,
        /// The trees.
        trees: Vec<usize>,
    },
}

impl ChainWork {
    pub(super) fn compute(self, data: &dyn JoinData) -> Result<Done, JoinError> {
        Ok(match self {
            Self::Orders {
                parties,
                is_plain,
                seed,
            } => Done::Orders(Arc::new(Orders::draw(data, &parties, is_plain, &seed)?)),
            Self::Attributes {
                plan,
                party,
                aligned,
                messages,
            } => {
                let aligned = order::told(&aligned, &messages)?;
                let attributes = Attributes::read(data, &plan, &party, &aligned)?;
                Done::Attributes(Arc::new(attributes))
            }
            Self::Encrypt { encryptor, items } => Done::Messages(encryptor.messages(&items)?),
            Self::Pass {
                passer,
                unit,
                block,
                messages,
            } => Done::Messages(passer.messages(&unit, block, &messages)?),
            Self::Step {
                answerer,
                unit,
                sums,
                messages,
            } => Done::ChainStep(answerer.step(data, &unit, sums, &messages)?),
            Self::Open {
                key,
                params,
                messages,
            } => Done::ChainShares(encrypt::open(&key, &params, &messages)?),
            Self::Missing { query, plan, trees } => {
                Done::Missing(answer::missing(data, &query, &plan, &trees)?)
            }
        })
    }

    pub(super) fn kind(&self) -> WorkKind {
        match self {
            Self::Orders { .. } => WorkKind::Alignment,
            Self::Attributes { .. } | Self::Encrypt { .. } => WorkKind::Encryption,
            Self::Missing { .. } => WorkKind::Counting,
            Self::Pass { .. } | Self::Step { .. } | Self::Open { .. } => WorkKind::InnerProducts,
        }
    }
}
