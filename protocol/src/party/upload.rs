//! Own counts become a masked vector: paid for, noised, masked, journaled, sent; in this order.

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::mask::pairwise::Sign;
use hedgerow_crypto::mask::prg::Prg;
use hedgerow_dp::Mechanism;
use hedgerow_forest::table::Table;

use super::joined::Joined;
use super::ledger::{LedgerEntry, short_of};
use super::round::{Context, Members, Round, RoundPhase};
use super::run::{Counts, Stage};
use super::{Output, PartyMachine, PartyProgress, Phase, broken, internal};
use super::{aggregate, fixed, keys_of};
use crate::check;
use crate::ids::RoundId;
use crate::mask_table::{self, Counted};
use crate::refusal::Refusal;
use crate::wire::ToCoordinator;

impl PartyMachine {
    /// Counts from the data engine. They belong to a step, not to an attempt.
    pub(super) fn counted(&mut self, id: RoundId, table: Result<Table, String>) -> Result<(), Refusal> {
        let Phase::Running(run) = &mut self.phase else {
            return Ok(());
        };
        if id.step != run.progression.step() || !matches!(run.counts, Counts::Asked) {
            return Ok(());
        }
        let table = table.map_err(|detail| Refusal::Data { detail })?;
        // CHK-044: a table of the query's shape, of counts.
        let expected = run
            .progression
            .query()
            .map(hedgerow_forest::query::TableQuery::shape);
        if expected != Some(table.shape()) {
            let detail = format!("a table of shape {:?}, expected {expected:?}", table.shape());
            return Err(broken(
                check::COUNTED_SHAPE,
                Some(id),
                Some(&self.me.party),
                detail,
            ));
        }
        if !table.shape().is_signed() && table.cells().iter().any(|cell| *cell < 0) {
            return Err(broken(
                check::COUNTED_SHAPE,
                Some(id),
                Some(&self.me.party),
                "a count below zero",
            ));
        }
        run.counts = Counts::Ready(table);
        self.upload()
    }

    /// Answers the waiting request as soon as the counts are there.
    pub(super) fn upload(&mut self) -> Result<(), Refusal> {
        let Self {
            me,
            phase: Phase::Running(run),
            outputs,
            ..
        } = self
        else {
            return Ok(());
        };
        let Stage::Open(round) = &mut run.stage else {
            return Ok(());
        };
        let Some(table) = own_part(
            run.joined.as_deref(),
            round,
            &run.counts,
            run.enrolled.config.modulus,
        )?
        else {
            return Ok(());
        };
        let (members, request) = match std::mem::replace(&mut round.phase, RoundPhase::Keys) {
            RoundPhase::Counting { members, request } | RoundPhase::Fixing { members, request } => {
                (members, request)
            }
            other => {
                round.phase = other;
                return Ok(());
            }
        };
        // CHK-046: the ledger first. An entry that a restart left without its vector is used, not paid again.
        let cost = round.mechanism.renyi_cost();
        let (charge, fresh) = me.ledger.pay(&round.label, cost).map_err(short_of)?;
        if fresh && !matches!(round.mechanism, Mechanism::None(_)) {
            let (run, label) = (run.enrolled.config.run, round.label.clone());
            outputs.push_back(Output::Charge(LedgerEntry {
                run,
                round: round.id,
                rho: charge.rho(),
                cost: Some(cost),
                label,
            }));
        }
        let noised = round
            .mechanism
            .apply(Counted(table), charge, &mut round.secret.noise())
            .map_err(internal)?;
        let context = Context {
            me,
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
        let (masks, seeds) = if context.is_masked() {
            (pairwise(&context, &members)?, Vec::new())
        } else {
            aggregate::split_off(&context, &members)?
        };
        let modulus = context.config.modulus;
        let vector = if context.joined.is_some() {
            mask_table::mask_shares(noised, &masks, modulus)
        } else {
            mask_table::mask(noised, &masks, modulus)
        };
        let vector = vector.map_err(internal)?;
        let fixed = members
            .fixed
            .as_ref()
            .map(|fixed| fixed::sign(&context, &members, fixed));
        let id = round.id;
        let response = ToCoordinator::Masked {
            round: id,
            vector,
            seeds,
            fixed,
        };
        round.phase = RoundPhase::Uploaded { members };
        round.answers.insert(&request, Some(response.clone()));
        me.ledger.settle(&round.label);
        self.exchange(request, Some(response));
        self.progress(PartyProgress::Uploaded { round: id });
        Ok(())
    }
}

/// What this party adds to the sum, once all of it is there and it is asked for: its counts; in a joined run its
/// shares, centred.
fn own_part(
    joined: Option<&Joined>,
    round: &Round,
    counts: &Counts,
    modulus: Modulus,
) -> Result<Option<Table>, Refusal> {
    let shares = match (joined, &round.phase, counts) {
        (None, RoundPhase::Counting { .. }, Counts::Ready(table)) => return Ok(Some(table.clone())),
        (Some(joined), RoundPhase::Counting { .. }, _) => joined.attribute_shares(),
        (Some(joined), RoundPhase::Fixing { .. }, Counts::Ready(table)) => joined.row_shares(table.cells()),
        _ => None,
    };
    let Some(shares) = shares else { return Ok(None) };
    let cells = shares.into_iter().map(|share| modulus.centred(share)).collect();
    Table::from_cells(round.shape, cells).map(Some).map_err(internal)
}

/// The self mask, and one mask with each other member: the lower id adds, the higher subtracts.
fn pairwise(context: &Context<'_>, members: &Members) -> Result<Vec<(Sign, Prg)>, Refusal> {
    let own = context.secret.mask();
    let transcript = context.transcript(members);
    let mut masks = vec![(Sign::Add, context.secret.self_mask().prg())];
    for party in &members.parties {
        let Some(sign) = Sign::between(&context.me.party, party) else {
            continue;
        };
        let theirs = keys_of(context, &members.keys, party)?;
        let seed = own.pair_seed(&theirs.mask, &transcript).map_err(|error| {
            broken(
                check::KEYS_DISTINCT,
                Some(context.round),
                Some(party),
                error.to_string(),
            )
        })?;
        masks.push((sign, Prg::new(&seed)));
    }
    Ok(masks)
}
