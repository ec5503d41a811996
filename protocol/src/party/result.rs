//! How a round ends: totals come in and are believed only as far as they can be; the growth goes on.

use hedgerow_dp::Mechanism;
use hedgerow_forest::table::{CLASSES, TableShape};

use super::answers::digest;
use super::output::{PartyOutcome, ReleasedRound};
use super::record::Record;
use super::round::{Round, RoundPhase};
use super::run::{Counts, Run, Stage};
use super::{Output, PartyMachine, PartyProgress, PartySetup, Phase, broken, equivocation, internal};
use crate::check;
use crate::growth;
use crate::ids::{PartyId, RoundId};
use crate::privacy;
use crate::refusal::Refusal;
use crate::roster::strictly_sorted;
use crate::wire::{PartyMetrics, ToCoordinator, ToParty};

impl PartyMachine {
    pub(super) fn round_result(&mut self, request: ToParty) -> Result<(), Refusal> {
        let ToParty::RoundResult { round: id, .. } = &request else {
            return Ok(());
        };
        let id = *id;
        let Phase::Running(run) = &mut self.phase else {
            return Ok(());
        };
        let step = run.progression.step();
        if id.step < step {
            return check_again(run, id, &request);
        }
        if id.step > step || run.progression.query().is_none() {
            return Ok(());
        }
        check_result(&self.me, run, &request)?;
        let open = match &run.stage {
            Stage::Open(round) => Some(round.id),
            _ => None,
        };
        let survivors = release(run, &request)?;
        self.exchange(request, None);
        if let Some(open) = open {
            self.outputs.push_back(Output::ForgetRoundSecret(open));
        }
        self.progress(PartyProgress::RoundDone { round: id, survivors });
        self.give_outcome();
        Ok(())
    }

    /// Hands the model to the driver once it is there.
    pub(super) fn give_outcome(&mut self) {
        let Phase::Running(run) = &self.phase else { return };
        if let Some(forest) = run.progression.forest() {
            let rounds = run
                .released
                .iter()
                .map(|(_, released)| released.clone())
                .collect();
            let outcome = PartyOutcome {
                forest: forest.clone(),
                rounds,
            };
            self.outputs.push_back(Output::Finished(Box::new(outcome)));
        }
    }

    pub(super) fn evaluated(&mut self, metrics: Option<PartyMetrics>) -> Result<(), Refusal> {
        let Phase::Running(run) = &mut self.phase else {
            return Ok(());
        };
        let (model, asked) = match &run.stage {
            Stage::Evaluating { model, asked } => (*model, *asked),
            Stage::Done { response, .. } => {
                // CHK-045: the first word is the last.
                let response = response.clone();
                self.send(response);
                return Ok(());
            }
            Stage::Between | Stage::Open(_) => return Ok(()),
        };
        // CHK-043: metrics carry no noise; both the party's policy and the run must want them out.
        let released = self.me.policy.release_metrics && run.enrolled.config.release_metrics;
        let response = ToCoordinator::Done {
            model,
            metrics: metrics.filter(|_| released),
        };
        run.stage = Stage::Done {
            model,
            response: response.clone(),
        };
        self.outputs.push_back(Output::Persist(
            Record::Done {
                response: response.clone(),
            }
            .to_bytes(),
        ));
        self.send(response);
        if asked {
            self.outputs.push_back(Output::Confirmed);
        }
        Ok(())
    }

    /// The coordinator ends the run with its model, and asks for this party's last word.
    pub(super) fn finished(&mut self, theirs: hedgerow_crypto::hash::Digest) -> Result<(), Refusal> {
        let Phase::Running(run) = &mut self.phase else {
            return Ok(());
        };
        // CHK-042: the model that everybody has.
        let compare = |ours: &hedgerow_crypto::hash::Digest| {
            if *ours == theirs {
                Ok(())
            } else {
                Err(broken(
                    check::MODEL,
                    None,
                    None,
                    format!("the coordinator has model {theirs}, here {ours}"),
                ))
            }
        };
        match &mut run.stage {
            Stage::Between | Stage::Open(_) => Ok(()),
            Stage::Evaluating { model, asked } => {
                compare(model)?;
                *asked = true;
                Ok(())
            }
            Stage::Done { model, response } => {
                compare(model)?;
                let response = response.clone();
                self.send(response);
                self.outputs.push_back(Output::Confirmed);
                Ok(())
            }
        }
    }
}

/// Gives checked totals to the growth.
pub(super) fn release(run: &mut Run, request: &ToParty) -> Result<Vec<PartyId>, Refusal> {
    let ToParty::RoundResult {
        round: id,
        survivors,
        totals,
    } = request
    else {
        return Ok(Vec::new());
    };
    let query = run
        .progression
        .query()
        .ok_or_else(|| internal("no query is open"))?;
    let released = ReleasedRound {
        id: *id,
        kind: query.kind(),
        survivors: survivors.clone(),
        totals: totals.clone(),
    };
    run.progression
        .answer(survivors, totals.clone())
        .map_err(internal)?;
    run.released.push((digest(request), released));
    run.counts = Counts::Unasked;
    if let (Some(joined), Some(query)) = (&mut run.joined, run.progression.query()) {
        joined.set_query(run.progression.step(), query)?;
    }
    run.stage = match run.progression.forest() {
        None => Stage::Between,
        Some(forest) => Stage::Evaluating {
            model: growth::model_digest(forest).map_err(internal)?,
            asked: false,
        },
    };
    Ok(survivors.clone())
}

/// A result that is known may come again; another for the same step may not.
fn check_again(run: &Run, id: RoundId, request: &ToParty) -> Result<(), Refusal> {
    // CHK-041: one step, one result.
    let known = usize::try_from(id.step)
        .ok()
        .and_then(|step| run.released.get(step));
    match known {
        Some((known, _)) if *known == digest(request) => Ok(()),
        _ => Err(equivocation(check::RESULT_ONCE, Some(id), "result of the step")),
    }
}

/// What can be checked of totals without knowing anybody else's.
pub(super) fn check_result(me: &PartySetup, run: &Run, request: &ToParty) -> Result<(), Refusal> {
    let ToParty::RoundResult {
        round: id,
        survivors,
        totals,
    } = request
    else {
        return Ok(());
    };
    let fail = |check, detail: String| broken(check, Some(*id), None, detail);
    // CHK-038: the survivors that this party knows, or possible ones.
    let needed = run.enrolled.config.quorum();
    if !strictly_sorted(survivors)
        || survivors.len() < needed
        || survivors.iter().any(|party| !run.roster.contains(party))
    {
        return Err(fail(
            check::RESULT_SURVIVORS,
            format!(
                "{} survivors that are not {needed} or more sorted participants",
                survivors.len()
            ),
        ));
    }
    let listed = survivors.binary_search(&me.party).is_ok();
    let fits = match &run.stage {
        Stage::Open(round) if round.id == *id => survivors_fit(round, survivors, listed),
        // A round of its own whose secret is gone.
        _ if run.latest == Some(*id) => true,
        _ => !listed,
    };
    if !fits {
        return Err(fail(
            check::RESULT_SURVIVORS,
            "other survivors than those that this party knows of".into(),
        ));
    }
    let (Some(query), Some(planned)) = (run.progression.query(), run.progression.planned()) else {
        return Err(internal("no query is open"));
    };
    // CHK-039: one total per cell.
    if totals.len() != query.cells() {
        return Err(fail(
            check::RESULT_SHAPE,
            format!("{} totals for a query of {} cells", totals.len(), query.cells()),
        ));
    }
    // CHK-040: as large as they can be, and counts where no noise was added.
    let config = &run.enrolled.config;
    let mechanism = privacy::mechanism(config, planned).map_err(internal)?;
    let bound = privacy::largest_total(config, planned, &mechanism);
    if let Some(cell) = totals.iter().position(|total| total.unsigned_abs() > bound) {
        return Err(fail(
            check::RESULT_PLAUSIBLE,
            format!("the total of cell {cell} is beyond {bound}"),
        ));
    }
    if matches!(mechanism, Mechanism::None(_)) && !are_counts(totals, query.shape()) {
        return Err(fail(
            check::RESULT_PLAUSIBLE,
            "exact totals that are no counts of one set of rows".into(),
        ));
    }
    Ok(())
}

/// Whether the survivors of a result can be those of a round that this party is in.
fn survivors_fit(round: &Round, survivors: &[PartyId], listed: bool) -> bool {
    match &round.phase {
        RoundPhase::Signed { survivors: known, .. } | RoundPhase::Opened { survivors: known, .. } => {
            known.as_slice() == survivors
        }
        // Uploaded, and not asked to sign: the others went on, with or without the vector.
        RoundPhase::Uploaded { .. } => true,
        RoundPhase::Keys
        | RoundPhase::Shares { .. }
        | RoundPhase::Counting { .. }
        | RoundPhase::Answering { .. }
        | RoundPhase::Fixing { .. } => !listed,
    }
}

/// Gradients may be anything; counts are not below zero, and every tree has every row in exactly one leaf.
fn are_counts(totals: &[i64], shape: TableShape) -> bool {
    if shape.is_signed() {
        return true;
    }
    if totals.iter().any(|total| *total < 0) {
        return false;
    }
    match shape {
        TableShape::LeafCounts { leaves, .. } => {
            let per_tree = (leaves as usize).saturating_mul(CLASSES).max(1);
            let mut trees = totals.chunks(per_tree).map(|tree| {
                let rows = |class: usize| {
                    tree.iter()
                        .skip(class)
                        .step_by(CLASSES)
                        .map(|n| i128::from(*n))
                        .sum::<i128>()
                };
                (rows(0), rows(1))
            });
            let first = trees.next();
            trees.all(|tree| Some(tree) == first)
        }
        // Every histogram of a tree has the same rows, or fewer where a growth asks for a part of them.
        TableShape::Histograms {
            trees,
            leaves,
            features,
            slots,
        } => {
            let (features, slots) = (usize::from(features), usize::from(slots) * CLASSES);
            let tree = (leaves as usize)
                .saturating_mul(features)
                .saturating_mul(slots)
                .max(1);
            let rows = |tree: &[i64], feature: usize, class: usize| {
                let own = tree.chunks(slots.max(1)).skip(feature).step_by(features.max(1));
                let cells = own.flat_map(|histogram| histogram.iter().skip(class).step_by(CLASSES));
                cells.map(|count| i128::from(*count)).sum::<i128>()
            };
            totals.chunks(tree).take(trees as usize).all(|tree| {
                (0..CLASSES).all(|class| {
                    let first = rows(tree, 0, class);
                    (1..features).all(|feature| rows(tree, feature, class) == first)
                })
            })
        }
        _ => true,
    }
}
