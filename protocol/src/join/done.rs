//! What comes of works.

use std::fmt;
use std::sync::Arc;

use hedgerow_crypto::align::Outgoing;
use hedgerow_crypto::hash::Digest;
use hedgerow_forest::table::Table;

use super::align::{Aligned, Machine};
use super::answer::UnitBlocks;
use super::chain::answer::Step;
use super::chain::order::Orders;
use super::encrypt::Attributes;
use super::gradients::{Blocks, Own};
use super::score::{ScoreBlocks, ScorePlan, ScoreQuery};

/// What came of a piece of work.
pub enum Done {
    /// Of [`super::AlignWork::Start`] and [`super::AlignWork::Step`].
    Align {
        /// The machine.
        machine: Box<Machine>,
        /// Own messages with their numbers.
        messages: Vec<(u32, Outgoing)>,
    },
    /// Of [`super::AlignWork::Tell`] (with messages) and [`super::AlignWork::Hear`] (without).
    Aligned {
        /// Messages for the peer.
        messages: Vec<Vec<u8>>,
        /// The result.
        aligned: Aligned,
    },
    /// Of [`super::Work::Attributes`].
    Attributes(Arc<Attributes>),
    /// Of [`super::Work::Encrypt`], [`super::Work::Answer`], [`super::GradientWork::Encrypt`] and
    /// [`super::GradientWork::Answer`].
    Messages(Vec<Vec<u8>>),
    /// Of [`super::Work::Base`].
    Table(Table),
    /// Of [`super::Work::ReadUnit`].
    Unit(Arc<UnitBlocks>),
    /// Of [`super::GradientWork::Rows`] and [`super::GradientWork::Entities`].
    GradientOwn(Arc<Own>),
    /// Of [`super::GradientWork::Read`].
    GradientBlocks(Arc<Blocks>),
    /// Of [`super::Work::Missing`].
    Missing(Vec<i64>),
    /// Of [`super::Work::Open`].
    Shares(Vec<Vec<u64>>),
    /// Of [`super::ChainWork::Orders`].
    Orders(Arc<Orders>),
    /// Of [`super::ChainWork::Step`].
    ChainStep(Step),
    /// Of [`super::ChainWork::Open`].
    ChainShares(Vec<u64>),
    /// Of [`super::ScoreWork::Own`].
    ScoreOwn {
        /// The forest's plan.
        scores: Arc<ScorePlan>,
        /// The rows' scores so far.
        totals: Vec<i64>,
        /// The digest of the rows.
        digest: Digest,
    },
    /// Of [`super::ScoreWork::Plan`].
    ScorePlan(Arc<ScorePlan>),
    /// Of [`super::ScoreWork::Query`].
    ScoreQuery(Arc<ScoreQuery>),
    /// Of [`super::ScoreWork::Read`].
    ScoreBlocks(Arc<ScoreBlocks>),
    /// Of [`super::ScoreWork::Close`]: parts of rows' scores.
    ScoreParts {
        /// Row of the batch, and what adds to its score.
        parts: Vec<(u32, i64)>,
        /// Answers that they come from.
        outputs: usize,
    },
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done(redacted)")
    }
}
