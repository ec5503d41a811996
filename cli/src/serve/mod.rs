//! `hedgerow serve`: answers encrypted questions about models.
//!
//! - [`policy`]: whom, how often, how much, from a file; [`ledger`]: what each client has used, across restarts.
//! - [`forest`]: forests and their modes; [`network`]: networks, known to the server or not.
//! - [`driver`]: the machine of `inference::service`, a clock, threads, QUIC.

mod driver;
pub mod forest;
mod ledger;
mod network;
mod policy;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use hedgerow_edge::certificate::{CertificateError, Subject, now};
use hedgerow_edge::identity::Identity;
use hedgerow_edge::progress::ProgressEvent;
use hedgerow_edge::quic::{Listener, Traffic, Transport};
use hedgerow_edge::telemetry;
use hedgerow_edge::tls::Admit;
use hedgerow_inference::service::forest::KIND;
use hedgerow_inference::service::server::ServerMachine;
use hedgerow_inference::service::{Host, Offer};
use hedgerow_inference::trees::Mode;
use tracing::info;

use crate::args::ProcessOutput;
use crate::error::{CliError, Result};
use crate::query::keys::Keys;
use ledger::Ledger;
use policy::Policy;

/// `hedgerow serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The model: a network as ONNX; a forest as model.json, or one of another library as ONNX or JSON. Given
    /// several times, several are served, by the names of their files
    #[arg(
        long = "model",
        value_name = "MODEL",
        required_unless_present = "encrypted_model"
    )]
    pub models: Vec<PathBuf>,
    /// How forests are evaluated: private-model (the client learns the score, bin edges, padded sizes), batch (the same, thousands
    /// of rows in a request), encrypted-model (the client downloads the model encrypted, once, and evaluates it itself),
    /// public-structure (it learns every split, no leaf value; fastest) or label-only (it learns every split and the class, not
    /// the score) [default: private-model]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// A network's plan, as `plan net --out` writes it, instead of a search; one for each --model, in their order
    #[arg(long = "plan", value_name = "FILE")]
    pub plans: Vec<PathBuf>,
    /// Without --plan: rows of one request, for a network at least, for a forest at most
    #[arg(long, value_name = "ROWS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// Who may ask what, how often, and how much (examples/deploy/serve-policy.toml); without it the defaults of
    /// docs/serving.md
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// UDP address to listen at; port 0 takes any that is free, and a progress line says which
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:7448")]
    pub listen: SocketAddr,
    /// Identity folder with the certificate of a coordinator: key.pem, cert.pem, ca.pem
    #[arg(long, value_name = "DIR", default_value = "identity")]
    pub identity: PathBuf,
    /// Keep the secret under which forests of encrypted-model are encrypted in this file (made if it is not there, mode 0600), so
    /// that clients need not download them again when this process is restarted. Without it each run makes its own
    #[arg(long, value_name = "FILE", conflicts_with = "encrypted_model")]
    pub keys: Option<PathBuf>,
    /// Keep encoded weights small, and transform them at each use: for models that would not fit the memory
    #[arg(long)]
    pub compact: bool,
    /// Serve --plan to the owners of networks, who send their model encrypted with their keys, once: there is no --model, and
    /// this process never knows weights
    #[arg(long, requires = "plans", conflicts_with_all = ["models", "mode", "compact", "calibrate"])]
    pub encrypted_model: bool,
    #[command(flatten)]
    pub forests: forest::Forests,
    #[command(flatten)]
    pub activations: crate::plan::net::Calibrate,
    #[command(flatten)]
    pub output: ProcessOutput,
}

/// Runs until it is stopped.
///
/// # Errors
/// A model, plan, policy or identity that cannot be used; a port that is taken.
pub async fn run(arguments: &Serve) -> Result<()> {
    telemetry::init();
    if !arguments.encrypted_model
        && !arguments.plans.is_empty()
        && arguments.plans.len() != arguments.models.len()
    {
        return Err(CliError::Config(format!(
            "{} --plan for {} --model: one for each, or none",
            arguments.plans.len(),
            arguments.models.len()
        )));
    }
    let mode = forest::mode(arguments.mode.as_deref())?;
    if arguments.keys.is_some() && mode != Mode::EncryptedModel {
        return Err(CliError::Config(format!(
            "--keys: for --mode {}, where the model is encrypted; {mode} uses the keys of clients",
            Mode::EncryptedModel
        )));
    }
    let policy = match &arguments.policy {
        Some(path) => Policy::load(path).map_err(|error| CliError::Config(error.to_string()))?,
        None => Policy::default(),
    };
    let identity = Identity::load(&arguments.identity, now()).map_err(CliError::library("serve"))?;
    if !matches!(identity.subject(), Subject::Coordinator(_)) {
        return Err(CliError::Config(format!(
            "{}: the certificate of a {}; a service listens, which needs that of a coordinator (`hedgerow provision request \
             --role coordinator`)",
            arguments.identity.display(),
            identity.subject().role()
        )));
    }
    let keys = Keys::open(arguments.keys.as_deref())?;
    let mut hosts: Vec<Arc<dyn Host>> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut forests = 0;
    let sources = match arguments.encrypted_model {
        true => &arguments.plans,
        false => &arguments.models,
    };
    for (at, path) in sources.iter().enumerate() {
        let host = tokio::task::block_in_place(|| match arguments.encrypted_model {
            true => network::encrypted(path),
            false => load(arguments, mode, path, arguments.plans.get(at), &keys),
        })?;
        let offer = host.offer();
        if !policy.allows(&offer.model) {
            return Err(CliError::Config(format!(
                "{}: the policy's `models` does not name {:?}",
                path.display(),
                offer.model
            )));
        }
        if names.contains(&offer.model) {
            return Err(CliError::Config(format!(
                "two models are called {:?}: rename a file",
                offer.model
            )));
        }
        describe(&offer);
        forests += usize::from(offer.kind == KIND);
        names.push(offer.model);
        hosts.push(host);
    }
    if (arguments.mode.is_some() || !arguments.forests.is_empty()) && forests == 0 {
        return Err(CliError::Config(
            "--mode, --bins, --leaf-bits, --threshold: for forests, and no --model is one; networks are served in one way"
                .to_owned(),
        ));
    }
    let ledger = Ledger::open(policy.state.as_deref())?;
    let machine = ServerMachine::new(policy.limits.clone(), hosts, ledger.used())
        .map_err(|error| CliError::Config(policy.explain(&error)))?;
    let clients = policy.limits.clients.clone();
    let admit: Admit = Arc::new(move |subject: &Subject| match subject {
        Subject::Party(id)
            if clients
                .as_ref()
                .is_none_or(|all| all.iter().any(|one| one == id.as_str())) =>
        {
            Ok(())
        }
        other => Err(CertificateError::Other {
            expected: "a party that the policy of this service names".to_owned(),
            found: other.to_string(),
        }),
    });
    let traffic = Traffic::default();
    let transport = Transport::default();
    let listener = Listener::bind(arguments.listen, &identity, admit, &transport, traffic)
        .map_err(CliError::library("serve"))?;
    let address = listener.local_address().map_err(CliError::library("serve"))?;
    let shutdown = crate::process::shutdown(&arguments.output)?;
    info!(%address, "listening");
    crate::process::progress(&arguments.output).emit(&ProgressEvent::Listening {
        address: address.to_string(),
    });
    driver::run(machine, ledger, listener, shutdown).await
}

fn describe(offer: &Offer) {
    info!(
        model = offer.model,
        kind = offer.kind,
        rows = offer.rows,
        keys_bytes = offer.sizes.keys,
        request_bytes = offer.sizes.request,
        answer_bytes = offer.sizes.answer,
        "serving. {}",
        offer.leakage
    );
}

/// A model, compiled.
fn load(
    arguments: &Serve,
    mode: Mode,
    path: &Path,
    plan_file: Option<&PathBuf>,
    keys: &Keys,
) -> Result<Arc<dyn Host>> {
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    if let Some(model) = crate::model::forest(path)? {
        if let Some(file) = plan_file {
            return Err(CliError::Config(format!(
                "--plan {}: {} is a forest, which takes no plan",
                file.display(),
                path.display()
            )));
        }
        return Ok(Arc::new(forest::host(
            path,
            name,
            &model,
            mode,
            arguments.batch,
            &arguments.forests,
            keys.seed(),
        )?));
    }
    network::host(arguments, path, &name, plan_file)
}
