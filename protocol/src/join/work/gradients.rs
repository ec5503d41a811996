//! Works of boosted trees, whose gradients both sides encrypt, answer and open.

use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::AttributeKey;
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::join::Side;
use hedgerow_forest::query::TableQuery;

use super::super::align::Aligned;
use super::super::data::JoinData;
use super::super::done::Done;
use super::super::encrypt::Attributes;
use super::super::error::JoinError;
use super::super::gradients::{Answerer, Blocks, Exchange, Own};
use super::WorkKind;
use crate::ids::PartyId;

/// A step of an exchange of gradients.
pub enum GradientWork {
    /// Row party: derivatives of its rows at all knots.
    Rows {
        /// What passes.
        exchange: Arc<Exchange>,
        /// The query.
        query: TableQuery,
        /// The attribute party.
        party: PartyId,
        /// For each reference to it its position in the union.
        aligned: Arc<Aligned>,
    },
    /// Attribute party: hats of its entities.
    Entities {
        /// What passes.
        exchange: Arc<Exchange>,
        /// The entities.
        attributes: Arc<Attributes>,
    },
    /// Encrypt derivatives or hats.
    Encrypt {
        /// What passes.
        exchange: Arc<Exchange>,
        /// What is encrypted.
        own: Arc<Own>,
        /// The key.
        key: Arc<AttributeKey>,
        /// The seed of all encryptions for the other.
        seed: Seed,
        /// Which messages.
        messages: Range<usize>,
    },
    /// Read what the other has encrypted.
    Read {
        /// What passes.
        exchange: Arc<Exchange>,
        /// The other's side.
        side: Side,
        /// The key and the messages.
        messages: Vec<Vec<u8>>,
    },
    /// Answer one part.
    Answer {
        /// With what.
        answerer: Answerer,
        /// The part.
        part: usize,
        /// The other's ciphertexts.
        blocks: Arc<Blocks>,
    },
}

impl GradientWork {
    pub(super) fn compute(self, data: &dyn JoinData) -> Result<Done, JoinError> {
        Ok(match self {
            Self::Rows {
                exchange,
                query,
                party,
                aligned,
            } => Done::GradientOwn(Arc::new(exchange.rows(data, &query, &party, &aligned)?)),
            Self::Entities { exchange, attributes } => {
                Done::GradientOwn(Arc::new(exchange.entities(&attributes)?))
            }
            Self::Encrypt {
                exchange,
                own,
                key,
                seed,
                messages,
            } => Done::Messages(exchange.encrypt(&own, (&key, &seed), messages)?),
            Self::Read {
                exchange,
                side,
                messages,
            } => Done::GradientBlocks(Arc::new(Blocks::read(&exchange, side, &messages)?)),
            Self::Answer {
                answerer,
                part,
                blocks,
            } => Done::Messages(answerer.answers(part, &blocks)?),
        })
    }

    pub(super) fn kind(&self) -> WorkKind {
        match self {
            Self::Entities { .. } | Self::Encrypt { .. } => WorkKind::Encryption,
            Self::Rows { .. } => WorkKind::Counting,
            Self::Read { .. } | Self::Answer { .. } => WorkKind::InnerProducts,
        }
    }
}
