//! The heavy computations of a join, for a driver to run outside of the machine.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::{AttributeKey, ChainKey, ChainParams, CountParams, SlotParams};
use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::join::Side;
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::TableQuery;

use super::align::{self, Aligned, Machine, Own};
use super::answer::{self, Answerer, UnitBlocks};
use super::chain;
use super::data::JoinData;
use super::done::Done;
use super::encrypt::{Attributes, Encryptor};
use super::error::JoinError;
use super::gradients::{self, Blocks, Exchange};
use super::open;
use super::plan::JoinPlan;
use super::score::{ScoreBlocks, ScorePlan, ScoreQuery, ScoreRows, ScoreServer};
use super::upload::{Source, Upload};
use crate::config::RunConfig;
use crate::ids::PartyId;

/// Names one piece of work of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId(pub u64);

/// What an operator may see of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkKind {
    /// Finding the common entities.
    Alignment,
    /// Encrypting profiles or predicates.
    Encryption,
    /// Counting rows.
    Counting,
    /// Answering, and opening answers.
    InnerProducts,
    /// Private scores.
    Prediction,
}

/// A piece of work with all that it needs but the data. Run it on a thread that may block; it uses the current
/// `rayon` pool.
pub enum Work {
    /// Begin a private alignment.
    AlignStart {
        /// The run.
        config: Arc<RunConfig>,
        /// Whose keys.
        own: Own,
        /// Both parties.
        pair: (PartyId, PartyId),
        /// The seed of this party for the pair.
        seed: Seed,
    },
    /// Take messages of a private alignment, then make own ones.
    AlignStep {
        /// The machine, moved here and back.
        machine: Box<Machine>,
        /// The peer's, in order.
        receive: Vec<Vec<u8>>,
        /// Which own messages are wanted.
        send: Range<u32>,
    },
    /// Tell the own keys.
    AlignTell,
    /// Compare with the keys that a party has told.
    AlignHear {
        /// The party.
        party: PartyId,
        /// Its messages.
        messages: Vec<Vec<u8>>,
    },
    /// Read the own entities' attributes.
    Attributes {
        /// The plan.
        plan: Arc<JoinPlan>,
        /// This party.
        party: PartyId,
        /// Where the entities stand in the union.
        aligned: Arc<Aligned>,
    },
    /// Encrypt messages of one unit.
    Encrypt {
        /// With what.
        encryptor: Encryptor,
        /// The unit.
        unit: usize,
        /// Its messages.
        messages: Range<usize>,
    },
    /// Count rows that need no attribute, after a check that the keys are still those that were aligned.
    Base {
        /// The query.
        query: TableQuery,
        /// The digests of the keys named at each party.
        keys: Vec<(PartyId, Digest)>,
    },
    /// Read the encrypted blocks of one unit.
    ReadUnit {
        /// What was to come.
        upload: Arc<Upload>,
        /// The unit.
        unit: usize,
        /// The public key.
        key: Arc<Vec<u8>>,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Answer a portion of one unit.
    Answer {
        /// With what.
        answerer: Answerer,
        /// The unit.
        unit: usize,
        /// Its groups.
        portion: Range<usize>,
        /// Its blocks.
        blocks: Arc<UnitBlocks>,
    },
    /// Row party: derivatives of its rows at all knots.
    GradientRows {
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
    GradientEntities {
        /// What passes.
        exchange: Arc<Exchange>,
        /// The entities.
        attributes: Arc<Attributes>,
    },
    /// Encrypt derivatives or hats.
    GradientEncrypt {
        /// What passes.
        exchange: Arc<Exchange>,
        /// What is encrypted.
        own: Arc<gradients::Own>,
        /// The key.
        key: Arc<AttributeKey>,
        /// The seed of all encryptions for the other.
        seed: Seed,
        /// Which messages.
        messages: Range<usize>,
    },
    /// Read what the other has encrypted.
    GradientRead {
        /// What passes.
        exchange: Arc<Exchange>,
        /// The other's side.
        side: Side,
        /// The key and the messages.
        messages: Vec<Vec<u8>>,
    },
    /// Answer one part.
    GradientAnswer {
        /// With what.
        answerer: gradients::Answerer,
        /// The part.
        part: usize,
        /// The other's ciphertexts.
        blocks: Arc<Blocks>,
    },
    /// Count the rows of a party that is missing.
    Missing {
        /// The query.
        query: TableQuery,
        /// Its plan.
        plan: Arc<JoinPlan>,
        /// The party.
        party: PartyId,
    },
    /// Take a forest apart, and score rows as far as this party can.
    ScoreOwn {
        /// The run.
        config: Arc<RunConfig>,
        /// Its plan.
        plan: Arc<JoinPlan>,
        /// The forest.
        forest: Arc<Forest>,
        /// The rows.
        rows: Arc<ScoreRows>,
        /// Attribute parties that are there, sorted.
        there: Vec<PartyId>,
    },
    /// Prepare a batch for one attribute party.
    ScoreQuery {
        /// The forest's plan.
        scores: Arc<ScorePlan>,
        /// The run's plan.
        plan: Arc<JoinPlan>,
        /// The rows.
        rows: Arc<ScoreRows>,
        /// The party.
        party: PartyId,
        /// For each reference to it its position in the union.
        aligned: Arc<Aligned>,
        /// Slots of an answer.
        slots: usize,
        /// The randomness of the batch at the party.
        seed: Seed,
    },
    /// Read what a party has encrypted for scores.
    ScoreRead {
        /// Parameters.
        params: SlotParams,
        /// What is encrypted.
        sources: Vec<Source>,
        /// Positions of the union.
        union: u64,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Answers of a batch, a portion.
    ScoreAnswer {
        /// The forest's plan.
        scores: Arc<ScorePlan>,
        /// The batch.
        query: Arc<ScoreQuery>,
        /// What it is multiplied with.
        blocks: Arc<ScoreBlocks>,
        /// Which answers.
        portion: Range<usize>,
    },
    /// Take the masks off opened answers.
    ScoreClose {
        /// The batch.
        query: Arc<ScoreQuery>,
        /// Parameters.
        params: SlotParams,
        /// The first answer.
        first: usize,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Take a forest apart to serve scores.
    ScorePlan {
        /// The run.
        config: Arc<RunConfig>,
        /// Its plan.
        plan: Arc<JoinPlan>,
        /// The forest.
        forest: Arc<Forest>,
    },
    /// Encrypt for scores.
    ScoreEncrypt {
        /// With what.
        server: Arc<ScoreServer>,
        /// The entities.
        attributes: Arc<Attributes>,
        /// Which messages.
        messages: Range<usize>,
    },
    /// Open answers of a batch.
    ScoreOpen {
        /// With what.
        server: Arc<ScoreServer>,
        /// The batch.
        batch: u64,
        /// The first answer.
        first: usize,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Row party of a chained run: draw the common order of a round.
    ChainOrders {
        /// The attribute parties of the round.
        parties: Vec<(PartyId, Arc<Aligned>)>,
        /// Whether they have told their keys.
        is_plain: bool,
        /// The seed of the order.
        seed: Seed,
    },
    /// Attribute party of a chained run: read the own attributes in the common order that came.
    ChainAttributes {
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
    ChainEncrypt {
        /// With what.
        encryptor: chain::encrypt::Encryptor,
        /// Which.
        items: Vec<chain::encrypt::Item>,
    },
    /// Second party of a chain: pass one block of a tree on.
    ChainPass {
        /// With what.
        passer: chain::pass::Passer,
        /// The tree.
        unit: Arc<chain::Unit>,
        /// The block.
        block: usize,
        /// The first party's.
        messages: Vec<Vec<u8>>,
    },
    /// Row party of a chained run: take one block of a tree.
    ChainStep {
        /// With what.
        answerer: Box<chain::answer::Answerer>,
        /// The tree.
        unit: Arc<chain::Unit>,
        /// The sums so far, moved here and back.
        sums: Option<Box<chain::answer::Sums>>,
        /// What came.
        messages: Vec<Vec<u8>>,
    },
    /// First party of a chain: open answers.
    ChainOpen {
        /// The key that opens them.
        key: Arc<ChainKey>,
        /// Their parameters.
        params: ChainParams,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Count the rows of trees of which a party is missing.
    ChainMissing {
        /// The query.
        query: TableQuery,
        /// Its plan.
        plan: Arc<JoinPlan>,
        /// The trees.
        trees: Vec<usize>,
    },
    /// Open answers.
    Open {
        /// The key that opens them.
        key: Arc<AttributeKey>,
        /// Their parameters.
        params: CountParams,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
}

impl Work {
    /// Does it.
    ///
    /// # Errors
    /// What others may hear: sizes and places, no data.
    pub fn run(self, data: &dyn JoinData) -> Result<Done, String> {
        self.compute(data).map_err(|error| error.to_string())
    }

    fn compute(self, data: &dyn JoinData) -> Result<Done, JoinError> {
        Ok(match self {
            Self::AlignStart {
                config,
                own,
                pair,
                seed,
            } => Done::Align {
                machine: Box::new(Machine::start(data, &config, &own, (&pair.0, &pair.1), &seed)?),
                messages: Vec::new(),
            },
            Self::AlignStep {
                mut machine,
                receive,
                send,
            } => {
                machine.receive(receive)?;
                Done::Align {
                    messages: machine.messages(send),
                    machine,
                }
            }
            Self::AlignTell => {
                let (messages, aligned) = align::tell(data)?;
                Done::Aligned { messages, aligned }
            }
            Self::AlignHear { party, messages } => Done::Aligned {
                messages: Vec::new(),
                aligned: align::hear(data, &party, &messages)?,
            },
            Self::Attributes { plan, party, aligned } => {
                Done::Attributes(Arc::new(Attributes::read(data, &plan, &party, &aligned)?))
            }
            Self::Encrypt {
                encryptor,
                unit,
                messages,
            } => Done::Messages(encryptor.messages(unit, messages)?),
            Self::Base { query, keys } => {
                for (party, digest) in keys {
                    let now = Own::References(party).read(data)?;
                    if super::data::keys_digest(&now) != digest {
                        return Err(JoinError::Changed);
                    }
                }
                Done::Table(data.base_counts(&query).map_err(JoinError::Data)?)
            }
            Self::ReadUnit {
                upload,
                unit,
                key,
                messages,
            } => Done::Unit(Arc::new(UnitBlocks::read(&upload, unit, &key, &messages)?)),
            Self::Answer {
                answerer,
                unit,
                portion,
                blocks,
            } => Done::Messages(answerer.answers(data, unit, portion, &blocks)?),
            Self::GradientRows {
                exchange,
                query,
                party,
                aligned,
            } => Done::GradientOwn(Arc::new(exchange.rows(data, &query, &party, &aligned)?)),
            Self::GradientEntities { exchange, attributes } => {
                Done::GradientOwn(Arc::new(exchange.entities(&attributes)?))
            }
            Self::GradientEncrypt {
                exchange,
                own,
                key,
                seed,
                messages,
            } => Done::Messages(exchange.encrypt(&own, (&key, &seed), messages)?),
            Self::GradientRead {
                exchange,
                side,
                messages,
            } => Done::GradientBlocks(Arc::new(Blocks::read(&exchange, side, &messages)?)),
            Self::GradientAnswer {
                answerer,
                part,
                blocks,
            } => Done::Messages(answerer.answers(part, &blocks)?),
            Self::Missing { query, plan, party } => {
                Done::Missing(answer::missing(data, &query, &plan, &party)?)
            }
            Self::ScoreOwn {
                config,
                plan,
                forest,
                rows,
                there,
            } => {
                let scores = ScorePlan::new(&config, &plan, &forest)?;
                Done::ScoreOwn {
                    totals: scores.own_part(&plan, &rows, &there)?,
                    scores: Arc::new(scores),
                    digest: rows.digest(),
                }
            }
            Self::ScorePlan { config, plan, forest } => {
                Done::ScorePlan(Arc::new(ScorePlan::new(&config, &plan, &forest)?))
            }
            Self::ScoreQuery {
                scores,
                plan,
                rows,
                party,
                aligned,
                slots,
                seed,
            } => {
                let positions = &aligned.positions;
                let query = ScoreQuery::new(&scores, &plan, &rows, &party, positions, slots, seed)?;
                Done::ScoreQuery(Arc::new(query))
            }
            Self::ScoreRead {
                params,
                sources,
                union,
                messages,
            } => Done::ScoreBlocks(Arc::new(ScoreBlocks::read(params, sources, union, &messages)?)),
            Self::ScoreAnswer {
                scores,
                query,
                blocks,
                portion,
            } => Done::Messages(query.answers(&scores, &blocks, portion)?),
            Self::ScoreClose {
                query,
                params,
                first,
                messages,
            } => {
                let (parts, outputs) = query.close(&params, first, &messages)?;
                Done::ScoreParts { parts, outputs }
            }
            Self::ScoreEncrypt {
                server,
                attributes,
                messages,
            } => Done::Messages(server.encrypt(&attributes, messages)?),
            Self::ScoreOpen {
                server,
                batch,
                first,
                messages,
            } => Done::Messages(server.open(batch, first, &messages)?),
            Self::ChainOrders {
                parties,
                is_plain,
                seed,
            } => Done::Orders(Arc::new(chain::order::Orders::draw(
                data, &parties, is_plain, &seed,
            )?)),
            Self::ChainAttributes {
                plan,
                party,
                aligned,
                messages,
            } => {
                let aligned = chain::order::told(&aligned, &messages)?;
                let attributes = Attributes::read(data, &plan, &party, &aligned)?;
                Done::Attributes(Arc::new(attributes))
            }
            Self::ChainEncrypt { encryptor, items } => Done::Messages(encryptor.messages(&items)?),
            Self::ChainPass {
                passer,
                unit,
                block,
                messages,
            } => Done::Messages(passer.messages(&unit, block, &messages)?),
            Self::ChainStep {
                answerer,
                unit,
                sums,
                messages,
            } => Done::ChainStep(answerer.step(data, &unit, sums, &messages)?),
            Self::ChainOpen {
                key,
                params,
                messages,
            } => Done::ChainShares(chain::encrypt::open(&key, &params, &messages)?),
            Self::ChainMissing { query, plan, trees } => {
                Done::Missing(chain::answer::missing(data, &query, &plan, &trees)?)
            }
            Self::Open {
                key,
                params,
                messages,
            } => Done::Shares(open::open(&key, &params, &messages)?),
        })
    }

    /// What it is, for an operator.
    #[must_use]
    pub fn kind(&self) -> WorkKind {
        match self {
            Self::AlignStart { .. } | Self::AlignStep { .. } | Self::AlignTell | Self::AlignHear { .. } => {
                WorkKind::Alignment
            }
            Self::ChainOrders { .. } => WorkKind::Alignment,
            Self::Attributes { .. }
            | Self::Encrypt { .. }
            | Self::GradientEntities { .. }
            | Self::GradientEncrypt { .. }
            | Self::ChainAttributes { .. }
            | Self::ChainEncrypt { .. } => WorkKind::Encryption,
            Self::Base { .. }
            | Self::Missing { .. }
            | Self::GradientRows { .. }
            | Self::ChainMissing { .. } => WorkKind::Counting,
            Self::ReadUnit { .. }
            | Self::Answer { .. }
            | Self::GradientRead { .. }
            | Self::GradientAnswer { .. }
            | Self::Open { .. }
            | Self::ChainPass { .. }
            | Self::ChainStep { .. }
            | Self::ChainOpen { .. } => WorkKind::InnerProducts,
            Self::ScoreOwn { .. }
            | Self::ScorePlan { .. }
            | Self::ScoreQuery { .. }
            | Self::ScoreRead { .. }
            | Self::ScoreAnswer { .. }
            | Self::ScoreClose { .. }
            | Self::ScoreEncrypt { .. }
            | Self::ScoreOpen { .. } => WorkKind::Prediction,
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({:?})", self.kind())
    }
}
