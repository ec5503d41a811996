//! The result on the terminal.

use super::bars::bytes;
use super::{Metrics, Report, audit};
use comfy_table::{Cell, CellAlignment, Table, presets};

/// The tables that end `hedgerow simulate`.
pub fn text(report: &Report) -> String {
    let mut quality = table(&["", "AUPRC", "AUROC", "accuracy"]);
    let federated = match report.privacy.epsilon {
        Some(epsilon) => format!("federated, epsilon {epsilon}"),
        None => "federated, no noise".to_owned(),
    };
    let single = report.single_name();
    for (name, metrics) in [
        (federated, &report.metrics),
        ("pooled, no noise".to_owned(), &report.pooled),
        (single, &report.best_single.metrics),
    ] {
        quality.add_row(quality_row(name, metrics));
    }
    let mut processes = table(&["process", "peak memory", "processor", "sent", "received"]);
    for process in std::iter::once(&report.coordinator).chain(&report.parties) {
        processes.add_row([
            Cell::new(&process.id),
            number(format!("{:.0} MiB", process.peak_rss_mib)),
            number(format!("{:.2} s", process.cpu_seconds)),
            number(bytes(process.bytes_sent)),
            number(bytes(process.bytes_received)),
        ]);
    }
    let privacy = match (report.privacy.epsilon, report.privacy.delta) {
        (Some(epsilon), Some(delta)) => format!(
            "privacy: epsilon {:.4} of {epsilon} spent at delta {delta:.1e}, per {}",
            report.privacy.spent, report.privacy.unit
        ),
        _ => "privacy: no noise, no guarantee for single rows; the masks hide every party's table".to_owned(),
    };
    let identical = match report.identical_to_pooled {
        Some(true) => "the federated model equals the pooled one, byte for byte\n",
        Some(false) => "THE FEDERATED MODEL DIFFERS FROM THE POOLED ONE: this is a bug\n",
        None => "",
    };
    let scores = match report.scores_identical {
        Some(true) => "every private score equals the model's on the joined row, bit for bit\n",
        Some(false) => "PRIVATE SCORES DIFFER FROM THE MODEL'S: this is a bug\n",
        None => "",
    };
    let split = report.seconds.split.map_or(String::new(), |split| {
        format!(
            "of these: {:.1} alignment, {:.1} encryption, {:.1} inner products, {:.1} summation (they overlap)\n",
            split.alignment, split.encryption, split.inner_products, split.summation
        )
    });
    let learned: String = match report.is_joined() {
        true => report.notes.iter().map(|note| format!("- {note}\n")).collect(),
        false => String::new(),
    };
    let growth = format!("growth: {}\n", report.settings.why);
    let audit = report.audit.as_ref().map_or(String::new(), |audit| {
        let bounds: Vec<String> = audit
            .adversaries
            .iter()
            .map(|adversary| format!("{:.3} from the {}", adversary.largest_lower_bound, adversary.sees))
            .collect();
        format!(
            "{}\nlargest lower bounds: {}\n",
            audit::sentence(audit),
            bounds.join(", ")
        )
    });
    format!(
        "{quality}\n{identical}{scores}{growth}{privacy}\n{audit}{learned}seconds: {:.1} training, {:.1} prediction, {:.1} in \
         all\n{split}{processes}",
        report.seconds.train, report.seconds.predict, report.seconds.total
    )
}

fn quality_row(name: String, metrics: &Metrics) -> [Cell; 4] {
    [
        Cell::new(name),
        number(format!("{:.4}", metrics.auprc)),
        number(format!("{:.4}", metrics.auroc)),
        number(format!("{:.4}", metrics.accuracy)),
    ]
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(header.iter().map(|name| {
            let cell = Cell::new(name);
            if header.first() == Some(name) {
                cell
            } else {
                cell.set_alignment(CellAlignment::Right)
            }
        }));
    table
}

fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}
