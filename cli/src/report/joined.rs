//! What the page says of joined runs alone: roles, and where the time went.

use super::{Report, Split};
use maud::{Markup, html};

/// What each role learned and was promised.
pub fn learned(report: &Report) -> Markup {
    html! {
        section {
            h2 { "What each learned" }
            div.scroll { table {
                thead { tr { th { "role" } th { "promised" } th { "learned" } } }
                tbody { @for role in &report.learned {
                    tr { th { (role.who.join(", ")) } td { (role.promise) }
                        td { ul { @for what in &role.learned { li { (what) } } } } }
                } }
            } }
            ul { @for note in &report.notes { li { (note) } } }
            p.note { "This holds against the coordinator together with " (report.settings.collusion)
                (if report.settings.collusion == 1 { " colluding party" } else { " colluding parties" })
                ", all following the protocol. Parties that feed false data are out of scope."
                @if report.settings.schema_derived { " The schema was derived from everybody's data, which a simulation may do; a deployment must declare it." } }
        }
    }
}

/// Were the private scores what they should be?
pub fn scores(report: &Report) -> Markup {
    html! {
        @match report.scores_identical {
            Some(true) => p.note { "Checked: every score that was asked for in private is, to the last bit, that of the model on the joined row." }
            Some(false) => p.note { b { "Failed check: " } "scores that were asked for in private differ from those of the model on the joined rows. This is a bug." }
            None => {}
        }
    }
}

/// Where the time went.
pub fn split(split: &Split) -> Markup {
    let phases = [
        (
            "alignment",
            split.alignment,
            "parties find the entities that both know",
        ),
        (
            "encryption",
            split.encryption,
            "attribute parties encrypt, row parties take in",
        ),
        (
            "inner products",
            split.inner_products,
            "row parties multiply, attribute parties open masked shares",
        ),
        ("summation", split.summation, "all parties mask and sum"),
        ("prediction", split.prediction, "private scores of all test rows"),
    ];
    html! {
        section {
            h2 { "Where the time went" }
            div.scroll { table {
                thead { tr { th { "phase" } th.n { "seconds" } th.after { "what happens" } } }
                tbody { @for (name, seconds, what) in phases {
                    tr { th { (name) } td.n { (format!("{seconds:.2}")) } td.after { (what) } }
                } }
            } }
            p.note { "Wall-clock seconds in which any process was in the phase; phases of different processes overlap." }
        }
    }
}
