//! What a party knows of one counterpart.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_crypto::exact::AttributeKey;
use hedgerow_crypto::hash::Digest;

use super::super::record::Record;
use super::super::{Output, broken};
use super::chain;
use super::gradients::Gradients;
use super::relay::Streams;
use super::score::Scores;
use crate::check;
use crate::ids::{PartyId, RoundId};
use crate::join::align::{Aligned, Machine};
use crate::join::answer::UnitBlocks;
use crate::join::encrypt::Attributes;
use crate::join::upload::{Engine, Upload};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

/// One counterpart.
pub(super) struct Pair {
    pub(super) peer: PartyId,
    /// Whether one of both has rows: else they are two attribute parties of a chained run.
    pub(super) is_joined: bool,
    pub(super) chain: chain::Peer,
    pub(super) streams: Streams,
    /// When it was last heard of.
    pub(super) active: Millis,
    pub(super) stage: AlignStage,
    /// The common entities, once known.
    pub(super) aligned: Option<Arc<Aligned>>,
    /// What is encrypted for the query, once the union is known.
    pub(super) upload: Option<Arc<Upload>>,
    pub(super) encrypts: Encrypts,
    pub(super) answers: Answers,
    pub(super) gradients: Gradients,
    pub(super) scores: Scores,
}

/// Where the exchange of an alignment stands. It may run again after it is known, for a peer that lost it.
pub(super) enum AlignStage {
    /// Not begun.
    Idle,
    /// On another thread.
    Away,
    /// Waits for messages.
    Here {
        machine: Box<Machine>,
        /// No own message can be made before the peer has sent more.
        stuck: bool,
    },
    /// Nothing more to say.
    Over,
}

/// Attribute party: what it sends, and what it has opened.
#[derive(Default)]
pub(super) struct Encrypts {
    pub(super) key: Option<Arc<AttributeKey>>,
    pub(super) attributes: Option<Arc<Attributes>>,
    pub(super) reading: bool,
    pub(super) encrypting: bool,
    /// The peer has asked for the first message again since the last work was given out.
    pub(super) epoch: u64,
    /// Opened answers of the round, in order.
    pub(super) opened: Vec<Vec<u64>>,
    pub(super) opening: bool,
}

/// Row party: what has come in, and what it has answered.
#[derive(Default)]
pub(super) struct Answers {
    /// The peer's public key, the first message of its stream.
    pub(super) key: Option<Arc<Vec<u8>>>,
    /// The unit that is coming in, with its messages so far.
    pub(super) unit: usize,
    pub(super) messages: Vec<Vec<u8>>,
    pub(super) reading: bool,
    /// A unit that is ready to be answered from.
    pub(super) blocks: Option<(usize, Arc<UnitBlocks>)>,
    /// The unit and its portion that are answered next.
    pub(super) next: (usize, usize),
    pub(super) answering: bool,
    /// The peer has asked for the first answer again, or another round has begun, since the last work was given out.
    pub(super) epoch: u64,
    /// What had come in was forgotten since the last work was given out.
    pub(super) read_epoch: u64,
    /// For each unit that was answered in the round the digest of its ciphertexts.
    pub(super) digests: Vec<Digest>,
}

impl Pair {
    pub(super) fn new(peer: PartyId, streams: Streams, is_joined: bool) -> Self {
        Self {
            peer,
            is_joined,
            chain: chain::Peer::default(),
            streams,
            active: Millis::default(),
            stage: AlignStage::Idle,
            aligned: None,
            upload: None,
            encrypts: Encrypts::default(),
            answers: Answers::default(),
            gradients: Gradients::default(),
            scores: Scores::default(),
        }
    }

    /// The stream of encrypted attributes; none before it is known which, or while no round is open that it
    /// belongs to.
    pub(super) fn upload_channel(&self, round: Option<RoundId>) -> Option<Channel> {
        match self.upload.as_ref()?.engine {
            Engine::Profiles => Some(Channel::Profiles),
            Engine::Predicates => round.map(Channel::Predicates),
        }
    }

    /// A new attempt: nothing of the one before counts.
    pub(super) fn enter_round(&mut self, round: RoundId) {
        self.streams.keep_round(round);
        self.chain.enter_round();
        self.encrypts.opened.clear();
        self.encrypts.opening = false;
        self.encrypts.epoch += 1;
        self.answers.rewind();
        self.answers.digests.clear();
        self.gradients.enter_round();
        if self
            .upload
            .as_ref()
            .is_some_and(|upload| upload.engine == Engine::Predicates)
        {
            self.encrypts.encrypting = false;
            self.answers.forget_unit();
        }
    }
}

impl Answers {
    /// Forgets what has come in; it will be asked for from the first message.
    pub(super) fn forget_unit(&mut self) {
        self.key = None;
        self.unit = 0;
        self.messages = Vec::new();
        self.reading = false;
        self.blocks = None;
        self.read_epoch += 1;
    }

    /// A unit is about to be answered from ciphertexts of this digest, in this round from no others: `otherwise` says what
    /// the peer did if they have changed.
    pub(super) fn bind(
        &mut self,
        unit: usize,
        digest: Digest,
        round: RoundId,
        peer: &PartyId,
        otherwise: &str,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        match self.digests.get(unit) {
            // CHK-072: masks are bound to what they hide; other ciphertexts would need others.
            Some(known) if *known != digest => {
                return Err(broken(check::CIPHERTEXTS, Some(round), Some(peer), otherwise));
            }
            Some(_) => {}
            None => {
                self.digests.push(digest);
                let record = Record::Answering {
                    round,
                    peer: peer.clone(),
                    digest,
                };
                outputs.push_back(Output::Persist(record.to_bytes()));
            }
        }
        Ok(())
    }

    /// The first answer is asked for again.
    pub(super) fn rewind(&mut self) {
        self.next = (0, 0);
        self.answering = false;
        self.epoch += 1;
        if self.blocks.as_ref().is_some_and(|(unit, _)| *unit != 0) {
            self.blocks = None;
        }
    }
}
