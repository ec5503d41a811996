//! The sample files of `examples/deploy`, used as their comments say, and what goes wrong with certificates.

use crate::support::{Said, World, command, hedgerow, until, wait};
use hedgerow_edge::certificate::Subject;
use hedgerow_edge::provision::{self, Review, Validity};
use hedgerow_protocol::ids::PartyId;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

const PARTIES: [&str; 4] = ["bank-a", "bank-b", "bank-c", "bank-d"];

/// The sample files with the addresses of this machine, rows, and no identities yet.
fn sample(port: u16) -> World {
    let world = World::new(2);
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../examples/deploy")
            .join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    for name in ["consortium.toml", "schema.toml"] {
        world.write(name, &read(name));
    }
    world.write(
        "coordinator.toml",
        &changed(
            &read("coordinator.toml"),
            "0.0.0.0:7447",
            &format!("127.0.0.1:{port}"),
        ),
    );
    for (number, party) in PARTIES.iter().enumerate() {
        let mut file = changed(&read("party.toml"), "bank-a", party);
        file = changed(&file, "coordinator.example:7447", &format!("127.0.0.1:{port}"));
        world.write(&format!("{party}/party.toml"), &file);
        world.write(&format!("{party}/policy.toml"), &read("policy.toml"));
        world.write(&format!("{party}/schema.toml"), &read("schema.toml"));
        world.write(&format!("{party}/payments.csv"), &payments(number));
    }
    world
}

fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in the sample");
    text.replace(from, to)
}

fn payments(party: usize) -> String {
    let mut text = String::from("amount,hour,channel,fraud\n");
    for row in 0..200 {
        let mix = (row * 7919 + party * 104_729) % 9973;
        let channel = ["app", "branch", "phone", "web"][mix % 4];
        let fraud = u8::from(mix % 4 == 3 && mix % 24 < 6 || mix.is_multiple_of(17));
        text += &format!("{},{},{channel},{fraud}\n", mix, mix % 24);
    }
    text
}

/// The five commands of `examples/deploy/README.md`.
fn provision(world: &World) {
    let run = |arguments: &[&str]| hedgerow(&[&["provision"], arguments].concat()).succeeds();
    run(&["ca", "--name", "payments consortium", "--out", &world.text("ca")]);
    let members = PARTIES.map(|party| (party, "party", format!("{party}/identity")));
    for (id, role, home) in members
        .into_iter()
        .chain([("coordinator", "coordinator", "identity".to_owned())])
    {
        let home = world.text(&home);
        let asked = run(&["request", "--role", role, "--id", id, "--out", &home]);
        let certificate = format!("{home}/signed.pem");
        let request = format!("{home}/request.pem");
        let signed = run(&[
            "sign",
            "--ca",
            &world.text("ca"),
            "--request",
            &request,
            "--id",
            id,
            "--out",
            &certificate,
        ]);
        let identity = asked.out.lines().last().unwrap().trim();
        assert!(
            signed.out.contains(identity),
            "both sides print one identity:\n{}\n{}",
            asked.out,
            signed.out
        );
        run(&[
            "install",
            "--identity",
            &home,
            "--certificate",
            &certificate,
            "--ca",
            &world.text("ca/ca.pem"),
        ]);
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A coordinator that has said where it listens; killed when dropped.
struct Coordinator(Option<Child>);

impl Coordinator {
    fn start(world: &World) -> Self {
        let log = std::fs::File::create(world.path("coordinator.out")).unwrap();
        let child = command(&[
            "coordinator",
            "--config",
            &world.text("coordinator.toml"),
            "--progress",
            "json",
        ])
        .stdout(log)
        .spawn()
        .unwrap();
        let this = Self(Some(child));
        until("the coordinator listens", || {
            world.read("coordinator.out").contains("listening")
        });
        this
    }

    fn wait(mut self) -> Said {
        wait(self.0.take().unwrap())
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn party(world: &World, id: &str) -> Child {
    command(&["party", "--config", &world.text(&format!("{id}/party.toml"))])
        .spawn()
        .unwrap()
}

#[test]
fn the_sample_deployment_runs_as_its_readme_says() {
    let world = sample(free_port());
    provision(&world);
    let coordinator = Coordinator::start(&world);
    let check = ["party", "check", "--config", &world.text("bank-c/party.toml")];
    let said = hedgerow(&check).succeeds();
    assert!(!said.out.contains("WRONG"), "{}", said.out);
    let parties = PARTIES.map(|id| party(&world, id));
    for child in parties {
        wait(child).succeeds();
    }
    coordinator.wait().succeeds();
    let model = world.read("out/model.json");
    for id in PARTIES {
        assert_eq!(
            world.read(&format!("{id}/state/model.json")),
            model,
            "every party has the model"
        );
        let ledger = hedgerow(&["ledger", "show", "--state", &world.text(&format!("{id}/state"))]).succeeds();
        assert!(
            ledger.out.contains("epsilon 0.9") || ledger.out.contains("epsilon 1.0"),
            "{}",
            ledger.out
        );
    }
    hedgerow(&["inspect", &world.text("out/model.json")]).succeeds();
}

#[test]
fn check_finds_everything_that_is_wrong_before_a_run() {
    let world = sample(free_port());
    provision(&world);
    world.write("bank-a/payments.csv", "amount,hour,fraud\n1,2,0\n");
    let said = hedgerow(&["party", "check", "--config", &world.text("bank-a/party.toml")]);
    assert_eq!(said.status, Some(1));
    let wrong: Vec<&str> = said
        .out
        .lines()
        .filter(|line| line.starts_with("WRONG"))
        .collect();
    assert!(wrong.iter().any(|line| line.contains("channel")), "{}", said.out);
    assert!(
        wrong.iter().any(|line| line.contains("coordinator")),
        "nobody listens: {}",
        said.out
    );
}

#[test]
fn a_policy_refuses_with_a_reason() {
    let world = sample(free_port());
    provision(&world);
    let policy = changed(
        &world.read("bank-b/policy.toml"),
        "max_epsilon = 1.0",
        "max_epsilon = 0.5",
    );
    world.write("bank-b/policy.toml", &policy);
    let coordinator = Coordinator::start(&world);
    let others: Vec<Child> = ["bank-a", "bank-c", "bank-d"]
        .iter()
        .map(|id| party(&world, id))
        .collect();
    wait(party(&world, "bank-b")).fails_with(&["epsilon = 1", "0.5", "max_epsilon"]);
    // Three are enough for this consortium.
    for other in others {
        wait(other).succeeds();
    }
    coordinator.wait().succeeds();
}

#[test]
fn too_few_parties_end_the_run_and_are_named() {
    let world = sample(free_port());
    provision(&world);
    let coordinator = changed(&world.read("coordinator.toml"), "enrol_s = 3600", "enrol_s = 3");
    world.write("coordinator.toml", &coordinator);
    let coordinator = Coordinator::start(&world);
    let parties = ["bank-a", "bank-c"].map(|id| party(&world, id));
    coordinator
        .wait()
        .fails_with(&["2 of at least 3", "bank-b", "bank-d"]);
    for party in parties {
        wait(party).fails_with(&["bank-b", "bank-d"]);
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let world = sample(port);
    provision(&world);
    hedgerow(&["coordinator", "--config", &world.text("coordinator.toml")]).fails_with(&[
        &port.to_string(),
        "in use",
        "`listen`",
    ]);
}

#[test]
fn a_certificate_of_another_consortium_is_refused() {
    let (world, foreign) = (sample(free_port()), sample(free_port()));
    provision(&world);
    provision(&foreign);
    let _coordinator = Coordinator::start(&world);
    for name in ["key.pem", "cert.pem", "ca.pem"] {
        std::fs::copy(
            foreign.path("bank-a/identity").join(name),
            world.path("bank-a/identity").join(name),
        )
        .unwrap();
    }
    let said = hedgerow(&["party", "check", "--config", &world.text("bank-a/party.toml")]);
    assert_eq!(said.status, Some(1), "{}", said.out);
    let line = said
        .out
        .lines()
        .find(|line| line.starts_with("WRONG   coordinator"))
        .unwrap();
    assert!(line.contains("consortium"), "{line}");
    // Its own folder is what is wrong if only the certificate was taken from elsewhere.
    std::fs::copy(world.path("ca/ca.pem"), world.path("bank-a/identity/ca.pem")).unwrap();
    hedgerow(&["party", "--config", &world.text("bank-a/party.toml")])
        .fails_with(&["cert.pem", "consortium"]);
}

#[test]
fn an_expired_certificate_is_refused() {
    let world = sample(free_port());
    provision(&world);
    let hours = |hours: u64| SystemTime::now() - Duration::from_secs(3600 * hours);
    let home = world.path("bank-a/identity");
    std::fs::remove_dir_all(&home).unwrap();
    provision::request(&home, &Subject::Party(PartyId::new("bank-a").unwrap())).unwrap();
    let review = Review::read(&home.join("request.pem")).unwrap();
    provision::sign(
        &world.path("ca"),
        &review,
        Validity::between(hours(48), hours(24)),
        &home.join("cert.pem"),
    )
    .unwrap();
    std::fs::copy(world.path("ca/ca.pem"), home.join("ca.pem")).unwrap();
    hedgerow(&["party", "--config", &world.text("bank-a/party.toml")]).fails_with(&["cert.pem", "expired"]);
    let install = hedgerow(&[
        "provision",
        "install",
        "--identity",
        &home.display().to_string(),
        "--certificate",
        &home.join("cert.pem").display().to_string(),
        "--ca",
        &world.text("ca/ca.pem"),
    ]);
    install.fails_with(&["expired"]);
}

#[test]
fn the_authority_signs_for_nobody_else() {
    let world = sample(free_port());
    provision(&world);
    let home = world.text("mallory");
    hedgerow(&["provision", "request", "--id", "bank-a", "--out", &home]).succeeds();
    let request = format!("{home}/request.pem");
    let out = world.text("cert.pem");
    hedgerow(&[
        "provision",
        "sign",
        "--ca",
        &world.text("ca"),
        "--request",
        &request,
        "--id",
        "bank-z",
        "--out",
        &out,
    ])
    .fails_with(&["bank-a", "bank-z", "nothing was signed"]);
    assert!(!world.path("cert.pem").exists());
    hedgerow(&["provision", "request", "--id", "bank-a", "--out", &home]).fails_with(&["key.pem", "exists"]);
    hedgerow(&["provision", "request", "--id", "no blanks", "--out", &home]).fails_with(&["no blanks"]);
}

#[test]
fn one_certificate_is_not_anothers() {
    let world = sample(free_port());
    provision(&world);
    for name in ["key.pem", "cert.pem"] {
        std::fs::copy(
            world.path("bank-b/identity").join(name),
            world.path("bank-a/identity").join(name),
        )
        .unwrap();
    }
    hedgerow(&["party", "--config", &world.text("bank-a/party.toml")]).fails_with(&["bank-a", "bank-b"]);
}

#[test]
fn the_sample_unit_and_container_start_programs_that_exist() {
    let read = |name: &str| {
        std::fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../examples/deploy")
                .join(name),
        )
        .unwrap()
    };
    let unit = read("hedgerow-party.service");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    assert_eq!(
        start,
        "/usr/local/bin/hedgerow-party --config /etc/hedgerow/party.toml"
    );
    let before = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStartPre=/usr/local/bin/hedgerow "))
        .unwrap();
    // The command line is understood; only the file is not there.
    let arguments: Vec<&str> = before.split(' ').collect();
    let said = wait(command(&arguments).stdin(Stdio::null()).spawn().unwrap());
    assert_eq!(said.status, Some(1), "{}", said.err);
    assert!(said.out.contains("/etc/hedgerow/party.toml"), "{}", said.out);
    assert!(read("Containerfile").contains("cargo build --release --locked -p hedgerow-cli"));
}
