//! `hedgerow serve` and `hedgerow query` of a service, in processes of their own.

use crate::support::{Said, World, command, hedgerow, until};
use hedgerow_edge::certificate::now;
use hedgerow_edge::identity::Identity;
use hedgerow_edge::quic::{Dialer, Traffic, Transport};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;

const NETWORK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/networks/mlp.onnx");
const IMAGES: &[u8] = include_bytes!("../../../examples/data/networks/mnist-100.bin");

/// The first images as numpy would write them, `f4` between 0 and 1.
fn images(world: &World, name: &str, count: usize) -> Vec<usize> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, 28, 28), }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16 + 1).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.push(b'\n');
    let mut digits = Vec::new();
    for image in IMAGES.chunks_exact(785).take(count) {
        digits.push(usize::from(image[0]));
        bytes.extend(
            image[1..]
                .iter()
                .flat_map(|pixel| (f32::from(*pixel) / 255.0).to_le_bytes()),
        );
    }
    std::fs::write(world.path(name), bytes).unwrap();
    digits
}

struct Served {
    child: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A world with identities of a server and clients.
fn world() -> World {
    let world = World::empty();
    let out = world.text("ids");
    hedgerow(&[
        "provision",
        "all-in-one",
        "--party",
        "bank",
        "--party",
        "shop",
        "--coordinator",
        "server",
        "--out",
        &out,
    ])
    .succeeds();
    world
}

fn serve(world: &World, more: &[&str]) -> Served {
    let identity = world.text("ids/server");
    let mut arguments = vec![
        "serve",
        "--model",
        NETWORK,
        "--identity",
        &identity,
        "--listen",
        "127.0.0.1:0",
        "--progress",
        "json",
    ];
    arguments.extend(more);
    let log = std::fs::File::create(world.path("server.log")).unwrap();
    let mut child = command(&arguments)
        .env("HEDGEROW_LOG", "info")
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let event: serde_json::Value =
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}\n{}", world.read("server.log")));
    let address = event["address"].as_str().unwrap().to_owned();
    Served { child, address }
}

fn ask(world: &World, served: &Served, client: &str, more: &[&str]) -> Said {
    let (identity, input) = (world.text(&format!("ids/{client}")), world.text("images.npy"));
    let mut arguments = vec![
        "query",
        "--to",
        &served.address,
        "--identity",
        &identity,
        "--input",
        &input,
    ];
    arguments.extend(more);
    hedgerow(&arguments)
}

#[test]
fn local_starts_a_server_and_opens_what_it_answers() {
    let world = World::empty();
    let digits = images(&world, "images.npy", 3);
    let (input, output) = (world.text("images.npy"), world.text("scores.csv"));
    let said = hedgerow(&[
        "query", "--local", "--model", NETWORK, "--input", &input, "--output", &output,
    ])
    .succeeds();
    for part in [
        "3 of 3 decisions the same",
        "largest difference 2^-",
        "computing",
        "keys ",
        "each request",
    ] {
        assert!(said.out.contains(part), "{part:?} in\n{}", said.out);
    }
    let scores = world.read("scores.csv");
    let classes: Vec<usize> = scores
        .lines()
        .skip(1)
        .map(|line| line.rsplit(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(classes, digits);
}

#[test]
fn keys_are_sent_once_limits_hold_and_clients_that_vanish_do_no_harm() {
    let world = world();
    images(&world, "images.npy", 1);
    world.write(
        "policy.toml",
        "clients = [\"bank\"]\nstate = \"state\"\n[quota]\nbudget = 3\n[limits]\nidle_s = 60\n",
    );
    let policy = world.text("policy.toml");
    let served = serve(&world, &["--policy", &policy]);
    let keys = world.text("bank.keys");

    // Somebody whom the policy does not name does not get in.
    ask(&world, &served, "shop", &[]).fails_with(&[&served.address]);
    until("the log says who was not let in", || {
        world
            .read("server.log")
            .contains("a party that the policy of this service names")
    });
    // Garbage, and a connection that ends in the middle of an upload.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let identity = Arc::new(Identity::load(&world.path("ids/bank"), now()).unwrap());
        let dialer = Dialer {
            identity,
            address: served.address.clone(),
            expected: None,
            transport: Transport::default(),
            traffic: Traffic::default(),
        };
        let (mut sender, mut receiver) = dialer.dial().await.unwrap().bytes();
        sender.send(vec![b'x'; 4096].into()).await.unwrap();
        let error = loop {
            match receiver.receive().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("closed without a reason"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            error.contains("bank") && error.contains("not the service"),
            "{error}"
        );
        for _ in 0..20 {
            use hedgerow_inference::service::wire::Message;
            let (mut sender, _receiver) = dialer.dial().await.unwrap().bytes();
            let hello = Message::Hello { model: String::new() };
            sender.send(hello.encode().into()).await.unwrap();
        }
    });
    until("the server says who sent garbage", || {
        world.read("server.log").contains("bank: not the service")
    });

    let first = ask(&world, &served, "bank", &["--keys", &keys, "--check", NETWORK]).succeeds();
    assert!(
        first.out.contains("(keys ") && first.out.contains("1 of 1 decisions the same"),
        "{}",
        first.out
    );
    let second = ask(&world, &served, "bank", &["--keys", &keys]).succeeds();
    assert!(second.out.contains("the server had the keys"), "{}", second.out);
    drop(served);

    // Another process, the same budget; it has forgotten the keys.
    let served = serve(&world, &["--policy", &policy]);
    let third = ask(&world, &served, "bank", &["--keys", &keys]).succeeds();
    assert!(third.out.contains("(keys "), "{}", third.out);
    ask(&world, &served, "bank", &["--keys", &keys]).fails_with(&["the budget is spent: 3 of 3 rows"]);
}

#[test]
fn what_cannot_be_served_or_asked_says_why() {
    let world = world();
    images(&world, "images.npy", 1);
    let (identity, input) = (world.text("ids/bank"), world.text("images.npy"));
    hedgerow(&["serve", "--model", NETWORK, "--identity", &identity])
        .fails_with(&["certificate of a party", "--role coordinator"]);
    let server = world.text("ids/server");
    world.write("policy.toml", "[limits]\nkeys_mib = 1\ncached_keys = 3\n");
    let policy = world.text("policy.toml");
    let refuse = |more: &[&str], parts: &[&str]| {
        let mut arguments = vec![
            "serve",
            "--model",
            NETWORK,
            "--identity",
            &server,
            "--listen",
            "127.0.0.1:0",
        ];
        arguments.extend(more);
        hedgerow(&arguments).fails_with(parts);
    };
    refuse(&["--policy", &policy], &["policy.toml:3", "cached_keys_mib"]);
    world.write("policy.toml", "[limits]\nkeys_mib = 1\n");
    refuse(
        &["--policy", &policy],
        &["policy.toml:2", "limits.keys_mib", "its evaluation keys"],
    );
    world.write("plan.json", "{}");
    let plan = world.text("plan.json");
    hedgerow(&[
        "serve",
        "--plan",
        &plan,
        "--encrypted-model",
        "--identity",
        &server,
    ])
    .fails_with(&["plan.json", "missing field"]);
    refuse(&["--plan", &plan], &["plan.json", "missing field"]);
    world.write("model.json", "{}");
    let to = [
        "query",
        "--to",
        "127.0.0.1:9",
        "--identity",
        &server,
        "--input",
        &input,
    ];
    hedgerow(&to).fails_with(&["certificate of a coordinator"]);
    let mut none = to.to_vec();
    none[4] = &identity;
    hedgerow(&none).fails_with(&["nobody listens on UDP port 9 of 127.0.0.1"]);
    world.write("rows.csv", "1,2,x\n");
    let rows = world.text("rows.csv");
    let local = ["query", "--local", "--model", NETWORK, "--input", &rows];
    world.write("rows.csv", "1,2,3\n4,5\n");
    hedgerow(&local).fails_with(&["rows.csv:2", "2 fields, expected 3"]);
    world.write("rows.csv", "1,2,3\n");
    hedgerow(&local).fails_with(&["values of a row: 3, expected 784"]);
    // A plan of another network.
    let lola = NETWORK.replace("mlp", "lola");
    hedgerow(&["plan", "net", &lola, "--objective", "latency", "--out", &plan]).succeeds();
    refuse(&["--plan", &plan], &["plan.json", "the plan is for model"]);
}
