//! What the budget of a run buys, stage by stage: for reports, and before any data is touched.

use hedgerow_forest::query::QueryKind;

use super::{Planned, PrivacyError, amount, mechanism, plan};
use crate::config::RunConfigLiteral;

/// Queries of a run that serve one purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What for, in words.
    pub name: String,
    /// How many queries it may ask.
    pub queries: usize,
    /// Cells of all of them, at most.
    pub cells: u64,
    /// What all of them cost at most, in the measure of the run's noise: rho of zCDP for the discrete Gaussian; 0 without
    /// noise.
    pub rho: f64,
    /// Standard deviation of a released cell if every party survives, of the least and of the most noisy query; none
    /// without noise. In rows; of gradients in units of 2^-10.
    pub sigma: Option<(f64, f64)>,
}

/// The stages of a run, in the order in which they begin. The levels of all trees of a boosted forest are one stage
/// each: there are hundreds of queries.
///
/// # Errors
/// [`PrivacyError`]; not for a checked configuration.
pub fn stages(config: &RunConfigLiteral) -> Result<Vec<Stage>, PrivacyError> {
    let shares = u32::try_from(config.parties.len()).unwrap_or(u32::MAX);
    let mut stages: Vec<Stage> = Vec::new();
    for planned in plan(config)? {
        let name = name(&planned);
        let mechanism = mechanism(config, &planned)?;
        let (rho, sigma) = (amount(config, &mechanism), mechanism.total_sigma(shares));
        let cells = planned.cells as u64;
        match stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => {
                stage.queries += 1;
                stage.cells = stage.cells.saturating_add(cells);
                stage.rho += rho;
                stage.sigma = stage
                    .sigma
                    .zip(sigma)
                    .map(|((least, most), sigma)| (least.min(sigma), most.max(sigma)));
            }
            None => stages.push(Stage {
                name,
                queries: 1,
                cells,
                rho,
                sigma: sigma.map(|sigma| (sigma, sigma)),
            }),
        }
    }
    Ok(stages)
}

fn name(planned: &Planned) -> String {
    match planned.kind {
        QueryKind::Gradients { level, .. } => format!("gradients of level {level}, all trees"),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RunConfig;
    use crate::party::tests::support::{literal, noisy};
    use crate::privacy::total_rho;

    #[test]
    fn stages_share_the_budget() {
        let config = RunConfig::new(noisy(literal(4))).unwrap();
        let stages = stages(&config).unwrap();
        assert_eq!(
            stages.iter().map(|stage| stage.queries).sum::<usize>(),
            plan(&config).unwrap().len()
        );
        let rho: f64 = stages.iter().map(|stage| stage.rho).sum();
        let whole = total_rho(&config.privacy.unwrap()).unwrap().value();
        assert!(rho <= whole && rho > 0.9 * whole, "{rho} of {whole}");
        assert!(stages.iter().all(|stage| stage.sigma.is_some()));
        let exact = super::stages(&RunConfig::new(literal(4)).unwrap()).unwrap();
        assert!(
            exact
                .iter()
                .all(|stage| stage.sigma.is_none() && stage.rho == 0.0)
        );
    }
}
