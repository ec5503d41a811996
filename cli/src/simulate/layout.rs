//! Where a simulation keeps its files, and what it may delete.

use crate::error::{CliError, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Lies in a state folder that a simulation made; without it the folder is somebody else's.
const MARKER: &str = ".hedgerow-simulation";

/// The paths under `--out`.
#[derive(Clone, Debug)]
pub struct Layout {
    out: PathBuf,
}

impl Layout {
    /// Prepares `--out`: fresh state, or with `resume` the state that is there.
    ///
    /// Only our own files are replaced: a `state` folder that no simulation made is refused.
    ///
    /// # Errors
    /// [`CliError::Config`] for a folder of somebody else's or nothing to resume; [`CliError::File`].
    pub fn prepare(out: &Path, resume: bool) -> Result<Self> {
        fs::create_dir_all(out).map_err(CliError::file(out, "creating"))?;
        // Children get these paths in files that lie elsewhere: make them absolute.
        let out = fs::canonicalize(out).map_err(CliError::file(out, "finding"))?;
        let layout = Self { out };
        let (state, marker) = (layout.state(), layout.state().join(MARKER));
        match (state.exists(), marker.exists(), resume) {
            (true, true, true) => return Ok(layout),
            (_, _, true) => {
                return Err(CliError::Config(format!(
                    "--resume: no simulation was started in {}",
                    state.display()
                )));
            }
            (true, false, false) => {
                return Err(CliError::Config(format!(
                    "{} exists and was not made by a simulation; choose another --out",
                    state.display()
                )));
            }
            (true, true, false) => {
                fs::remove_dir_all(&state).map_err(CliError::file(&state, "replacing"))?;
            }
            (false, _, false) => {}
        }
        // An old result beside a failed run would be taken for its own.
        for name in ["report.json", "report.html", "model.json"] {
            let path = layout.out.join(name);
            if path.exists() {
                fs::remove_file(&path).map_err(CliError::file(&path, "replacing"))?;
            }
        }
        for folder in [state.clone(), layout.logs(), layout.config(), layout.result()] {
            fs::create_dir_all(&folder).map_err(CliError::file(&folder, "creating"))?;
        }
        fs::write(&marker, "").map_err(CliError::file(&marker, "writing"))?;
        Ok(layout)
    }

    /// `--out` itself.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Everything that is replaced as a whole.
    pub fn state(&self) -> PathBuf {
        self.out.join("state")
    }

    /// Data of the built-in scenario.
    pub fn data(&self) -> PathBuf {
        self.state().join("data")
    }

    /// Configuration files and identities.
    pub fn config(&self) -> PathBuf {
        self.state().join("config")
    }

    /// One log per process.
    pub fn logs(&self) -> PathBuf {
        self.state().join("logs")
    }

    /// One process's log.
    pub fn log(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// What the coordinator publishes.
    pub fn result(&self) -> PathBuf {
        self.state().join("result")
    }

    /// Where a row party writes the scores that it asked for in private.
    pub fn scores(&self, party: &str) -> PathBuf {
        self.process(party).join("scores.csv")
    }

    /// One process's journal and figures.
    pub fn process(&self, process: &str) -> PathBuf {
        self.state().join("process").join(process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_files_are_replaced() {
        let out = tempfile::tempdir().unwrap();
        fs::write(out.path().join("mine.txt"), "keep").unwrap();
        fs::write(out.path().join("report.json"), "old").unwrap();
        let layout = Layout::prepare(out.path(), false).unwrap();
        fs::write(layout.log("a"), "old").unwrap();
        let layout = Layout::prepare(out.path(), false).unwrap();
        assert!(!layout.log("a").exists() && !out.path().join("report.json").exists());
        assert_eq!(fs::read_to_string(out.path().join("mine.txt")).unwrap(), "keep");
    }

    #[test]
    fn a_foreign_state_folder_is_refused() {
        let out = tempfile::tempdir().unwrap();
        fs::create_dir(out.path().join("state")).unwrap();
        fs::write(out.path().join("state/thesis.txt"), "years of work").unwrap();
        assert!(matches!(
            Layout::prepare(out.path(), false),
            Err(CliError::Config(_))
        ));
        assert!(out.path().join("state/thesis.txt").exists());
    }

    #[test]
    fn resuming_needs_a_run() {
        let out = tempfile::tempdir().unwrap();
        assert!(matches!(
            Layout::prepare(out.path(), true),
            Err(CliError::Config(_))
        ));
        let layout = Layout::prepare(out.path(), false).unwrap();
        fs::write(layout.log("a"), "old").unwrap();
        assert!(Layout::prepare(out.path(), true).unwrap().log("a").exists());
    }
}
