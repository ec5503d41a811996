//! What the audit of a run's mechanism found, beside what the run claims.

use maud::{Markup, html};
use serde::Serialize;

/// An audit by canaries: runs rehearsed in one process with every party's share of the noise.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Training runs.
    pub runs: u64,
    /// Made-up rows of each, half of which are in the data.
    pub canaries: usize,
    /// Confidence of every lower bound.
    pub confidence: f64,
    /// Delta of the bounds.
    pub delta: f64,
    /// What the run claims; none without noise.
    pub claimed_epsilon: Option<f64>,
    /// How many lower bounds exceed it; none without a claim.
    pub bounds_above_the_claim: Option<usize>,
    /// The largest advantage of a membership test that the claim allows.
    pub advantage_allowed: Option<f64>,
    /// What each adversary achieved.
    pub adversaries: Vec<Adversary>,
}

/// One kind of adversary over all runs.
#[derive(Clone, Debug, Serialize)]
pub struct Adversary {
    /// What it sees.
    pub sees: &'static str,
    /// Largest of the runs' lower bounds on epsilon.
    pub largest_lower_bound: f64,
    /// Their mean.
    pub mean_lower_bound: f64,
    /// Area under the curve of its membership test.
    pub auc: Option<f64>,
    /// Advantage of the test: true less false positives, at best.
    pub advantage: Option<f64>,
}

/// The page's section.
pub(super) fn section(audit: &Audit) -> Markup {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    html! {
        section {
            h2 { "Audit" }
            div.scroll { table {
                thead { tr { th { "an adversary that sees" } th.n { "largest lower bound on ε" } th.n { "mean" }
                    th.n { "ε claimed" } th.n { "membership test: AUC" } th.n { "advantage" } th.n { "allowed" } } }
                tbody { @for adversary in &audit.adversaries { tr {
                    th { "the " (adversary.sees) } td.n { (number(Some(adversary.largest_lower_bound))) }
                    td.n { (number(Some(adversary.mean_lower_bound))) } td.n { (number(audit.claimed_epsilon)) }
                    td.n { (number(adversary.auc)) } td.n { (number(adversary.advantage)) }
                    td.n { (number(audit.advantage_allowed)) }
                } } }
            } }
            p.note { (sentence(audit)) }
        }
    }
}

/// The outcome in one sentence.
pub fn sentence(audit: &Audit) -> String {
    let how = format!(
        "{} runs with {} canaries each, rehearsed in one process with every party's share of the noise (one-run auditing, \
         Steinke, Nasr, Jagielski 2023), bounds at {} % confidence",
        audit.runs,
        audit.canaries,
        100.0 * audit.confidence
    );
    match (audit.claimed_epsilon, audit.bounds_above_the_claim) {
        (Some(claim), Some(above)) => format!(
            "audit: {above} of {} lower bounds are above the claimed epsilon {claim}; {how}",
            audit.runs as usize * audit.adversaries.len()
        ),
        _ => format!("audit: nothing is claimed without noise; {how}"),
    }
}
