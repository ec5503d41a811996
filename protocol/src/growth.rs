//! The learning algorithm as both sides run it: the released totals go in, the next query comes out.

use std::collections::VecDeque;

use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_forest::binning::Binner;
use hedgerow_forest::grow::{self, Grow, GrowError, Step};
use hedgerow_forest::model::{Forest, ModelError, PrivacyStatement};
use hedgerow_forest::query::{QueryKind, TableQuery};
use hedgerow_forest::table::Table;

use crate::binding;
use crate::config::RunConfig;
use crate::ids::PartyId;
use crate::privacy::{self, Planned, PrivacyError};

/// Why a growth cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrowthError {
    /// The algorithm refused.
    #[error("growth: {0}")]
    Grow(#[from] GrowError),
    /// The configuration's budget.
    #[error("privacy: {0}")]
    Privacy(#[from] PrivacyError),
    /// Totals of a wrong number.
    #[error("{actual} totals for a query of {expected} cells")]
    Cells {
        /// Totals given.
        actual: usize,
        /// Cells of the query.
        expected: usize,
    },
    /// The algorithm asks what its plan does not hold, or not there: nobody would have paid for it.
    #[error("the growth asks for {kind} in {cells} cells, which its plan does not hold any more")]
    Unplanned {
        /// What it asks.
        kind: QueryKind,
        /// Its cells.
        cells: usize,
    },
    /// There is no open query.
    #[error("the model is complete, nothing is asked")]
    Complete,
}

/// What the algorithm wants now.
#[derive(Clone, Debug)]
enum Wanted {
    /// With its place in the plan, and its digest: hashing a large query again for every round would be noticed.
    Table(Box<TableQuery>, Planned, Digest),
    Nothing(Box<Forest>),
}

/// A growth, the number of its present step, and the digest of all answers so far. Deterministic: everybody
/// who feeds it the same totals is asked the same and ends with the same model, byte for byte.
pub struct Progression {
    growth: Box<dyn Grow + Send>,
    statement: PrivacyStatement,
    /// What may still be asked, in order.
    plan: VecDeque<Planned>,
    step: u32,
    answers: Digest,
    wanted: Wanted,
}

impl Progression {
    /// The growth of a configuration before its first answer.
    ///
    /// # Errors
    /// [`GrowthError::Grow`] and [`GrowthError::Privacy`]; not for a checked configuration.
    pub fn start(config: &RunConfig) -> Result<Self, GrowthError> {
        let mut growth = start_growth(config)?;
        let statement = privacy::statement(config)?;
        let mut plan = privacy::plan(config)?.into();
        let wanted = Wanted::new(growth.next(None)?, &statement, &mut plan)?;
        Ok(Self {
            growth,
            statement,
            plan,
            step: 0,
            answers: binding::no_answers(&config.digest()),
            wanted,
        })
    }

    /// Number of the present step; after the last answer, the number of answers.
    #[must_use]
    pub fn step(&self) -> u32 {
        self.step
    }

    /// The open query, unless the model is complete.
    #[must_use]
    pub fn query(&self) -> Option<&TableQuery> {
        match &self.wanted {
            Wanted::Table(query, ..) => Some(query),
            Wanted::Nothing(_) => None,
        }
    }

    /// What the plan of the run holds for the open query, unless the model is complete.
    #[must_use]
    pub fn planned(&self) -> Option<&Planned> {
        match &self.wanted {
            Wanted::Table(_, planned, _) => Some(planned),
            Wanted::Nothing(_) => None,
        }
    }

    /// H(open query), what `RoundStart` carries; none if the model is complete.
    #[must_use]
    pub fn query_digest(&self) -> Option<&Digest> {
        match &self.wanted {
            Wanted::Table(.., digest) => Some(digest),
            Wanted::Nothing(_) => None,
        }
    }

    /// The model, once it is complete.
    #[must_use]
    pub fn forest(&self) -> Option<&Forest> {
        match &self.wanted {
            Wanted::Table(..) => None,
            Wanted::Nothing(forest) => Some(forest),
        }
    }

    /// H(answers so far).
    #[must_use]
    pub fn answers(&self) -> &Digest {
        &self.answers
    }

    /// Takes the totals of the open query.
    ///
    /// # Errors
    /// [`GrowthError`]; then nothing has changed but for an error of the algorithm itself, which ends the run.
    pub fn answer(&mut self, survivors: &[PartyId], totals: Vec<i64>) -> Result<(), GrowthError> {
        let query = self.query().ok_or(GrowthError::Complete)?;
        let (actual, expected) = (totals.len(), query.cells());
        let digest = binding::answers_with(&self.answers, self.step, survivors, &totals);
        let table =
            Table::from_cells(query.shape(), totals).map_err(|_| GrowthError::Cells { actual, expected })?;
        let step = self.growth.next(Some(table))?;
        self.wanted = Wanted::new(step, &self.statement, &mut self.plan)?;
        self.answers = digest;
        self.step += 1;
        Ok(())
    }
}

impl Wanted {
    /// Takes what is asked from the plan, with everything before it: a growth may leave queries out, and never ask
    /// one twice.
    fn new(
        step: Step,
        statement: &PrivacyStatement,
        plan: &mut VecDeque<Planned>,
    ) -> Result<Self, GrowthError> {
        match step {
            Step::Ask(query) => {
                while let Some(planned) = plan.pop_front() {
                    if planned.covers(&query) {
                        let digest = query_digest(&query);
                        return Ok(Self::Table(Box::new(query), planned, digest));
                    }
                }
                let (kind, cells) = (query.kind(), query.cells());
                Err(GrowthError::Unplanned { kind, cells })
            }
            Step::Done(forest) => Ok(Self::Nothing(Box::new(Forest {
                statement: Some(statement.clone()),
                ..forest
            }))),
        }
    }
}

/// The growth that a configuration names, before its first query.
fn start_growth(config: &RunConfig) -> Result<Box<dyn Grow + Send>, GrowthError> {
    let binner = Binner::new(&config.schema, config.forest.bins).map_err(GrowError::from)?;
    let noise = noise(config)?;
    Ok(grow::growth(
        &config.schema,
        &binner,
        config.forest,
        config.seed,
        noise.as_deref(),
    )?)
}

/// How noisy a released cell of each planned query is if every party survives, as standard deviations; the growth must
/// not depend on who really does.
fn noise(config: &RunConfig) -> Result<Option<Vec<f64>>, PrivacyError> {
    let shares = u32::try_from(config.parties.len()).unwrap_or(u32::MAX);
    let plan = privacy::plan(config)?;
    let sigma =
        |planned: &Planned| Ok::<_, PrivacyError>(privacy::mechanism(config, planned)?.total_sigma(shares));
    plan.iter().map(sigma).collect()
}

/// H(query), what `RoundStart` carries.
#[must_use]
pub fn query_digest(query: &TableQuery) -> Digest {
    hash("hedgerow/protocol/query/1", &[&query.digest_bytes()])
}

/// H(model file), what `Finished` and `Done` carry.
///
/// # Errors
/// [`ModelError`] for a forest whose fields do not fit each other, which no growth makes.
pub fn model_digest(forest: &Forest) -> Result<Digest, ModelError> {
    Ok(hash("hedgerow/protocol/model/1", &[forest.to_json()?.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::party::tests::support::{literal, noisy};

    fn progression() -> Progression {
        Progression::start(&RunConfig::new(literal(3)).unwrap()).unwrap()
    }

    #[test]
    fn the_same_answers_give_the_same_model() {
        let grow = || {
            let mut progression = progression();
            while let Some(query) = progression.query() {
                let totals = (0..query.cells() as i64).collect();
                progression.answer(&[], totals).unwrap();
            }
            (
                *progression.answers(),
                model_digest(progression.forest().unwrap()).unwrap(),
            )
        };
        assert_eq!(grow(), grow());
    }

    #[test]
    fn the_digest_of_answers_sees_totals_and_survivors() {
        let digest = |survivors: &[PartyId], first: i64| {
            let mut progression = progression();
            let mut totals = vec![1; progression.query().unwrap().cells()];
            totals[0] = first;
            progression.answer(survivors, totals).unwrap();
            *progression.answers()
        };
        let names: Vec<PartyId> = RunConfig::new(literal(3)).unwrap().parties.clone();
        assert_ne!(digest(&names, 1), digest(&names, 2));
        assert_ne!(digest(&names, 1), digest(&names[..2], 1));
    }

    #[test]
    fn an_answer_must_fit_and_be_wanted() {
        let mut progression = progression();
        let cells = progression.query().unwrap().cells();
        assert!(matches!(
            progression.answer(&[], vec![0; cells + 1]),
            Err(GrowthError::Cells { actual, expected }) if actual == cells + 1 && expected == cells
        ));
        progression.answer(&[], vec![0; cells]).unwrap();
        let cells = progression.query().unwrap().cells();
        progression.answer(&[], vec![0; cells]).unwrap();
        assert!(matches!(
            progression.answer(&[], Vec::new()),
            Err(GrowthError::Complete)
        ));
        assert_eq!(progression.step(), 2);
    }

    #[test]
    fn the_model_says_what_was_promised() {
        let model = |literal| {
            let mut progression = Progression::start(&RunConfig::new(literal).unwrap()).unwrap();
            while let Some(query) = progression.query() {
                let cells = query.cells();
                progression.answer(&[], vec![1; cells]).unwrap();
            }
            progression.forest().unwrap().clone()
        };
        assert_eq!(model(noisy(literal(3))).statement.unwrap().epsilon, Some(1.0));
        assert_eq!(model(literal(3)).statement.unwrap().epsilon, None);
    }
}
