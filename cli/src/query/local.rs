//! `hedgerow query --local`: a service of one's own; and what is known of --model before anybody is asked.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hedgerow_edge::progress::ProgressEvent;
use hedgerow_inference::graph::Graph;
use hedgerow_inference::plan::{Asked as Wanted, Plan, plan};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::ServiceArguments;
use crate::error::{CliError, Result};
use crate::model;

/// What is known of --model before anybody is asked.
#[derive(Default)]
pub struct Prepared {
    /// The network, where it is the asker's own.
    pub own: Option<Graph>,
    /// Its plan, for a service of one's own.
    plan: Option<Plan>,
    /// What activations are calibrated by.
    samples: Option<PathBuf>,
}

impl Prepared {
    /// `input`: the rows that are asked about, where activations may be calibrated by them.
    ///
    /// # Errors
    /// A file that is no model, activations without samples, no plan.
    pub fn read(path: &Path, asked: &ServiceArguments, input: Option<&Path>) -> Result<Self> {
        if model::forest(path)?.is_some() {
            return match asked.encrypted_model {
                true => Err(CliError::Config(
                    "--encrypted-model: for networks; a forest's modes are those of --mode".to_owned(),
                )),
                false => Ok(Self::default()),
            };
        }
        let graph = crate::plan::net::network(path)?;
        let mut activations = asked.activations.clone();
        let mut samples = None;
        if graph.activations().next().is_some() {
            if activations.calibrate.is_none() {
                activations.calibrate = input.map(Path::to_path_buf);
                if let Some(input) = input {
                    println!(
                        "calibrated by the input itself, {} (or --calibrate FILE)",
                        input.display()
                    );
                }
            }
            samples = activations.calibrate.clone();
        }
        let (graph, said) = activations.apply(path, graph)?;
        said.iter().for_each(|line| println!("replaced {line}"));
        if !asked.encrypted_model {
            return Ok(Self {
                samples,
                ..Self::default()
            });
        }
        let plan = match input {
            Some(_) => {
                let wanted = Wanted {
                    batch: asked.batch.unwrap_or(1) as usize,
                    encrypted_model: true,
                    ..Wanted::default()
                };
                let found = plan(&graph, &wanted);
                Some(found.map_err(|error| CliError::Config(format!("{}: {error}", path.display())))?)
            }
            None => None,
        };
        Ok(Self {
            own: Some(graph),
            plan,
            samples,
        })
    }
}

/// A service of one's own, in another process, with identities that nobody else has.
pub struct Local {
    /// Identities of both sides, and the plan of an encrypted model.
    pub folder: tempfile::TempDir,
    /// Where it listens.
    pub address: String,
    child: Child,
}

impl Local {
    /// Starts it.
    ///
    /// # Errors
    /// A server that ends before it listens.
    pub async fn start(model: &Path, asked: &ServiceArguments, prepared: &Prepared) -> Result<Self> {
        // Said by this process, not by the other.
        let _known = crate::serve::forest::mode(asked.mode.as_deref())?;
        let folder = tempfile::tempdir().map_err(CliError::library("make a folder"))?;
        crate::provision::all_in_one(folder.path(), "server", &["client"])?;
        let executable: PathBuf = std::env::current_exe().map_err(CliError::library("find this program"))?;
        let mut command = Command::new(&executable);
        command.arg("serve");
        match &prepared.plan {
            Some(plan) => {
                let file = folder
                    .path()
                    .join(model.file_stem().unwrap_or_default())
                    .with_extension("json");
                let text = serde_json::to_vec(plan).map_err(CliError::library("write the plan"))?;
                std::fs::write(&file, text).map_err(CliError::file(&file, "writing the plan"))?;
                command.arg("--plan").arg(&file).arg("--encrypted-model");
                // A client of one's own may send as much as its model takes: twice, as for one client more.
                let most = (2 * plan.predicted.memory()).div_ceil(1 << 20).max(4096) + 64;
                let policy = folder.path().join("policy.toml");
                let text = format!(
                    "[limits]\nkeys_mib = {most}\ncached_keys_mib = {most}\ntransfers_mib = {}\nrequest_mib = {}\n",
                    2 * most,
                    64 + plan.predicted.input_bytes.div_ceil(1 << 20)
                );
                std::fs::write(&policy, text).map_err(CliError::file(&policy, "writing the policy"))?;
                command.arg("--policy").arg(&policy);
            }
            None => {
                command.arg("--model").arg(model);
                if let Some(samples) = &prepared.samples {
                    command.arg("--calibrate").arg(samples);
                }
                if let Some(degree) = asked.activations.degree {
                    command.args(["--degree", &degree.to_string()]);
                }
                if let Some(batch) = asked.batch {
                    command.args(["--batch", &batch.to_string()]);
                }
            }
        }
        command.arg("--identity").arg(folder.path().join("server")).args([
            "--listen",
            "127.0.0.1:0",
            "--progress",
            "json",
            "--until-stdin-closes",
        ]);
        if let Some(mode) = &asked.mode {
            command.args(["--mode", mode]);
        }
        command.args(asked.forests.arguments());
        let mut child = command
            .env("HEDGEROW_LOG", "warn")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(CliError::file(&executable, "starting"))?;
        let gone = || {
            CliError::Config("query --local: the server ended before it could be asked; see above".to_owned())
        };
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(gone)?).lines();
        loop {
            let line = lines
                .next_line()
                .await
                .map_err(CliError::library("read the server's progress"))?;
            let event = line.as_deref().map(serde_json::from_str::<ProgressEvent>);
            match event {
                Some(Ok(ProgressEvent::Listening { address })) => {
                    return Ok(Self {
                        folder,
                        address,
                        child,
                    });
                }
                Some(_) => {}
                None => return Err(gone()),
            }
        }
    }

    /// Ends it.
    pub async fn stop(mut self) {
        // Its standard input closes, and it ends; if it does not, dropping it kills it.
        drop(self.child.stdin.take());
        let _ = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
    }
}
