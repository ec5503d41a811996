//! What the privacy budget of a run will buy, said before any data is touched.
//!
//! Everything here follows from the public configuration and the *declared* number of rows: how noisy each table will be,
//! what each stage costs, how deep trees can usefully be, and how else the budget might be divided. **Mechanism**,
//! **sensitivity** and **neighbours** are those of [`crate::privacy`].
//!
//! A node of average size at level `l` holds `rows / 2^l` rows. Its *noise* is that of what is decided by it: of one side of
//! a split, a sum over up to all slots of a histogram (`sigma sqrt(slots)`), or of the mean of all trees at the leaves
//! (`sigma / sqrt(trees)`). A node is called usable if it holds at least [`CLEAR`] times its noise.
//!
//! The suggested division minimises the sum over stages of `(noise / rows of a node)^2` for a given sum of rhos: with `s`
//! the squared sensitivity and `q sigma` the noise of a stage, Lagrange's condition gives `rho proportional to
//! q sqrt(s) 2^l`. It knows nothing of the data; the defaults of growth were measured on data.

use hedgerow_dp::{Cost, Mechanism, RenyiCurve, epsilon_of};
use hedgerow_forest::query::QueryKind;
use hedgerow_forest::table::CLASSES;

use crate::config::RunConfigLiteral;
use crate::privacy::{self, Planned, PrivacyError};

/// Standard deviations of noise that a node must hold in rows.
pub const CLEAR: f64 = 3.0;

/// What one stage of a run, queries of one purpose, costs and yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What for, in words.
    pub name: String,
    /// How many queries it may ask.
    pub queries: usize,
    /// Cells of all of them, at most.
    pub cells: u64,
    /// Squared L2 norm of what one row adds to one of them.
    pub l2_squared: u64,
    /// Its part of the budget, 0 to 1.
    pub share: f64,
    /// Epsilon that it would cost alone, at the run's delta; none without noise.
    pub epsilon: Option<f64>,
    /// Standard deviation of a released cell if every party survives, of its most noisy query; none without noise.
    pub sigma: Option<f64>,
    /// Level of the nodes that it speaks of; none for what speaks of no node.
    pub level: Option<u8>,
    /// Rows of an average node of that level, by the declared number.
    pub node_rows: Option<f64>,
    /// Noise of a node, in rows; none for gradients, whose size depends on the model so far.
    pub node_noise: Option<f64>,
    /// Its part of the budget by the suggested division, 0 to 1; none where nothing is suggested.
    pub suggested: Option<f64>,
}

impl Stage {
    /// Whether a node of average size stands out from its noise; none if that cannot be said.
    #[must_use]
    pub fn is_usable(&self) -> Option<bool> {
        Some(self.node_rows? >= CLEAR * self.node_noise?)
    }
}

/// The outlook of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Stages in the order in which they begin.
    pub stages: Vec<Stage>,
    /// Name of the mechanism.
    pub mechanism: &'static str,
    /// Epsilon of everything planned together, by Renyi composition at the run's delta; none without noise.
    pub epsilon: Option<f64>,
    /// Rows that were declared.
    pub rows: Option<u64>,
    /// Depth down to which nodes are usable; none without noise, without declared rows, or for gradients.
    pub usable_depth: Option<u8>,
    /// Part of the budget that the structure of the trees gets by the suggested division, 0 to 1.
    pub suggested_split_share: Option<f64>,
}

fn level(kind: QueryKind, depth: u8) -> Option<u8> {
    match kind {
        QueryKind::Leaves => Some(depth),
        QueryKind::Edges => Some(0),
        QueryKind::Splits(level) | QueryKind::Gradients { level, .. } => Some(level),
        _ => None,
    }
}

fn name(kind: QueryKind) -> String {
    match kind {
        QueryKind::Gradients { level, .. } => format!("gradients of level {level}, all trees"),
        kind => kind.to_string(),
    }
}

/// Noise of a node per standard deviation of a cell, by what is decided with the table.
fn per_sigma(planned: &Planned, config: &RunConfigLiteral) -> Option<f64> {
    match planned.kind {
        QueryKind::Leaves => Some(1.0 / f64::from(config.forest.trees).sqrt()),
        QueryKind::Edges | QueryKind::Splits(_) => {
            // A row adds 1 to one cell per tree and feature: cells = (trees features) nodes slots classes.
            let nodes = f64::from(level(planned.kind, 0)?).exp2();
            let slots = planned.cells as f64 / (planned.sensitivity.0 as f64 * nodes * CLASSES as f64);
            Some(slots.max(1.0).sqrt())
        }
        _ => None,
    }
}

/// What the configuration's budget buys. `rows` is the declared number of training rows, if there is one.
///
/// # Errors
/// [`PrivacyError`]; not for a checked configuration.
pub fn outlook(config: &RunConfigLiteral, rows: Option<u64>) -> Result<Outlook, PrivacyError> {
    let shares = u32::try_from(config.parties.len()).unwrap_or(u32::MAX);
    let delta = config.privacy.map_or(0.0, |privacy| privacy.delta);
    let alone = |cost: &Cost, times| {
        let mut curve = RenyiCurve::new();
        curve.add(cost, times);
        curve.epsilon(delta)
    };
    let mut stages: Vec<Stage> = Vec::new();
    let mut weights: Vec<Option<f64>> = Vec::new();
    let mut costs: Vec<(Cost, u32)> = Vec::new();
    let (mut everything, mut mechanism) = (Vec::new(), "none");
    for planned in privacy::plan(config)? {
        let noise = privacy::mechanism(config, &planned)?;
        let (cost, sigma) = (noise.renyi_cost(), noise.total_sigma(shares));
        mechanism = noise.name();
        everything.push(cost);
        let name = name(planned.kind);
        let share = f64::from(planned.parts) / f64::from(planned.whole.max(1));
        if let Some(position) = stages.iter().position(|stage| stage.name == name)
            && let (Some(stage), Some(known)) = (stages.get_mut(position), costs.get_mut(position))
        {
            stage.queries += 1;
            stage.cells = stage.cells.saturating_add(planned.cells as u64);
            stage.share += share;
            stage.sigma = stage.sigma.zip(sigma).map(|(a, b)| a.max(b));
            known.1 += 1;
            stage.epsilon = sigma.map(|_| alone(&known.0, known.1));
            continue;
        }
        let level = level(planned.kind, config.forest.depth);
        let per_sigma = per_sigma(&planned, config);
        stages.push(Stage {
            name,
            queries: 1,
            cells: planned.cells as u64,
            l2_squared: planned.sensitivity.0,
            share,
            epsilon: sigma.map(|_| alone(&cost, 1)),
            sigma,
            level,
            node_rows: rows
                .zip(level)
                .map(|(rows, level)| rows as f64 / f64::from(level).exp2()),
            node_noise: per_sigma.zip(sigma).map(|(per, sigma)| per * sigma),
            suggested: None,
        });
        let weight =
            |(per, level): (f64, u8)| per * (planned.sensitivity.0 as f64).sqrt() * f64::from(level).exp2();
        weights.push(per_sigma.zip(level).map(weight));
        costs.push((cost, 1));
        debug_assert!(sigma.is_some() || matches!(noise, Mechanism::None(_)));
    }
    suggest(&mut stages, &weights);
    let is_structure = |stage: &&Stage| stage.name != QueryKind::Leaves.to_string() && stage.level.is_some();
    let structure: Option<f64> = stages
        .iter()
        .filter(is_structure)
        .map(|stage| stage.suggested)
        .sum();
    Ok(Outlook {
        epsilon: config.privacy.map(|_| epsilon_of(&everything, delta)),
        usable_depth: usable_depth(&stages, config.forest.depth),
        suggested_split_share: structure.filter(|share| *share > 0.0),
        stages,
        mechanism,
        rows,
    })
}

/// Divides what the weighted stages have now by their weights.
fn suggest(stages: &mut [Stage], weights: &[Option<f64>]) {
    let noisy = stages.iter().all(|stage| stage.sigma.is_some());
    // Gradients have no weight of this kind: then nothing is suggested at all.
    let gradients = stages
        .iter()
        .zip(weights)
        .any(|(stage, weight)| stage.level.is_some() && weight.is_none());
    if !noisy || gradients {
        return;
    }
    let whole: f64 = weights.iter().flatten().sum();
    let divided: f64 = stages
        .iter()
        .zip(weights)
        .filter(|(_, weight)| weight.is_some())
        .map(|(stage, _)| stage.share)
        .sum();
    for (stage, weight) in stages.iter_mut().zip(weights) {
        stage.suggested = Some(weight.map_or(stage.share, |weight| divided * weight / whole));
    }
}

/// Nodes of a level are usable if all levels above are and their noise lets them be.
fn usable_depth(stages: &[Stage], depth: u8) -> Option<u8> {
    let mut usable: Option<u8> = None;
    for stage in stages.iter().filter(|stage| stage.level.is_some()) {
        let (rows, noise, level) = (stage.node_rows?, stage.node_noise?, stage.level?);
        // Leaves may be usable at another depth than the configured one: their noise does not depend on it. A table of
        // splits makes nodes of the next level, and says nothing beyond.
        let reach = (rows * f64::from(level).exp2() / (CLEAR * noise))
            .log2()
            .floor()
            .clamp(0.0, 64.0) as u8;
        let reach = match (stage.name == QueryKind::Leaves.to_string(), reach >= level) {
            (true, _) => reach,
            (false, true) => continue,
            (false, false) => level.min(depth),
        };
        usable = Some(usable.map_or(reach, |usable| usable.min(reach)));
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RunConfig;
    use crate::party::tests::support::{literal, noisy};

    #[test]
    fn the_budget_is_all_there_and_depth_grows_with_rows() {
        let config = RunConfig::new(noisy(literal(4))).unwrap();
        let of = |rows| outlook(&config, rows).unwrap();
        let found = of(Some(100_000));
        let share: f64 = found.stages.iter().map(|stage| stage.share).sum();
        assert!((share - 1.0).abs() < 1e-9);
        let suggested: f64 = found.stages.iter().map(|stage| stage.suggested.unwrap()).sum();
        assert!((suggested - 1.0).abs() < 1e-9);
        assert_eq!(found.mechanism, "discrete-gaussian");
        let epsilon = found.epsilon.unwrap();
        assert!(
            epsilon <= config.privacy.unwrap().epsilon * 1.0005 && epsilon > 0.9,
            "{epsilon}"
        );
        assert!(found.stages.iter().all(|stage| stage.epsilon.unwrap() <= epsilon));
        // Four times the rows are two more levels.
        let (few, many) = (
            of(Some(100_000)).usable_depth.unwrap(),
            of(Some(400_000)).usable_depth.unwrap(),
        );
        assert_eq!(many, few + 2);
        assert_eq!(of(None).usable_depth, None);
    }

    #[test]
    fn leaves_are_as_deep_as_their_noise_allows() {
        let config = RunConfig::new(noisy(literal(4))).unwrap();
        let found = outlook(&config, Some(1 << 20)).unwrap();
        let leaves = found
            .stages
            .iter()
            .find(|stage| stage.name == "leaf counts")
            .unwrap();
        let noise = leaves.sigma.unwrap() / f64::from(config.forest.trees).sqrt();
        assert!((leaves.node_noise.unwrap() / noise - 1.0).abs() < 1e-9);
        let depth = found.usable_depth.unwrap();
        let rows = |depth: u8| f64::from(1 << 20) / f64::from(depth).exp2();
        assert!(rows(depth) >= CLEAR * noise && rows(depth + 1) < CLEAR * noise);
    }

    #[test]
    fn without_noise_nothing_is_spent_or_suggested() {
        let config = RunConfig::new(literal(4)).unwrap();
        let found = outlook(&config, Some(1000)).unwrap();
        assert_eq!(
            (found.mechanism, found.epsilon, found.usable_depth),
            ("none", None, None)
        );
        assert!(
            found
                .stages
                .iter()
                .all(|stage| stage.sigma.is_none() && stage.suggested.is_none())
        );
    }
}
