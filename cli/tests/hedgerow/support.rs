//! Small worlds of CSV files, and the command run on them.

use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// After this long a command counts as hanging; the slowest takes some seconds.
const HANGING: Duration = Duration::from_secs(240);

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hedgerow"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a command said.
pub struct Said {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn succeeds(self) -> Self {
        assert_eq!(
            self.status,
            Some(0),
            "stdout:\n{}\nstderr:\n{}",
            self.out,
            self.err
        );
        self
    }

    /// Fails, and the message has all these parts.
    pub fn fails_with(self, parts: &[&str]) -> Self {
        assert_eq!(
            self.status,
            Some(1),
            "stdout:\n{}\nstderr:\n{}",
            self.out,
            self.err
        );
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is missing in\n{}", self.err);
        }
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub fn hedgerow(arguments: &[&str]) -> Said {
    wait(command(arguments).spawn().unwrap())
}

/// Waits for a process and kills it if it hangs. Its output is small enough for the pipes.
pub fn wait(mut child: Child) -> Said {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > HANGING {
            child.kill().unwrap();
            let said = Said::from(child.wait_with_output().unwrap());
            panic!("the command hung\nstdout:\n{}\nstderr:\n{}", said.out, said.err);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap().into()
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < HANGING, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Processes whose command line names this folder.
pub fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.display().to_string();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&name))
        .collect()
}

/// A folder with CSV files of some parties and a scenario over them.
pub struct World {
    folder: TempDir,
}

/// Data rows of every party.
pub const ROWS: u32 = 160;

impl World {
    /// Parties `p1`, `p2`, ... with a declared schema; 10 trees of depth 4, seconds for grace.
    pub fn new(parties: u32) -> Self {
        let world = Self::derived(parties);
        let mut scenario = world.read("scenario.toml");
        scenario += "\n[[schema.feature]]\nname = \"age\"\ntype = \"numeric\"\nmin = 0\nmax = 100\n\
            [[schema.feature]]\nname = \"colour\"\ntype = \"categorical\"\ncategories = [\"blue\", \"green\", \"red\"]\n";
        world.write("scenario.toml", &scenario);
        world
    }

    /// The same without a schema.
    pub fn derived(parties: u32) -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut scenario = String::from(
            "[task]\nname = \"toy\"\nlabel = \"rich\"\npositive = \"yes\"\n\n[data]\npartition = \"horizontal\"\n\n\
             [forest]\ngrowth = \"random\"\ntrees = 10\ndepth = 4\nbins = 16\n\n[privacy]\nepsilon = 2.0\ndelta = 1e-4\n\n\
             [timeouts]\ngrace_s = 1\n",
        );
        for party in 1..=parties {
            let _ = write!(
                scenario,
                "\n[[party]]\nid = \"p{party}\"\nsource = \"p{party}.csv\"\n"
            );
            world.write(&format!("p{party}.csv"), &rows(party));
        }
        world.write("scenario.toml", &scenario);
        world
    }

    /// Only the folder.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Replaces one line of a file, counted from 1.
    pub fn replace_line(&self, name: &str, line: usize, with: &str) {
        let text = self.read(name);
        let lines: Vec<&str> = text
            .lines()
            .enumerate()
            .map(|(at, old)| if at + 1 == line { with } else { old })
            .collect();
        self.write(name, &(lines.join("\n") + "\n"));
    }

    pub fn simulate(&self, arguments: &[&str]) -> Said {
        wait(self.simulation(arguments).spawn().unwrap())
    }

    /// `simulate` with `--out` in this world.
    pub fn simulation(&self, arguments: &[&str]) -> Command {
        let mut command = command(&[
            "simulate",
            &self.text("scenario.toml"),
            "--out",
            &self.text("out"),
        ]);
        command.args(arguments);
        command
    }

    pub fn report(&self) -> Value {
        serde_json::from_str(&self.read("out/report.json")).unwrap()
    }
}

/// Rows of one party: the label follows age and colour, some values are missing.
fn rows(party: u32) -> String {
    let mut text = String::from("age,colour,rich\n");
    for row in 0..ROWS {
        let mix = (row * 7919 + party * 104_729) % 9973;
        let age = 18 + mix % 60;
        let colour = ["red", "green", "blue", ""][(mix / 7 % 4) as usize];
        let rich = age > 45 && colour != "red" || mix.is_multiple_of(11);
        let age = if mix.is_multiple_of(29) {
            String::new()
        } else {
            age.to_string()
        };
        let _ = writeln!(text, "{age},{colour},{}", if rich { "yes" } else { "no" });
    }
    text
}
