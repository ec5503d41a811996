//! `hedgerow ledger show`: what a party's privacy budget went to.

use crate::error::{CliError, Result};
use comfy_table::{Cell, CellAlignment, Table, presets};
use hedgerow_party::ledger::Ledger;
use std::path::Path;

/// Prints the ledger of a state folder.
///
/// # Errors
/// A folder that is not there, a ledger that cannot be read.
pub fn show(state: &Path, delta: f64) -> Result<()> {
    if !(delta > 0.0 && delta < 1.0) {
        return Err(CliError::Config(format!(
            "--delta: expected a number between 0 and 1, found {delta}"
        )));
    }
    std::fs::read_dir(state).map_err(CliError::file(state, "reading"))?;
    let ledger = Ledger::open(state).map_err(CliError::library("ledger show"))?;
    let summary = ledger.summary(delta);
    if summary.lines.is_empty() && summary.alignments.is_empty() {
        println!("{}: nothing was ever charged", state.display());
        return Ok(());
    }
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(["released", "rho"]);
    for (label, rho) in &summary.lines {
        table.add_row([
            Cell::new(label),
            Cell::new(format!("{rho:.6}")).set_alignment(CellAlignment::Right),
        ]);
    }
    println!("{table}");
    println!(
        "spent over all runs: rho {:.6}, that is epsilon {:.4} at delta {:e}, per row",
        summary.rho_spent, summary.epsilon_spent, summary.delta
    );
    if !summary.alignments.is_empty() {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_header(["private alignment", "epsilon", "delta"]);
        for (label, epsilon, delta) in &summary.alignments {
            table.add_row([
                Cell::new(label),
                Cell::new(format!("{epsilon:.4}")).set_alignment(CellAlignment::Right),
                Cell::new(format!("{delta:e}")).set_alignment(CellAlignment::Right),
            ]);
        }
        println!("{table}");
        println!(
            "alignments over all runs: epsilon {:.4} at delta {:e}, for one key in place of another",
            summary
                .alignments
                .iter()
                .map(|(_, epsilon, _)| epsilon)
                .sum::<f64>(),
            summary.alignments.iter().map(|(_, _, delta)| delta).sum::<f64>()
        );
    }
    Ok(())
}
