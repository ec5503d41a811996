//! How a round begins: the query is the one that this party's own growth asks for, the secret is fresh, the
//! keys are signed.

use hedgerow_crypto::seed::Seed;
use rand_core::CryptoRng;

use super::answers::{Answers, Known};
use super::ledger::short_of;
use super::round::{Round, RoundPhase};
use super::run::{Counts, Run, Stage};
use super::secret::RoundSecret;
use super::{Output, PartyMachine, PartyProgress, PartySetup, Phase, broken, equivocation, internal};
use crate::binding;
use crate::check;
use crate::config::Role;
use crate::ids::RoundId;
use crate::privacy;
use crate::refusal::Refusal;
use crate::wire::{SignedRoundKeys, ToCoordinator, ToParty};

impl PartyMachine {
    pub(super) fn round_start(&mut self, request: ToParty, rng: &mut impl CryptoRng) -> Result<(), Refusal> {
        let ToParty::RoundStart { round: id, .. } = &request else {
            return Ok(());
        };
        let id = *id;
        let Phase::Running(run) = &mut self.phase else {
            return Ok(());
        };
        if let Stage::Open(round) = &run.stage
            && round.id == id
        {
            return match round.answers.look_up(&request) {
                Known::Same(stored) => {
                    // CHK-045: the stored bytes.
                    let stored = stored.cloned();
                    stored.into_iter().for_each(|response| self.send(response));
                    Ok(())
                }
                // CHK-017: one start.
                _ => Err(equivocation(
                    check::ROUND_START_ONCE,
                    Some(id),
                    "start of the round",
                )),
            };
        }
        if !is_next(run, id) {
            return Ok(());
        }
        check_start(run, &request)?;
        // CHK-016: attempts count, each shows the coordinator something.
        let (asked, allowed) = (run.started.saturating_add(1), self.me.policy.max_queries);
        if asked > allowed {
            return Err(Refusal::Queries { asked, allowed });
        }
        let secret = RoundSecret::random(rng);
        let (mut round, keys) = open(&self.me, run, id, secret)?;
        self.can_pay_for(&round)?;
        let response = ToCoordinator::RoundKeys { keys, round: id };
        round.answers.insert(&request, Some(response.clone()));
        self.outputs
            .push_back(Output::StoreRoundSecret(id, round.secret.seed().clone()));
        self.exchange(request, Some(response));
        self.enter(round);
        Ok(())
    }

    fn can_pay_for(&self, round: &Round) -> Result<(), Refusal> {
        // CHK-005: a round that cannot be paid for is not begun.
        if self.me.ledger.has(&round.label) {
            return Ok(());
        }
        let cost = round.mechanism.renyi_cost();
        self.me.ledger.could_pay(&[cost]).map_err(short_of)
    }

    pub(super) fn enter(&mut self, round: Round) {
        let Phase::Running(run) = &mut self.phase else {
            return;
        };
        let id = round.id;
        run.latest = Some(id);
        run.started = run.started.saturating_add(1);
        let kind = run
            .progression
            .query()
            .map(hedgerow_forest::query::TableQuery::kind);
        if let Some(joined) = &mut run.joined {
            joined.enter_round(id, round.secret.answers());
        }
        run.stage = Stage::Open(Box::new(round));
        if let Some(kind) = kind {
            self.progress(PartyProgress::RoundStarted { round: id, kind });
        }
    }

    /// Asks the data engine, unless the counts of this step are there or on their way. The next query is known as soon
    /// as the last answer is, so counting does not wait for the round in which the table is sent; a joined table does,
    /// because its parts are made for one attempt.
    pub(super) fn ask_for_counts(&mut self) {
        let Phase::Running(run) = &mut self.phase else {
            return;
        };
        let (stage, Counts::Unasked) = (&run.stage, &run.counts) else {
            return;
        };
        let id = match stage {
            Stage::Between if run.joined.is_none() => RoundId {
                step: run.progression.step(),
                attempt: 0,
            },
            Stage::Open(round)
                if matches!(
                    round.phase,
                    RoundPhase::Keys
                        | RoundPhase::Shares { .. }
                        | RoundPhase::Counting { .. }
                        | RoundPhase::Answering { .. }
                        | RoundPhase::Fixing { .. }
                ) =>
            {
                round.id
            }
            _ => return,
        };
        if let Some(joined) = &mut run.joined {
            if joined.role() == Role::Row {
                joined.count_base(id, &mut self.outputs);
                run.counts = Counts::Asked;
            }
        } else if let Some(query) = run.progression.query() {
            self.outputs.push_back(Output::Count(id, query.clone()));
            run.counts = Counts::Asked;
        }
    }
}

/// Whether this party may begin the round now: of its present step, and later than any that it knows.
pub(super) fn is_next(run: &Run, id: RoundId) -> bool {
    id.step == run.progression.step()
        && run.latest.is_none_or(|latest| id > latest)
        && matches!(run.stage, Stage::Between | Stage::Open(_))
}

/// The coordinator sees the same query and the same answers.
pub(super) fn check_start(run: &Run, request: &ToParty) -> Result<(), Refusal> {
    let ToParty::RoundStart {
        round,
        query,
        answers,
    } = request
    else {
        return Ok(());
    };
    // CHK-015: what has been released so far.
    if answers != run.progression.answers() {
        return Err(broken(
            check::ANSWERS,
            Some(*round),
            None,
            format!("answers so far {answers}, here {}", run.progression.answers()),
        ));
    }
    // CHK-014: nobody asks what the algorithm does not ask.
    let own = run.progression.query_digest();
    if own != Some(query) {
        let own = own.map_or_else(|| "none".to_owned(), |own| own.to_string());
        return Err(broken(
            check::QUERY,
            Some(*round),
            None,
            format!("query {query}, here {own}"),
        ));
    }
    Ok(())
}

/// A round with its secret, and this party's signed keys. The same secret gives the same keys.
pub(super) fn open(
    me: &PartySetup,
    run: &Run,
    id: crate::ids::RoundId,
    secret: RoundSecret,
) -> Result<(Round, SignedRoundKeys), Refusal> {
    let config = &run.enrolled.config;
    let query = run
        .progression
        .query()
        .ok_or_else(|| internal("no query is open"))?;
    let planned = run
        .progression
        .planned()
        .ok_or_else(|| internal("no query is open"))?;
    let mechanism = privacy::mechanism(config, planned).map_err(internal)?;
    let label = privacy::ledger_label(config.run, id, query.kind());
    let (seal, mask) = (secret.sealing().public(), secret.mask().public());
    let message = binding::keys_message(config.run, id, run.roster.digest(), &me.party, &seal, &mask);
    let signature = me.identity.sign(binding::SIGN_ROUND_KEYS, &message);
    let keys = SignedRoundKeys {
        party: me.party.clone(),
        seal,
        mask,
        signature,
    };
    let round = Round {
        id,
        secret,
        shape: query.shape(),
        mechanism,
        label,
        answers: Answers::default(),
        phase: RoundPhase::Keys,
    };
    Ok((round, keys))
}

/// The round of a journal, whose secret was kept apart.
pub(super) fn reopen(
    me: &PartySetup,
    run: &Run,
    request: &ToParty,
    response: &ToCoordinator,
    secret: &Seed,
) -> Result<Option<Round>, Refusal> {
    let ToParty::RoundStart { round: id, .. } = request else {
        return Ok(None);
    };
    let (mut round, keys) = open(me, run, *id, RoundSecret::from_seed(secret.clone()))?;
    // A secret that does not make the journaled keys is of another round: this one cannot go on.
    if *response != (ToCoordinator::RoundKeys { keys, round: *id }) {
        return Ok(None);
    }
    round.answers.insert(request, Some(response.clone()));
    Ok(Some(round))
}
