//! `hedgerow query --to` and `--local`: encrypted questions to a service.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hedgerow_crypto::hash::Digest;
use hedgerow_edge::certificate::{Subject, now};
use hedgerow_edge::identity::Identity;
use hedgerow_edge::quic::{Dialer, Traffic, Transport};
use hedgerow_inference::graph::Graph;
use hedgerow_inference::service::client::ClientOutput;
use hedgerow_inference::service::forest::{self, AskingForest};
use hedgerow_inference::service::network::encrypted::AskingEncryptedNetwork;
use hedgerow_inference::service::network::{self, AskingNetwork};
use hedgerow_inference::service::wire::{NONE, name_of};
use hedgerow_inference::service::{Asking, Meaning, Offer, Report, Rows, Scores};
use hedgerow_protocol::ids::PartyId;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::check::Check;
use super::downloads::Downloads;
use super::input::Input;
use super::keys::Keys;
use super::local::{Local, Prepared};
use super::session::Session;
use crate::args::Query;
use crate::error::{CliError, Result};
use crate::predict::quoted;

/// Rows whose scores are printed; all of them go to `--output`.
const PRINTED: usize = 20;

/// Runs the command.
///
/// # Errors
/// Files that do not read, a service that is not there or that refuses.
pub async fn run(arguments: &Query) -> Result<()> {
    let Some(source) = &arguments.input else {
        return Err(CliError::Config("query: --input is missing".to_owned()));
    };
    let input = Input::read(Path::new(source))?;
    if let Some(output) = &arguments.output
        && output.extension().is_none_or(|extension| extension != "csv")
    {
        return Err(CliError::Config(format!(
            "{}: scores of a service go to a .csv",
            output.display()
        )));
    }
    let service = &arguments.service;
    if service.model.is_some() && !arguments.local && !service.encrypted_model {
        return Err(CliError::Config(
            "query: --model is for --local, or for --encrypted-model; the service has its own".to_owned(),
        ));
    }
    let clear = match service.check.as_ref().or(service.model.as_ref()) {
        Some(path) => Some(Check::read(path)?),
        None => None,
    };
    let prepared = match &service.model {
        Some(model) => Prepared::read(model, service, arguments.local.then(|| Path::new(source)))?,
        None => Prepared::default(),
    };
    let local = match (arguments.local, &service.model) {
        (true, Some(model)) => Some(Local::start(model, service, &prepared).await?),
        _ => None,
    };
    let (folder, address) = match (&local, &arguments.to) {
        (Some(local), _) => (local.folder.path().join("client"), local.address.clone()),
        (None, Some(to)) => (service.identity.clone(), to.clone()),
        (None, None) => return Err(CliError::Config("query: --to is missing".to_owned())),
    };
    let downloads = Downloads::new(match &service.downloads {
        Some(kept) => kept.clone(),
        None => folder.join("models"),
    });
    let identity = Identity::load(&folder, now()).map_err(CliError::library("query"))?;
    if !matches!(identity.subject(), Subject::Party(_)) {
        return Err(CliError::Config(format!(
            "{}: the certificate of a {}; a client needs that of a party",
            folder.display(),
            identity.subject().role()
        )));
    }
    let expected = service
        .server
        .as_ref()
        .map(|name| PartyId::new(name).map(Subject::Coordinator));
    let dialer = Dialer {
        identity: Arc::new(identity),
        address,
        expected: expected.transpose().map_err(CliError::library("--server"))?,
        transport: Transport::default(),
        traffic: Traffic::default(),
    };
    let patience = Duration::from_secs(arguments.wait.max(1));
    let name = service.name.clone().unwrap_or_default();
    let mut keys = Keys::open(service.keys.as_deref())?;
    let mut session = Session::open(dialer, &name, patience).await?;
    let offer = match session.next().await? {
        ClientOutput::Offered(offer) => offer,
        other => return Err(CliError::Config(format!("query: no offer, but {other:?}"))),
    };
    describe(&offer);
    if let Some(clear) = &clear {
        clear.fits(&offer)?;
    }
    let mut asked = Asked::new(&offer, &mut keys, prepared.own)?;
    let (rows, said) = input.rows(asked.client.columns())?;
    for line in said {
        eprintln!("warning: {line}");
    }
    asked.download(&mut session, &downloads).await?;
    let mut answers = Vec::new();
    for part in rows.parts(usize::try_from(offer.rows).unwrap_or(usize::MAX)) {
        answers.extend(asked.ask(&mut session, &part).await?);
    }
    let bytes = session.bytes;
    session.close().await;
    if let Some(local) = local {
        local.stop().await;
    }
    if let Some(output) = &arguments.output {
        std::fs::write(output, table(&answers)).map_err(CliError::file(output, "writing"))?;
    }
    print(&answers);
    if let Some(clear) = &clear {
        clear.compare(&offer, &rows, &answers, &service.forests)?;
    }
    asked.print(bytes);
    Ok(())
}

fn describe(offer: &Offer) {
    let sizes = offer.sizes;
    println!(
        "model {:?}, {} ({}): {}",
        offer.model, offer.kind, offer.mode, offer.leakage
    );
    println!(
        "a request carries {} rows in {}, an answer takes {}, evaluation keys{} {} once",
        offer.rows,
        size(sizes.request),
        size(sizes.answer),
        match offer.kind.as_str() {
            network::encrypted::KIND => " and encrypted model",
            _ => "",
        },
        size(sizes.keys)
    );
}

/// One row's numbers, what they mean, and what the model decides.
pub struct Answer {
    /// Numbers.
    pub values: Vec<f64>,
    /// What they are.
    pub meaning: Meaning,
    /// The class, where the model names one.
    pub label: Option<String>,
}

impl Answer {
    fn class(&self) -> Option<String> {
        match self.meaning {
            Meaning::Logits => top(&self.values).map(|class| class.to_string()),
            _ => self.label.clone(),
        }
    }
}

/// The position of the largest.
pub fn top(values: &[f64]) -> Option<usize> {
    let largest = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    largest.map(|(at, _)| at)
}

/// What was asked, and what it took.
struct Asked<'a> {
    client: Box<dyn Asking>,
    keys: &'a mut Keys,
    offer: Digest,
    name: Digest,
    made: Option<Vec<u8>>,
    uploaded: u64,
    making: Duration,
    requests: u32,
    request_bytes: u64,
    encrypting: Duration,
    opening: Duration,
    round_trips: Duration,
    last: Report,
}

impl<'a> Asked<'a> {
    fn new(offer: &Offer, keys: &'a mut Keys, own: Option<Graph>) -> Result<Self> {
        let failed = CliError::library("query");
        let client: Box<dyn Asking> = match (offer.kind.as_str(), own) {
            (network::encrypted::KIND, Some(own)) => {
                Box::new(AskingEncryptedNetwork::new(offer, keys.seed(), own).map_err(failed)?)
            }
            (network::encrypted::KIND, None) => {
                return Err(CliError::Config(
                    "query: the service evaluates encrypted networks of their owners: --encrypted-model --model YOURS.onnx"
                        .to_owned(),
                ));
            }
            (_, Some(_)) => {
                return Err(CliError::Config(format!(
                    "query: --encrypted-model, and the service offers its own {}",
                    offer.kind
                )));
            }
            (network::KIND, None) => Box::new(AskingNetwork::new(offer, keys.seed()).map_err(failed)?),
            (forest::KIND, None) => Box::new(AskingForest::new(offer, keys.seed()).map_err(failed)?),
            (other, None) => {
                return Err(CliError::Config(format!(
                    "query: the service offers a model of kind {other:?}, which this version cannot ask"
                )));
            }
        };
        let digest = client.name(offer.digest());
        let mut asked = Self {
            client,
            name: keys.name(&digest).unwrap_or(NONE),
            keys,
            offer: digest,
            made: None,
            uploaded: 0,
            making: Duration::ZERO,
            requests: 0,
            request_bytes: 0,
            encrypting: Duration::ZERO,
            opening: Duration::ZERO,
            round_trips: Duration::ZERO,
            last: Report::default(),
        };
        if offer.sizes.keys > 0 && asked.name == NONE {
            let bytes = asked.make()?;
            asked.name = name_of(&bytes);
            asked.made = Some(bytes);
            asked.keys.remember(digest, asked.name)?;
        }
        Ok(asked)
    }

    fn make(&mut self) -> Result<Vec<u8>> {
        let began = Instant::now();
        let bytes = tokio::task::block_in_place(|| self.client.keys()).map_err(CliError::library("query"))?;
        self.making += began.elapsed();
        Ok(bytes)
    }

    /// What the mode needs once before the first question: an encrypted model.
    async fn download(&mut self, session: &mut Session, downloads: &Downloads) -> Result<()> {
        let Some((blob, bytes)) = self.client.download() else {
            return Ok(());
        };
        if let Some(kept) = tokio::task::block_in_place(|| downloads.read(&blob, bytes)) {
            match tokio::task::block_in_place(|| self.client.take(kept)) {
                Ok(()) => return Ok(()),
                Err(error) => eprintln!("warning: {}: {error}", downloads.path(&blob).display()),
            }
        }
        println!("downloading {}, once", size(bytes));
        let (machine, at) = session.machine();
        machine.download(blob, bytes, at);
        loop {
            if let ClientOutput::Downloaded(bytes) = session.next().await? {
                tokio::task::block_in_place(|| downloads.keep(&blob, &bytes));
                let taken = tokio::task::block_in_place(|| self.client.take(bytes));
                return taken.map_err(CliError::library("query"));
            }
        }
    }

    async fn ask(&mut self, session: &mut Session, rows: &Rows) -> Result<Vec<Answer>> {
        let began = Instant::now();
        let request = tokio::task::block_in_place(|| self.client.request(rows, &mut UnwrapErr(SysRng)))
            .map_err(CliError::library("query"))?;
        self.encrypting += began.elapsed();
        self.request_bytes = request.len() as u64;
        let began = Instant::now();
        let (machine, at) = session.machine();
        machine.ask(self.name, request, at);
        let report = loop {
            match session.next().await? {
                ClientOutput::WantKeys => {
                    let bytes = match self.made.take() {
                        Some(bytes) => bytes,
                        None => self.make()?,
                    };
                    if name_of(&bytes) != self.name {
                        return Err(CliError::Config(
                            "query: --keys names other keys than its secret makes: remove the line of offer "
                                .to_owned()
                                + &self.offer.to_string(),
                        ));
                    }
                    self.uploaded += bytes.len() as u64;
                    let (machine, at) = session.machine();
                    machine.keys(bytes, at);
                }
                ClientOutput::Answered(report) => break report,
                _ => {}
            }
        };
        self.round_trips += began.elapsed();
        self.requests += 1;
        let began = Instant::now();
        let scores: Scores = tokio::task::block_in_place(|| self.client.open(&report.answer))
            .map_err(CliError::library("query"))?;
        self.opening += began.elapsed();
        self.last = report;
        let rows = scores.iter().enumerate().map(|(at, values)| Answer {
            values: values.to_vec(),
            meaning: scores.meaning,
            label: scores.classes.get(at).cloned(),
        });
        Ok(rows.collect())
    }

    /// Where time and bytes went.
    fn print(&self, (up, down): (u64, u64)) {
        let total: u64 = self.last.layers.iter().map(|layer| layer.us).sum();
        println!(
            "server, last request: {} computing, {} waiting",
            us(total),
            us(self.last.queued_us)
        );
        for layer in &self.last.layers {
            println!("  {:<24} {}", layer.name, us(layer.us));
        }
        println!(
            "client: keys {:.3} s, encrypting {:.3} s, opening {:.3} s; {} requests took {:.3} s",
            self.making.as_secs_f64(),
            self.encrypting.as_secs_f64(),
            self.opening.as_secs_f64(),
            self.requests,
            self.round_trips.as_secs_f64()
        );
        let keys = match self.uploaded {
            0 => "the server had the keys".to_owned(),
            bytes => format!("keys {}", size(bytes)),
        };
        println!(
            "up {} ({keys}; each request {}), down {} (each answer {})",
            size(up),
            size(self.request_bytes),
            size(down),
            size(self.last.answer.len() as u64)
        );
    }
}

fn us(us: u64) -> String {
    format!("{:.2} ms", us as f64 / 1e3)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn numbers(values: &[f64]) -> String {
    values
        .iter()
        .map(|value| format!("{value:.4}"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn print(answers: &[Answer]) {
    for (at, answer) in answers.iter().take(PRINTED).enumerate() {
        match answer.class() {
            // A server's words, on somebody's terminal.
            Some(class) => println!(
                "row {}: class {} ({})",
                at + 1,
                class.escape_debug(),
                numbers(&answer.values)
            ),
            None => println!("row {}: {}", at + 1, numbers(&answer.values)),
        }
    }
    if answers.len() > PRINTED {
        println!("... and {} rows more", answers.len() - PRINTED);
    }
}

fn table(answers: &[Answer]) -> String {
    let width = answers.first().map_or(0, |answer| answer.values.len());
    let classes = answers.iter().any(|answer| answer.class().is_some());
    let mut text = "row".to_owned();
    for column in 0..width {
        let _ = write!(text, ",score_{column}");
    }
    text.push_str(if classes { ",class\n" } else { "\n" });
    for (at, answer) in answers.iter().enumerate() {
        let _ = write!(text, "{}", at + 1);
        for value in &answer.values {
            let _ = write!(text, ",{value}");
        }
        if let Some(class) = answer.class() {
            let _ = write!(text, ",{}", quoted(&class));
        }
        text.push('\n');
    }
    text
}
