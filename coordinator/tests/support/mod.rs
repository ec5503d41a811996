//! A consortium in a folder, and parties that count nothing but answer like real ones.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hedgerow_coordinator::{CoordinatorError, Ending};
use hedgerow_crypto::seed::Seed;
use hedgerow_dp::{Accountant, NoDifferentialPrivacy};
use hedgerow_edge::certificate::{Subject, now};
use hedgerow_edge::drive::{Clock, Shutdown};
use hedgerow_edge::identity::Identity;
use hedgerow_edge::progress::{Progress, ProgressEvent};
use hedgerow_edge::provision::{self, Validity};
use hedgerow_edge::quic::{Dialer, Link, LinkEvent, Traffic, Transport};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::table::Table;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::ids::{PartyId, RoundId};
use hedgerow_protocol::party::{LedgerState, Output, PartyMachine, PartySetup};
use hedgerow_protocol::policy::Policy;
use hedgerow_protocol::wire::{Limits, ToCoordinator, ToParty};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use tokio::sync::mpsc;

pub const PARTIES: [&str; 4] = ["a", "b", "c", "d"];

const SCHEMA: &str = "[[feature]]\nname = \"age\"\ntype = \"numeric\"\nmin = 17\nmax = 90\n\n\
                      [label]\nname = \"income\"\npositive = \"1\"\n";

/// The files of a deployment.
pub struct Deployment {
    pub folder: tempfile::TempDir,
    /// Where the coordinator listens now: the kernel keeps an old port of this very process for a while.
    pub address: Arc<Mutex<String>>,
    /// By the party's key.
    journals: Mutex<BTreeMap<String, Arc<Mutex<Kept>>>>,
}

/// What a party has written down; it outlives the party's task.
#[derive(Default)]
struct Kept {
    records: Vec<Vec<u8>>,
    secret: Option<(RoundId, Seed)>,
}

impl Deployment {
    pub fn new(name: &str, min_parties: u32) -> Self {
        let deployment = Self {
            folder: tempfile::tempdir().unwrap(),
            address: Arc::default(),
            journals: Mutex::default(),
        };
        let parties = PARTIES.map(|id| PartyId::new(id).unwrap());
        let subjects = provision::subjects(&PartyId::new("hub").unwrap(), &parties);
        let identities = deployment.path("identities");
        provision::all_in_one(&identities, name, &subjects, Validity::days(2).unwrap()).unwrap();
        std::fs::write(deployment.path("schema.toml"), SCHEMA).unwrap();
        deployment.write_consortium(min_parties, 3);
        deployment.listen("127.0.0.1:0");
        deployment
    }

    pub fn write_consortium(&self, min_parties: u32, trees: u32) {
        let text = format!(
            "parties = [\"a\", \"b\", \"c\", \"d\"]\nschema = \"schema.toml\"\n\n[task]\nname = \"t\"\n\
             label = \"income\"\npositive = \"1\"\n\n[data]\npartition = \"horizontal\"\n\n[forest]\ntrees = {trees}\n\
             depth = 2\nbins = 8\ngrowth = \"random\"\n\n[privacy]\nepsilon = \"none\"\n\n[run]\nmin_parties = {min_parties}\n"
        );
        std::fs::write(self.path("consortium.toml"), text).unwrap();
    }

    pub fn listen(&self, address: &str) {
        let text = format!(
            "listen = \"{address}\"\nconsortium = \"consortium.toml\"\nidentity = \"identities/hub\"\n\
             state = \"state\"\nout = \"out\"\n\n[timeouts]\nenrol_s = 20\nphase_s = 20\ngrace_s = 2\nresend_s = 1\n"
        );
        std::fs::write(self.path("coordinator.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn identity(&self, id: &str) -> Arc<Identity> {
        Arc::new(Identity::load(&self.path("identities").join(id), now()).unwrap())
    }

    /// Starts a coordinator and gives its address once it listens. Parties that look for one find it there.
    pub async fn start(&self) -> (Coordinator, String) {
        let (lines, mut heard) = mpsc::unbounded_channel();
        let shutdown = Shutdown::new();
        let (path, asked) = (self.path("coordinator.toml"), shutdown.clone());
        let progress = Progress::to(Lines(lines, Vec::new()));
        let task = tokio::spawn(async move { hedgerow_coordinator::run(&path, progress, asked).await });
        let address = match heard.recv().await {
            Some(ProgressEvent::Listening { address }) => address,
            other => panic!("expected to hear of an address, not {other:?}"),
        };
        *self.address.lock().unwrap() = address.clone();
        (
            Coordinator {
                task,
                shutdown,
                heard,
            },
            address,
        )
    }

    /// A party that dials this deployment's coordinator, wherever it listens by then.
    pub fn party(&self, id: &str) -> tokio::task::JoinHandle<String> {
        tokio::spawn(self.new_party(id, Arc::clone(&self.address)).run())
    }

    /// The same, dialling another deployment's coordinator.
    pub fn party_at(&self, id: &str, other: &Self) -> tokio::task::JoinHandle<String> {
        tokio::spawn(self.new_party(id, Arc::clone(&other.address)).run())
    }

    /// A party whose process ends when it has the model, before it says so.
    pub fn party_without_last_word(&self, id: &str) -> tokio::task::JoinHandle<String> {
        let party = self.new_party(id, Arc::clone(&self.address));
        tokio::spawn(
            Party {
                last_word: false,
                ..party
            }
            .run(),
        )
    }

    fn new_party(&self, id: &str, address: Arc<Mutex<String>>) -> Party {
        let identity = self.identity(id);
        let key = identity.signing().verifying().to_string();
        Party {
            id: PartyId::new(id).unwrap(),
            identity,
            address,
            kept: Arc::clone(self.journals.lock().unwrap().entry(key).or_default()),
            weight: 1 + PARTIES.iter().position(|party| *party == id).unwrap() as i64,
            last_word: true,
        }
    }
}

pub struct Coordinator {
    pub task: tokio::task::JoinHandle<Result<Ending, CoordinatorError>>,
    pub shutdown: Shutdown,
    pub heard: mpsc::UnboundedReceiver<ProgressEvent>,
}

/// Progress lines as events.
struct Lines(mpsc::UnboundedSender<ProgressEvent>, Vec<u8>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1.extend_from_slice(bytes);
        while let Some(end) = self.1.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.1.drain(..=end).collect();
            let _ = self.0.send(serde_json::from_slice(&line)?);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every cell of a party's table is its weight, so that totals say whose data they hold.
pub fn table(query: &TableQuery, weight: i64) -> Table {
    let mut table = Table::zeros(query.shape());
    table.cells_mut().fill(weight);
    table
}

struct Party {
    id: PartyId,
    identity: Arc<Identity>,
    address: Arc<Mutex<String>>,
    kept: Arc<Mutex<Kept>>,
    weight: i64,
    last_word: bool,
}

/// The sum that the weights give, by survivors.
pub fn total(survivors: &[PartyId]) -> i64 {
    survivors
        .iter()
        .map(|id| 1 + PARTIES.iter().position(|party| *party == id.as_str()).unwrap() as i64)
        .sum()
}

impl Party {
    /// Until the coordinator has confirmed the model; gives the model's file, or why there is none.
    async fn run(self) -> String {
        let setup = PartySetup {
            party: self.id.clone(),
            identity: self.identity.signing().clone(),
            certificate: self.identity.certificate().to_vec(),
            policy: Policy {
                require_noise: false,
                min_parties: 2,
                min_collusion: 1,
                ..Policy::default()
            },
            ledger: LedgerState::new(
                Accountant::unlimited(NoDifferentialPrivacy::chosen_by_configuration()),
                [],
            ),
            verifier: Arc::new(self.identity.consortium().clone()),
        };
        let mut dialer = Dialer {
            identity: Arc::clone(&self.identity),
            address: String::new(),
            expected: Some(Subject::Coordinator(PartyId::new("hub").unwrap())),
            transport: Transport {
                connect_s: Some(1),
                ..Transport::default()
            },
            traffic: Traffic::default(),
        };
        let (mut machine, clock) = (self.restore(setup), Clock::start());
        let mut model = None;
        loop {
            dialer.address = self.address.lock().unwrap().clone();
            let connection = match dialer.dial().await {
                Ok(connection) => connection,
                Err(error) if error.is_final() => return error.to_string(),
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (events, mut inbox) = mpsc::channel(16);
            let link =
                Link::<ToCoordinator>::start::<ToParty, _>(connection, Limits::control(), events, |event| {
                    event
                });
            machine.handle_connected(clock.now());
            loop {
                if let Some(end) = self.perform(&mut machine, &link, &mut model, &clock) {
                    link.finish().await;
                    return end;
                }
                match tokio::time::timeout(Duration::from_millis(100), inbox.recv()).await {
                    Err(_) => machine.handle_timeout(clock.now()),
                    Ok(Some(LinkEvent::Message(message))) => {
                        if let ToParty::Welcome { config, .. } = &message {
                            link.set_limits(Limits::for_run(&RunConfig::from_bytes(config).unwrap()));
                        }
                        machine.handle_message(message, clock.now(), &mut UnwrapErr(SysRng));
                    }
                    Ok(Some(LinkEvent::Closed(_)) | None) => break,
                }
            }
            machine.handle_disconnected();
        }
    }

    fn restore(&self, setup: PartySetup) -> PartyMachine {
        let kept = self.kept.lock().unwrap();
        PartyMachine::restore(setup, &kept.records, kept.secret.clone(), None).unwrap()
    }

    fn perform(
        &self,
        machine: &mut PartyMachine,
        link: &Link<ToCoordinator>,
        model: &mut Option<String>,
        clock: &Clock,
    ) -> Option<String> {
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send(message) => {
                    link.send(message);
                }
                Output::Count(round, query) => {
                    machine.handle_table(round, Ok(table(&query, self.weight)), clock.now());
                }
                Output::Finished(outcome) => {
                    *model = Some(outcome.forest.to_json().unwrap());
                    if !self.last_word {
                        return model.take();
                    }
                    machine.handle_metrics(None);
                }
                Output::Confirmed => return Some(model.take().unwrap_or_default()),
                Output::Refused(refusal) => return Some(refusal.to_string()),
                Output::Failed(reason) => return Some(reason),
                Output::Persist(record) => self.kept.lock().unwrap().records.push(record),
                Output::StoreRoundSecret(round, seed) => {
                    self.kept.lock().unwrap().secret = Some((round, seed))
                }
                Output::ForgetRoundSecret(_) => self.kept.lock().unwrap().secret = None,
                Output::Charge(_) | Output::ChargeOverlap(_) | Output::Progress(_) => {}
                Output::StoreRunSecret(..)
                | Output::Work(..)
                | Output::Scored(..)
                | Output::NotScored(..) => {
                    panic!("of joined runs, which these parties have not")
                }
            }
        }
        None
    }
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
