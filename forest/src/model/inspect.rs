//! A model as text for people.

use std::fmt::{self, Write};

use super::{Forest, Output};
use crate::logistic::{MARGIN_ONE, probability};
use crate::schema::ColumnKind;

impl Forest {
    /// The model as plain text: shape, threshold, privacy statement, schema with how often each feature is tested.
    pub fn inspect(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_report(&mut text);
        text
    }

    fn write_report(&self, out: &mut String) -> fmt::Result {
        let leaves = 1usize << self.depth();
        writeln!(
            out,
            "{} predicting {} = {}",
            match self.output {
                Output::Probability => "Random forest",
                Output::LogOdds { .. } => "Gradient-boosted trees",
            },
            self.schema.label.name,
            self.schema.label.positive
        )?;
        writeln!(
            out,
            "  trees      {} of depth {} ({} leaves each)",
            self.trees.len(),
            self.depth(),
            leaves
        )?;
        writeln!(
            out,
            "  bins       {} per numeric column, one more for missing values",
            self.bins
        )?;
        if let Output::LogOdds { base } = self.output {
            writeln!(
                out,
                "  output     log-odds: a score is 1 / (1 + exp(-(base + sum of leaves))), base {:.4} (score {:.4})",
                f64::from(base) / MARGIN_ONE as f64,
                probability(base.into())
            )?;
        }
        writeln!(
            out,
            "  threshold  {} (a row with this score or more is positive)",
            self.threshold
        )?;
        self.write_statement(out)?;
        writeln!(out, "\nFeatures")?;
        let usage = self.feature_usage();
        let total = usage.iter().sum::<usize>().max(1) as f64;
        let width = self
            .schema
            .features
            .iter()
            .map(|column| column.name.chars().count())
            .max()
            .unwrap_or(0);
        for ((position, column), count) in self.schema.features.iter().enumerate().zip(usage) {
            let kind = match &column.kind {
                ColumnKind::Numeric { min, max } => format!("numeric, {min} to {max}"),
                ColumnKind::Categorical { categories } => {
                    format!("categorical, {} categories", categories.len())
                }
            };
            let link = column.link.as_ref().map(|link| format!(", through link {link}"));
            let kind = kind + &link.unwrap_or_default();
            let share = 100.0 * count as f64 / total;
            writeln!(
                out,
                "  {position:>4}  {:<width$}  {share:>5.1} % of tests  {kind}",
                column.name
            )?;
        }
        Ok(())
    }

    fn write_statement(&self, out: &mut String) -> fmt::Result {
        let Some(statement) = &self.statement else {
            return writeln!(out, "\nPrivacy\n  no statement");
        };
        writeln!(out, "\nPrivacy")?;
        writeln!(out, "  mechanism  {}", statement.mechanism)?;
        writeln!(out, "  unit       {} ({})", statement.unit, statement.neighbours)?;
        match (statement.epsilon, statement.delta) {
            (Some(epsilon), Some(delta)) => {
                write!(out, "  spent      epsilon {epsilon:.4} at delta {delta:e}")?
            }
            _ => write!(out, "  spent      no differential privacy")?,
        }
        match statement.rho {
            Some(rho) => writeln!(out, " (rho {rho:.6} zCDP)")?,
            None => writeln!(out)?,
        }
        writeln!(
            out,
            "  collusion  up to {} parties with the coordinator",
            statement.collusion
        )?;
        statement
            .notes
            .iter()
            .try_for_each(|note| writeln!(out, "  note       {note}"))
    }
}
