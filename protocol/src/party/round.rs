//! One attempt at one step, from this party's side: phases, and which request leads from one to the next.

use std::collections::BTreeMap;

use hedgerow_crypto::hash::Digest;
use hedgerow_dp::Mechanism;
use hedgerow_forest::table::TableShape;

use super::answers::{Answers, Known};
use super::joined::Joined;
use super::run::Stage;
use super::secret::{Held, RoundSecret};
use super::{PartyMachine, PartySetup, Phase, equivocation};
use super::{aggregate, fixed, keys, shares, survivors, unmask};
use crate::binding::{self, RoundView};
use crate::check;
use crate::config::{Aggregation, Role, RunConfig};
use crate::ids::{PartyId, RoundId};
use crate::refusal::Refusal;
use crate::roster::Roster;
use crate::wire::{Kind, Message, SignedRoundKeys, ToCoordinator, ToParty};

/// An open round.
pub(super) struct Round {
    pub(super) id: RoundId,
    pub(super) secret: RoundSecret,
    pub(super) shape: TableShape,
    pub(super) mechanism: Mechanism,
    /// Its line in the ledger.
    pub(super) label: String,
    pub(super) answers: Answers,
    pub(super) phase: RoundPhase,
}

/// What this party has said last in the round.
pub(super) enum RoundPhase {
    /// Its keys.
    Keys,
    /// Sealed shares (masked mode).
    Shares { keys: KeyList },
    /// Nothing yet: everything is known but the own counts, or at an attribute party the answers that it opens.
    /// The request waits for its answer.
    Counting { members: Members, request: ToParty },
    /// Row party of a joined run: its answers to the attribute parties; which of these are in the sum is not known.
    Answering { members: Members },
    /// Row party of a joined run: the attribute parties of the sum are known. The request waits for its answer.
    Fixing { members: Members, request: ToParty },
    /// Its masked vector.
    Uploaded { members: Members },
    /// Its signature under the survivors.
    Signed {
        members: Members,
        survivors: Vec<PartyId>,
    },
    /// What the sum needs; the round's result is awaited.
    Opened {
        members: Members,
        survivors: Vec<PartyId>,
    },
}

impl RoundPhase {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Keys => "keys sent",
            Self::Shares { .. } => "shares sent",
            Self::Counting { .. } => "counting",
            Self::Answering { .. } => "answering",
            Self::Fixing { .. } => "completing",
            Self::Uploaded { .. } => "uploaded",
            Self::Signed { .. } => "survivors signed",
            Self::Opened { .. } => "opened",
        }
    }
}

/// The checked keys of a round (U1).
pub(super) struct KeyList {
    pub(super) keys: Vec<SignedRoundKeys>,
    pub(super) digest: Digest,
    /// This party's Shamir index: its place in the list, from 1.
    pub(super) own_index: u16,
}

impl KeyList {
    pub(super) fn of(&self, party: &PartyId) -> Option<&SignedRoundKeys> {
        self.keys
            .binary_search_by(|keys| keys.party.cmp(party))
            .ok()
            .and_then(|index| self.keys.get(index))
    }
}

/// Whose masks are in the sum (U2; in shares mode U1), and what this party holds of them.
pub(super) struct Members {
    pub(super) keys: KeyList,
    pub(super) parties: Vec<PartyId>,
    /// Masked mode: shares of every member's secrets, the own included. Empty in shares mode.
    pub(super) held: BTreeMap<PartyId, Held>,
    /// Row party of a joined run: the attribute parties of the sum, once known.
    pub(super) fixed: Option<Vec<PartyId>>,
}

/// What the phases of a round may look at.
pub(super) struct Context<'a> {
    pub(super) me: &'a PartySetup,
    pub(super) config: &'a RunConfig,
    pub(super) config_digest: &'a Digest,
    pub(super) roster: &'a Roster,
    /// H(answers released so far).
    pub(super) answers: &'a Digest,
    pub(super) round: RoundId,
    pub(super) secret: &'a RoundSecret,
    pub(super) given: &'a Answers,
    pub(super) shape: TableShape,
    pub(super) joined: Option<&'a Joined>,
}

impl Context<'_> {
    /// Whether this party adds rows to a joined round.
    pub(super) fn answers_attributes(&self) -> bool {
        self.joined.is_some_and(|joined| joined.role() == Role::Row)
    }

    pub(super) fn is_masked(&self) -> bool {
        matches!(self.config.aggregation, Aggregation::Masked)
    }

    /// What sealed shares and seeds of this round are bound to.
    pub(super) fn sealing_context(&self, keys: &KeyList) -> Vec<u8> {
        binding::sealing_context(
            self.config_digest,
            self.round,
            self.roster.digest(),
            self.answers,
            &keys.digest,
        )
    }

    /// What pairwise masks of this round are bound to.
    pub(super) fn transcript(&self, members: &Members) -> Digest {
        binding::round_transcript(&RoundView {
            run: self.config.run,
            round: self.round,
            config: self.config_digest,
            answers: self.answers,
            participants: self.roster.digest(),
            keys: &members.keys.digest,
            members: &members.parties,
            modulus: self.config.modulus,
            cells: self.shape.cells(),
        })
    }
}

/// What a request did to a phase.
pub(super) enum Stepped {
    /// Accepted.
    Next(RoundPhase),
    /// It belongs to another phase: early, late, or of the other aggregation. The coordinator asks again.
    NotNow(RoundPhase),
}

/// Checks a request and takes the phase one further. Deterministic, so a journal gives the same phases again.
pub(super) fn step(phase: RoundPhase, request: &ToParty, context: &Context<'_>) -> Result<Stepped, Refusal> {
    let next = match (phase, request) {
        (RoundPhase::Keys, ToParty::KeyList { keys, .. }) => {
            let keys = keys::check(context, keys)?;
            if context.is_masked() {
                RoundPhase::Shares { keys }
            } else {
                let parties = keys.keys.iter().map(|keys| keys.party.clone()).collect();
                let members = Members {
                    keys,
                    parties,
                    held: BTreeMap::new(),
                    fixed: None,
                };
                RoundPhase::Counting {
                    members,
                    request: request.clone(),
                }
            }
        }
        (RoundPhase::Shares { keys }, ToParty::ShareInbox { sealed, .. }) => {
            let members = shares::open(context, keys, sealed)?;
            RoundPhase::Counting {
                members,
                request: request.clone(),
            }
        }
        (RoundPhase::Answering { mut members }, ToParty::Fixed { attributes, .. }) => {
            fixed::check(context, &members, attributes)?;
            members.fixed = Some(attributes.clone());
            RoundPhase::Fixing {
                members,
                request: request.clone(),
            }
        }
        (RoundPhase::Uploaded { members }, ToParty::Survivors { survivors, .. }) => {
            survivors::check(context, &members, survivors)?;
            RoundPhase::Signed {
                members,
                survivors: survivors.clone(),
            }
        }
        (RoundPhase::Signed { members, survivors }, ToParty::SurvivorProof { signatures, .. }) => {
            survivors::check_proof(context, &members, &survivors, signatures)?;
            RoundPhase::Opened { members, survivors }
        }
        (phase, _) => return Ok(Stepped::NotNow(phase)),
    };
    Ok(Stepped::Next(next))
}

/// The answer to the request that led to this phase; none where the answer has to wait, or nothing is asked of
/// this party.
fn respond(
    phase: &RoundPhase,
    request: &ToParty,
    context: &Context<'_>,
) -> Result<Option<ToCoordinator>, Refusal> {
    match (phase, request) {
        (RoundPhase::Shares { keys }, _) => shares::seal(context, keys).map(Some),
        (RoundPhase::Signed { members, survivors }, _) => {
            Ok(Some(survivors::sign(context, members, survivors)))
        }
        (RoundPhase::Opened { members, survivors }, ToParty::SurvivorProof { seeds, .. }) => {
            if context.is_masked() {
                Ok(Some(unmask::open(context, members, survivors)))
            } else if context.config.is_aggregator(&context.me.party) {
                aggregate::sum(context, members, survivors, seeds).map(Some)
            } else {
                Ok(None)
            }
        }
        _ => Ok(None),
    }
}

impl PartyMachine {
    /// A request of the round that is open; others are of rounds that are over or not begun, and are dropped.
    pub(super) fn round_request(&mut self, request: ToParty) -> Result<(), Refusal> {
        let Phase::Running(run) = &mut self.phase else {
            return Ok(());
        };
        let Stage::Open(round) = &mut run.stage else {
            return Ok(());
        };
        if round_of(&request) != Some(round.id) {
            return Ok(());
        }
        match round.answers.look_up(&request) {
            Known::New => {}
            // CHK-045: the stored bytes, whatever has happened since.
            Known::Same(stored) => {
                let stored = stored.cloned();
                stored.into_iter().for_each(|response| self.send(response));
                return Ok(());
            }
            // CHK-036: another proof of the same survivors gets the answer that the first one got.
            Known::Different(Some(stored)) if request.kind() == Kind::SurvivorProof => {
                let stored = stored.clone();
                self.send(stored);
                return Ok(());
            }
            Known::Different(_) => {
                return Err(equivocation(
                    once(request.kind()),
                    Some(round.id),
                    request_name(request.kind()),
                ));
            }
        }
        let phase = std::mem::replace(&mut round.phase, RoundPhase::Keys);
        let context = Context {
            me: &self.me,
            config: &run.enrolled.config,
            config_digest: &run.enrolled.digest,
            roster: &run.roster,
            answers: run.progression.answers(),
            round: round.id,
            secret: &round.secret,
            given: &round.answers,
            shape: round.shape,
            joined: run.joined.as_deref(),
        };
        match step(phase, &request, &context)? {
            Stepped::NotNow(phase) => {
                round.phase = phase;
                Ok(())
            }
            Stepped::Next(phase) => {
                let response = respond(&phase, &request, &context)?;
                let phase = settle(phase, context.answers_attributes());
                let waits = matches!(phase, RoundPhase::Counting { .. } | RoundPhase::Fixing { .. });
                round.phase = phase;
                round.answers.insert(&request, response.clone());
                if let Some(joined) = &mut run.joined {
                    tell(joined, &round.phase);
                }
                if waits {
                    return self.upload();
                }
                self.exchange(request, response);
                Ok(())
            }
        }
    }
}

/// A row party of a joined run is not asked for its vector yet: it answers first.
pub(super) fn settle(phase: RoundPhase, answers_attributes: bool) -> RoundPhase {
    match phase {
        RoundPhase::Counting { members, .. } if answers_attributes => RoundPhase::Answering { members },
        phase => phase,
    }
}

/// What the join must know of a phase.
pub(super) fn tell(joined: &mut Joined, phase: &RoundPhase) {
    match phase {
        RoundPhase::Counting { members, .. } | RoundPhase::Answering { members } => {
            joined.set_members(&members.parties);
        }
        RoundPhase::Fixing {
            members: Members {
                fixed: Some(fixed), ..
            },
            ..
        } => joined.set_fixed(fixed),
        _ => {}
    }
}

/// The round that a request of a round is about.
pub(super) fn round_of(request: &ToParty) -> Option<RoundId> {
    match request {
        ToParty::RoundStart { round, .. }
        | ToParty::KeyList { round, .. }
        | ToParty::ShareInbox { round, .. }
        | ToParty::Survivors { round, .. }
        | ToParty::SurvivorProof { round, .. }
        | ToParty::Fixed { round, .. }
        | ToParty::RoundResult { round, .. } => Some(*round),
        ToParty::Welcome { .. }
        | ToParty::Participants { .. }
        | ToParty::Align
        | ToParty::Joined { .. }
        | ToParty::Relayed { .. }
        | ToParty::RelayAcked { .. }
        | ToParty::Closed
        | ToParty::Finished { .. }
        | ToParty::Failed { .. } => None,
    }
}

/// The check that a second, different request of a kind breaks.
fn once(kind: Kind) -> check::CheckId {
    match kind {
        // CHK-024, CHK-028, CHK-031: one list, one inbox, one set of survivors.
        Kind::KeyList => check::KEYS_ONCE,
        Kind::ShareInbox => check::INBOX_ONCE,
        Kind::Survivors => check::SURVIVORS_ONCE,
        // CHK-074: one set of attribute parties.
        Kind::Fixed => check::FIXED_ONCE,
        _ => check::ANSWER_ONCE,
    }
}

fn request_name(kind: Kind) -> &'static str {
    match kind {
        Kind::KeyList => "list of keys",
        Kind::ShareInbox => "inbox of shares",
        Kind::Survivors => "list of survivors",
        Kind::Fixed => "list of attribute parties",
        _ => "request",
    }
}
