//! The form that every benchmark prints: asked, measured, met, with the baseline of the same run.

use std::{fmt, fs, io, path::Path};

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

/// What a figure must be for its row to be met.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The measured figure may not be larger.
    AtMost(f64),
    /// The measured figure may not be smaller.
    AtLeast(f64),
    /// The statement must hold (1 = holds, 0 = does not).
    Holds,
    /// Nothing is asked; the figure is shown beside the others and not counted.
    Nothing,
}

impl Asked {
    fn met(self, measured: f64) -> Option<bool> {
        match self {
            Self::AtMost(bound) => Some(measured <= bound),
            Self::AtLeast(bound) => Some(measured >= bound),
            Self::Holds => Some(measured >= 1.0),
            Self::Nothing => None,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "at most {}", Figure(*bound)),
            Self::AtLeast(bound) => write!(f, "at least {}", Figure(*bound)),
            Self::Holds => f.write_str("holds"),
            Self::Nothing => f.write_str("-"),
        }
    }
}

/// One line of a benchmark.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured, in words.
    pub what: String,
    /// The bound.
    pub asked: Asked,
    /// The measured figure, in `unit`.
    pub measured: f64,
    /// The unit of `asked` and `measured`.
    pub unit: String,
    /// What it was compared with in the same run, with that figure in words.
    pub baseline: String,
    /// Whether the bound holds; absent where nothing was asked.
    pub met: Option<bool>,
}

/// A whole benchmark: rows in the order in which they were measured.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    /// The command, as typed after `hedgerow bench`.
    pub bench: String,
    /// Cores that the process may use.
    pub cores: usize,
    /// The rows.
    pub rows: Vec<Row>,
}

impl BenchReport {
    /// An empty report of the benchmark `bench`.
    pub fn new(bench: &str) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            bench: bench.to_owned(),
            cores,
            rows: Vec::new(),
        }
    }

    /// Adds a measured figure.
    pub fn row(&mut self, what: &str, asked: Asked, measured: f64, unit: &str, baseline: impl Into<String>) {
        self.rows.push(Row {
            what: what.to_owned(),
            asked,
            measured,
            unit: unit.to_owned(),
            baseline: baseline.into(),
            met: asked.met(measured),
        });
    }

    /// Adds a statement that holds or does not.
    pub fn holds(&mut self, what: &str, holds: bool, baseline: impl Into<String>) {
        self.row(what, Asked::Holds, f64::from(u8::from(holds)), "", baseline);
    }

    /// Rows whose bound holds, and rows that have a bound.
    pub fn met(&self) -> (usize, usize) {
        let asked = self.rows.iter().filter_map(|row| row.met);
        (asked.clone().filter(|met| *met).count(), asked.count())
    }

    /// Writes `bench.json` into `folder`, which is made if it does not exist.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        fs::write(folder.join("bench.json"), text)
    }
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["", "asked", "measured", "met", "baseline in the same run"]);
        for row in &self.rows {
            let measured = match row.asked {
                Asked::Holds if row.measured >= 1.0 => "holds".to_owned(),
                Asked::Holds => "does not hold".to_owned(),
                _ => format!("{} {}", Figure(row.measured), row.unit),
            };
            let met = match row.met {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "-",
            };
            table.add_row([
                Cell::new(&row.what),
                Cell::new(row.asked.to_string()).set_alignment(CellAlignment::Right),
                Cell::new(measured).set_alignment(CellAlignment::Right),
                Cell::new(met),
                Cell::new(&row.baseline),
            ]);
        }
        let (met, asked) = self.met();
        write!(
            f,
            "hedgerow bench {}, {} cores\n{table}\nmet {met} of {asked}",
            self.bench, self.cores
        )
    }
}

/// A number with three or four significant digits.
struct Figure(f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size >= 1000.0 || self.0 == self.0.trunc() {
            write!(f, "{:.0}", self.0)
        } else if size >= 100.0 {
            write!(f, "{:.1}", self.0)
        } else if size >= 1.0 {
            write!(f, "{:.2}", self.0)
        } else {
            write!(f, "{:.4}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_what_was_asked() {
        let mut report = BenchReport::new("train");
        report.row("fast enough", Asked::AtMost(1.5), 1.4, "x", "");
        report.row("too slow", Asked::AtLeast(60.0), 59.0, "M/s", "");
        report.row("for information", Asked::Nothing, 7.0, "s", "");
        report.holds("identical", true, "");
        assert_eq!(report.met(), (2, 3));
        assert!(report.to_string().ends_with("met 2 of 3"));
    }

    #[test]
    fn a_figure_that_is_not_a_number_is_not_met() {
        let mut report = BenchReport::new("sum");
        report.row("seconds", Asked::AtMost(1.0), f64::NAN, "s", "");
        assert_eq!(report.met(), (0, 1));
    }
}
