//! An ensemble as text for people.

use std::fmt::{self, Write};

use super::Ensemble;
use super::parts::{Aggregate, Decision, Float, Node, Task, Transform};

impl Ensemble {
    /// The ensemble as plain text: what it predicts, shape, arithmetic, and how often each feature is tested.
    pub fn inspect(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_report(&mut text);
        text
    }

    /// The name of a column: that of the source, or its position as `f0`, `f1`, ...
    pub fn feature_name(&self, index: usize) -> String {
        match self.parts.features.get(index) {
            Some(feature) if !feature.name.is_empty() => feature.name.clone(),
            _ => format!("f{index}"),
        }
    }

    fn write_report(&self, out: &mut String) -> fmt::Result {
        let parts = &self.parts;
        match &parts.task {
            Task::Regression { targets: 1 } => writeln!(out, "Tree ensemble, one score per row")?,
            Task::Regression { targets } => writeln!(out, "Tree ensemble, {targets} scores per row")?,
            Task::Classification { labels } => {
                let names = (0..labels.len().min(8)).filter_map(|class| labels.text(class));
                let more = if labels.len() > 8 { ", ..." } else { "" };
                let names: Vec<String> = names.collect();
                writeln!(
                    out,
                    "Tree ensemble, {} classes: {}{more}",
                    labels.len(),
                    names.join(", ")
                )?;
            }
        }
        let depth = self.depths().iter().max().copied().unwrap_or(0);
        let leaves: usize = self.leaves().iter().sum();
        writeln!(
            out,
            "  trees       {}, depth up to {depth}, {leaves} leaves in all",
            self.trees()
        )?;
        let bits = |float| if float == Float::F32 { "32" } else { "64" };
        writeln!(
            out,
            "  arithmetic  {} bits, scores in {} bits",
            bits(parts.arithmetic),
            bits(parts.output)
        )?;
        let aggregate = match parts.aggregate {
            Aggregate::Sum => "sum of the trees",
            Aggregate::Average => "mean of the trees",
        };
        let transform = match parts.transform {
            Transform::None => "",
            Transform::Logistic => ", then logistic",
            Transform::Softmax => ", then softmax",
            Transform::SoftmaxZero => ", then softmax without zeros",
        };
        let base = if parts.base.is_empty() {
            String::new()
        } else {
            format!(" plus {:?}", parts.base)
        };
        writeln!(out, "  score       {aggregate}{base}{transform}")?;
        for step in &parts.steps {
            writeln!(out, "              then {:?}", step.op)?;
        }
        if let Decision::AtLeast(threshold) = parts.decision {
            writeln!(
                out,
                "  threshold   {threshold} (a row with this score or more is positive)"
            )?;
        }
        self.write_features(out)
    }

    fn write_features(&self, out: &mut String) -> fmt::Result {
        let mut usage = vec![0usize; self.parts.features.len()];
        let (mut tests, mut missing) = (0usize, 0usize);
        for node in &self.parts.nodes {
            if let Node::Branch(branch) = node {
                tests += 1;
                missing += usize::from(branch.missing_yes);
                if let Some(count) = usage.get_mut(branch.feature as usize) {
                    *count += 1;
                }
            }
        }
        writeln!(
            out,
            "  missing     {missing} of {tests} tests send missing values to the yes branch"
        )?;
        writeln!(out, "\nFeatures")?;
        let names: Vec<String> = (0..usage.len()).map(|index| self.feature_name(index)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for (index, (name, count)) in names.iter().zip(usage).enumerate() {
            let kind = match self.parts.features.get(index).and_then(|f| f.categories.as_ref()) {
                Some(categories) => format!("categorical, {} categories", categories.len()),
                None => "numeric".to_owned(),
            };
            let share = 100.0 * count as f64 / tests.max(1) as f64;
            writeln!(
                out,
                "  {index:>4}  {name:<width$}  {share:>5.1} % of tests  {kind}"
            )?;
        }
        Ok(())
    }
}
