//! The page for people: one file, no script, nothing fetched.

use super::bars::{bytes, timeline, traffic};
use super::plot::unit_square;
use super::{Metrics, Report, Stage, audit, joined};
use crate::error::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Entries of one ledger that are shown; a boosted forest has hundreds.
const SHOWN: usize = 16;

/// The whole page.
///
/// # Errors
/// Those of the curves' drawing.
pub fn page(report: &Report) -> Result<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Hedgerow: " (report.task) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body { main {
                (header(report))
                (figures(report))
                (comparison(report))
                (curves(report)?)
                (if report.is_joined() { joined::learned(report) } else { learned(report) })
                (privacy(report))
                @if let Some(found) = &report.audit { (audit::section(found)) }
                (rounds(report))
                @if let Some(split) = &report.seconds.split { (joined::split(split)) }
                section { h2 { "Traffic" } (traffic(processes(report)))
                    p.note { "Bytes on the wire, as each process counted them. No row is among them." } }
                section { h2 { "Timeline" } (timeline(&report.timeline))
                    p.note { "From the start of the coordinator's process; on the right, seconds apart from waiting." } }
                (machines(report))
                footer { "Hedgerow " (report.hedgerow) ", " (report.created) ". Scenario: " code { (report.scenario) }
                    ". The same figures for programs: " code { "report.json" } "; the model: " code { "model.json" } "." }
            } }
        }
    };
    Ok(page.into_string())
}

fn processes(report: &Report) -> impl Iterator<Item = &super::Process> + Clone {
    std::iter::once(&report.coordinator).chain(&report.parties)
}

fn header(report: &Report) -> Markup {
    let rows: u64 = report.parties.iter().filter_map(|party| party.train_rows).sum();
    let settings = &report.settings;
    html! {
        header {
            h1 { (report.task) ": " (report.parties.len()) " parties, one forest" }
            p { (settings.trees) " trees of depth " (settings.depth) " (growth: " (settings.growth) "), learned from "
                (rows) " rows of " (settings.features) " features that stayed where they were." }
            p.note { (settings.why) }
        }
    }
}

fn figures(report: &Report) -> Markup {
    let noise = report.privacy.epsilon.is_some();
    html! {
        div.figures {
            div.figure.first { b { (format!("{:.3}", report.metrics.auroc)) } span { "AUROC, federated" } }
            div.figure { b { (format!("{:.3}", report.metrics.auprc)) } span { "AUPRC, federated" } }
            div.figure { b { (format!("{:.1} %", 100.0 * report.metrics.accuracy)) } span { "accuracy, federated" } }
            div.figure {
                @if noise { b { "ε = " (format!("{:.2}", report.privacy.spent)) }
                    span { "spent, δ = " (scientific(report.privacy.delta)) ", per " (report.privacy.unit) } }
                @else { b { "no noise" } span { "sums are exact: no differential privacy" } }
            }
            div.figure { b { (format!("{:.1} s", report.seconds.train)) } span { "enrolment to model" } }
        }
    }
}

fn scientific(number: Option<f64>) -> String {
    number.map_or("-".to_owned(), |n| format!("{n:.0e}"))
}

fn comparison(report: &Report) -> Markup {
    let row = |class: &str, name: String, metrics: &Metrics| {
        html! { tr {
            th { span class={ "key " (class) } {} (name) }
            td.n { (format!("{:.4}", metrics.auprc)) } td.n { (format!("{:.4}", metrics.auroc)) }
            td.n { (format!("{:.4}", metrics.accuracy)) }
        } }
    };
    let federated = match report.privacy.epsilon {
        Some(epsilon) => format!("federated, ε = {epsilon}"),
        None => "federated, no noise".to_owned(),
    };
    html! {
        section {
            h2 { "What working together is worth" }
            div.scroll { table {
                thead { tr { th { "on all parties' test rows" } th.n { "AUPRC" } th.n { "AUROC" } th.n { "accuracy" } } }
                tbody {
                    (row("federated", federated, &report.metrics))
                    (row("pooled", "pooled: the same forest, all rows in one place, no noise".into(), &report.pooled))
                    (row("single", report.single_name(), &report.best_single.metrics))
                }
            } }
            p.note {
                @match report.identical_to_pooled {
                    Some(true) => { "Checked: the federated model is, byte for byte, the forest of the pooled rows of each round's survivors." }
                    Some(false) => { b { "Failed check: " } "the federated model differs from the forest of the pooled rows of each round's survivors. This is a bug." }
                    None => { "With noise the model cannot equal the pooled one; run with " code { "--set privacy.epsilon=none" } " to see them agree byte for byte." }
                }
            }
            (joined::scores(report))
        }
    }
}

fn curves(report: &Report) -> Result<Markup> {
    let roc = unit_square(
        "false positive rate",
        "true positive rate",
        true,
        &report.curves.roc,
    )?;
    let pr = unit_square("recall", "precision", false, &report.curves.pr)?;
    Ok(html! {
        section {
            h2 { "Curves" }
            div.pair {
                @for (name, svg) in [("Receiver operating characteristic", roc), ("Precision and recall", pr)] {
                    figure { figcaption { (name) } div.plot { (PreEscaped(svg)) } }
                }
            }
            p.legend { span { span.key.federated {} "federated" } span { span.key.pooled {} "pooled" }
                span { span.key.single {} "best party alone" } }
        }
    })
}

fn learned(report: &Report) -> Markup {
    let noise = report.privacy.epsilon.is_some();
    let totals = if noise {
        "the noised totals of the tables below"
    } else {
        "the exact totals of the tables below"
    };
    html! {
        section {
            h2 { "What each learned, and did not" }
            div.scroll { table {
                thead { tr { th {} th { "learned" } th { "did not learn" } } }
                tbody {
                    tr { th { "every party" }
                        td { ul { li { (totals) } li { "the model" } li { "who took part, and the schema" } } }
                        td { ul { li { "any row of another party" } li { "any count of another party alone" }
                            li { "how many rows another party has" } } } }
                    tr { th { "the coordinator" }
                        td { ul { li { (totals) } li { "the model" } li { "who took part, when, and how many bytes" } } }
                        td { ul { li { "any row" } li { "any party's table: it only sees masked words" } } } }
                    tr { th { "who reads the model" }
                        td { ul { li { "what the forest says about people like the ones in the data" } } }
                        td { @if noise { "whether one particular row was in the data, beyond ε" }
                             @else { b { "No protection here: " } "without noise a published leaf count may single out a row." } } }
                }
            } }
            p.note { "This holds against the coordinator together with " (report.settings.collusion)
                (if report.settings.collusion == 1 { " colluding party" } else { " colluding parties" }) ", all following the protocol. Parties that feed false data are out of scope."
                @if report.settings.schema_derived { " The schema was derived from the pooled rows, which a simulation may do; a deployment must declare it, since bounds and categories taken from data say something about single rows." } }
        }
    }
}

fn privacy(report: &Report) -> Markup {
    let promise = &report.privacy;
    html! {
        section {
            h2 { "Privacy ledger" }
            (stages(&promise.stages))
            @if let (Some(epsilon), Some(delta)) = (promise.epsilon, promise.delta) {
                div.scroll { table {
                    thead { tr { th { "party" } th { "paid for" } th.n { "ρ (zCDP)" } th.n { "ε of all" } } }
                    tbody {
                        @for ledger in &promise.ledgers {
                            @for (position, charge) in ledger.entries.iter().take(SHOWN).enumerate() {
                                tr { th { @if position == 0 { (ledger.id) } } td { (charge.label) }
                                    td.n { (format!("{:.5}", charge.rho)) }
                                    td.n { @if position + 1 == ledger.entries.len() { (format!("{:.4}", ledger.epsilon)) } } }
                            }
                            @if ledger.entries.len() > SHOWN {
                                tr { th {} td { "and " (ledger.entries.len() - SHOWN) " more, in report.json" }
                                    td.n { (format!("{:.5} in all", ledger.rho)) } td.n { (format!("{:.4}", ledger.epsilon)) } }
                            }
                        }
                    }
                } }
                p.note { "Promised: ε = " (epsilon) " at δ = " (format!("{delta:.1e}")) " for one " (promise.unit)
                    " added or removed. Every party keeps its own ledger and refuses what exceeds it. The unit covers the rows of this run; "
                    "a person with several rows is protected less." }
            } @else {
                p { "No noise was added, nothing was charged: the totals and the model are exact. The masks still hide every single party's table." }
            }
        }
    }
}

/// What the budget was divided among, the same for every party.
fn stages(stages: &[Stage]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "stage" } th.n { "tables" } th.n { "cells" } th.n { "ρ (zCDP)" } th.n { "noise of a cell (σ)" } } }
            tbody { @for stage in stages {
                tr { th { (stage.name) } td.n { (stage.queries) } td.n { (stage.cells) }
                    td.n { (format!("{:.5}", stage.rho)) } td.n { (stage.noise()) } }
            } }
        } }
        p.note { "As planned before the run. A growth may ask for less, never for more; a table is paid for when it is asked." }
    }
}

fn rounds(report: &Report) -> Markup {
    let hidden = report.rounds.len().saturating_sub(2 * SHOWN);
    html! {
        section {
            h2 { "Tables that were summed" }
            div.scroll { table {
                thead { tr { th { "round" } th { "table" } th.n { "cells" } th.n { "seconds" } th.after { "summed over" } } }
                tbody { @for round in report.rounds.iter().take(2 * SHOWN) {
                    tr { th { (round.id) } td { (round.kind) } td.n { (round.cells) }
                        td.n { (round.seconds.map_or("-".into(), |s| format!("{s:.2}"))) } td.after { (round.survivors.join(", ")) } }
                } }
            } }
            @if hidden > 0 { p.note { "and " (hidden) " more, in report.json" } }
            p.note { "Summation: " (report.settings.aggregation) ", over at least " (report.settings.min_parties) " parties." }
        }
    }
}

fn machines(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Processes" }
            div.scroll { table {
                thead { tr { th { "process" } th.n { "training rows" } th.n { "test rows" }
                    @if report.is_joined() { th.n { "entities" } } th.n { "peak memory" }
                    th.n { "processor" } th.n { "sent" } th.n { "received" } } }
                tbody { @for process in processes(report) {
                    tr { th { (process.id) }
                        td.n { (process.train_rows.map_or("-".into(), |n| n.to_string())) }
                        td.n { (process.test_rows.map_or("-".into(), |n| n.to_string())) }
                        @if report.is_joined() { td.n { (process.entities.map_or("-".into(), |n| n.to_string())) } }
                        td.n { (format!("{:.0} MiB", process.peak_rss_mib)) } td.n { (format!("{:.2} s", process.cpu_seconds)) }
                        td.n { (bytes(process.bytes_sent)) } td.n { (bytes(process.bytes_received)) } }
                } }
            } }
            p.note { (format!("Whole command {:.1} s: training {:.1} s, prediction {:.1} s, the forests to compare with {:.1} s.",
                report.seconds.total, report.seconds.train, report.seconds.predict, report.seconds.baselines))
                " Row counts are private; this page has them because a simulation owns all the data." }
        }
    }
}
