//! Mixed and vertical scenarios in real processes: a shop's orders name customers of several banks.

use crate::support::{World, command, hedgerow, wait};
use std::fmt::Write as _;

pub const EXACT: [&str; 2] = ["--set", "privacy.epsilon=none"];
const RISKS: [&str; 3] = ["low", "middle", "high"];

/// Customers of one bank. The last of them is nobody's, so that some orders name an entity that is unknown.
const CUSTOMERS: u32 = 40;

fn bank(number: u32) -> String {
    format!("bank-{number}")
}

fn risk(bank: u32, customer: u32) -> &'static str {
    RISKS[((bank * 31 + customer * 17) % 7 % 3) as usize]
}

fn age(bank: u32, customer: u32) -> u32 {
    18 + (bank * 7 + customer * 13) % 60
}

/// Orders: the label follows the customer's risk, its age and the amount.
pub fn orders(rows: std::ops::Range<u32>, banks: u32) -> String {
    let mut text = String::from("amount,bank,name,number,lost\n");
    for row in rows {
        let mix = row * 7919 % 99_991;
        let (bank, customer, amount) = (1 + mix % banks, mix / 5 % CUSTOMERS, mix % 100);
        let known = customer + 1 < CUSTOMERS;
        let lost = !known
            || risk(bank, customer) == "high" && amount > 30
            || age(bank, customer) < 25 && amount > 60;
        // One bank in some orders is nobody's, and blanks around a key do not count.
        let code = if row % 23 == 0 {
            "elsewhere".to_owned()
        } else {
            format!("B{bank}")
        };
        let _ = writeln!(
            text,
            "{amount},{code}, customer {customer},{},{}",
            customer * 1000 + bank,
            u8::from(lost)
        );
    }
    text
}

/// A shop and so many banks.
pub fn mixed(banks: u32) -> World {
    let world = World::empty();
    let mut scenario = String::from(
        r#"
[task]
name = "orders"
label = "lost"
positive = 1

[data]
partition = "mixed"

[[link]]
name = "payer"
party_column = "bank"
key_columns = ["number", "name"]

[join]
minimum = 2
pad = 8
segments = 4

[forest]
growth = "random"
trees = 12
depth = 4
bins = 8

[privacy]
epsilon = 3.0
delta = 1e-4

[timeouts]
grace_s = 5

[[schema.feature]]
name = "amount"
type = "numeric"
min = 0
max = 100

[[schema.feature]]
name = "payer.risk"
link = "payer"
type = "categorical"
categories = ["high", "low", "middle"]

[[schema.feature]]
name = "payer.age"
link = "payer"
type = "numeric"
min = 18
max = 78

[[schema.feature]]
name = "payer.known"
link = "payer"
type = "categorical"
categories = ["no", "yes"]

[[party]]
id = "shop"
source = "train.csv"
test_source = "test.csv"
"#,
    );
    world.write("train.csv", &orders(0..600, banks));
    world.write("test.csv", &orders(600..900, banks));
    for number in 1..=banks {
        let id = bank(number);
        let _ = write!(
            scenario,
            "\n[[party]]\nid = \"{id}\"\nrole = \"attributes\"\nsource = \"{id}.csv\"\nkey = [\"number\", \"name\"]\n\
             serves = [\"B{number}\"]\n"
        );
        let mut text = String::from("number,name,risk,age\n");
        for customer in 0..CUSTOMERS - 1 {
            let risk = if customer == 5 { "" } else { risk(number, customer) };
            let _ = writeln!(
                text,
                "{},customer {customer} ,{risk},{}",
                customer * 1000 + number,
                age(number, customer)
            );
        }
        world.write(&format!("{id}.csv"), &text);
    }
    world.write("scenario.toml", &scenario);
    world
}

fn assert_exact(world: &World) {
    let report = world.report();
    assert_eq!(report["identical_to_pooled"], true);
    assert_eq!(report["scores_identical"], true);
}

#[test]
fn without_noise_model_and_scores_are_those_of_the_joined_rows() {
    for banks in [2, 4] {
        let world = mixed(banks);
        let said = world.simulate(&EXACT).succeeds();
        assert!(
            said.out.contains("equals the pooled one, byte for byte"),
            "{}",
            said.out
        );
        assert_exact(&world);
        let report = world.report();
        assert_eq!(report["metrics"], report["pooled"]);
        let auprc = |key: &str| report[key]["auprc"].as_f64().unwrap();
        assert!(
            auprc("metrics") > auprc("best_single") + 0.1,
            "the banks' columns are worth something"
        );
        assert_eq!(report["best_single"]["id"], "shop");
        for phase in [
            "alignment",
            "encryption",
            "inner_products",
            "summation",
            "prediction",
        ] {
            assert!(report["seconds"][phase].as_f64().unwrap() > 0.0, "{phase}");
        }
        let roles: Vec<&str> = report["learned"]
            .as_array()
            .unwrap()
            .iter()
            .map(|role| role["role"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["rows", "attributes", "coordinator"]);
        assert_eq!(report["parties"][1]["entities"], CUSTOMERS - 1);
    }
}

#[test]
fn with_noise_every_party_pays() {
    let world = mixed(2);
    world.simulate(&[]).succeeds();
    let report = world.report();
    assert!(report["identical_to_pooled"].is_null());
    assert_eq!(
        report["scores_identical"], true,
        "scores are exact, the model is noised"
    );
    assert_eq!(report["privacy"]["ledgers"].as_array().unwrap().len(), 3);
    let spent = report["privacy"]["spent"].as_f64().unwrap();
    assert!(spent > 1.0 && spent <= 3.0 + 1e-9, "{spent}");
}

#[test]
fn a_bank_that_drops_out_reads_as_missing() {
    for phase in ["alignment", "counting@0"] {
        let world = mixed(4);
        let drop = match phase.split_once('@') {
            Some((_, round)) => format!("bank-3@{round}"),
            None => format!("bank-3@{phase}"),
        };
        let few = [
            "--set",
            "run.min_parties=4",
            "--set",
            "timeouts.phase_s=30",
            "--drop",
            &drop,
        ];
        world.simulate(&[&EXACT[..], &few].concat()).succeeds();
        assert_exact(&world);
        let rounds = world.report()["rounds"].as_array().unwrap().clone();
        let survivors = rounds.last().unwrap()["survivors"].as_array().unwrap().clone();
        assert_eq!(survivors, ["bank-1", "bank-2", "bank-4", "shop"], "{phase}");
    }
}

#[test]
fn with_two_banks_a_drop_out_ends_the_run_and_is_named() {
    let world = mixed(2);
    world
        .simulate(&[&EXACT[..], &["--set", "timeouts.phase_s=30", "--drop", "bank-2"]].concat())
        .fails_with(&["party \"bank-2\"", "needs 3 parties"]);
}

#[test]
fn any_process_may_crash_and_the_model_is_the_same() {
    let undisturbed = mixed(2);
    undisturbed.simulate(&EXACT).succeeds();
    let expected = undisturbed.read("out/model.json");
    for crash in [
        "bank-1@alignment",
        "bank-2@0",
        "shop@inner-products",
        "coordinator@summation",
    ] {
        let world = mixed(2);
        let said = world
            .simulate(&[&EXACT[..], &["--set", "timeouts.grace_s=10", "--crash", crash]].concat())
            .succeeds();
        assert!(
            said.err.contains("was killed and starts again"),
            "{crash}: {}",
            said.err
        );
        assert_exact(&world);
        assert_eq!(world.read("out/model.json"), expected, "{crash}");
    }
}

#[test]
fn plain_alignment_gives_the_same_model() {
    let world = mixed(2);
    world.simulate(&EXACT).succeeds();
    let private = world.read("out/model.json");
    world
        .simulate(&[&EXACT[..], &["--set", "join.alignment=plain"]].concat())
        .succeeds();
    assert_exact(&world);
    let leaves = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["trees"].clone();
    assert_eq!(leaves(&private), leaves(&world.read("out/model.json")));
}

#[test]
fn features_may_be_sql_over_several_tables() {
    let world = mixed(2);
    world.write("rates.csv", "bank,rate\nB1,2\nB2,3\n");
    world.write(
        "features.sql",
        "-- dearer at some banks\nSELECT rows.amount / coalesce(rates.rate, 1) AS amount, rows.bank, rows.name, \
         rows.number, rows.lost FROM rows LEFT JOIN rates ON rows.bank = rates.bank\n",
    );
    let scenario = world.read("scenario.toml").replace(
        "test_source = \"test.csv\"\n",
        "test_source = \"test.csv\"\nfeatures = \"features.sql\"\ntable = [{ name = \"rates\", source = \"rates.csv\" }]\n",
    );
    world.write("scenario.toml", &scenario);
    world.simulate(&EXACT).succeeds();
    assert_exact(&world);
}

#[test]
fn columns_may_be_divided_over_two_parties() {
    let world = World::empty();
    let mut people = String::from("id,age,rich\n");
    let mut work = String::from("person,hours,trade\n");
    for row in 0..400u32 {
        let mix = row * 7919 % 9973;
        let (age, hours, trade) = (
            18 + mix % 60,
            mix / 3 % 60,
            ["baker", "clerk", "nurse"][(mix % 3) as usize],
        );
        let rich = age > 40 && hours > 20 || trade == "clerk" && hours > 45;
        let _ = writeln!(people, "{row},{age},{}", u8::from(rich));
        if row % 19 != 0 {
            let _ = writeln!(work, "{row},{hours},{trade}");
        }
    }
    let lines: Vec<&str> = people.lines().collect();
    world.write("train.csv", &(lines[..301].join("\n") + "\n"));
    world.write(
        "test.csv",
        &(lines[..1].join("\n") + "\n" + &lines[301..].join("\n") + "\n"),
    );
    world.write("work.csv", &work);
    world.write(
        "scenario.toml",
        r#"
[task]
name = "wealth"
label = "rich"
positive = 1
[data]
partition = "vertical"
[[link]]
name = "work"
party = "employer"
key_columns = ["id"]
[join]
segments = 1
[forest]
growth = "random"
trees = 6
depth = 4
bins = 32
[[party]]
id = "registry"
source = "train.csv"
test_source = "test.csv"
[[party]]
id = "employer"
role = "attributes"
source = "work.csv"
key = ["person"]
"#,
    );
    let said = world.simulate(&EXACT).succeeds();
    assert!(said.err.contains("was derived"), "{}", said.err);
    assert_exact(&world);
    assert_eq!(world.report()["settings"]["features"], 4);

    // Several batches of trees: scores ask about the leaves of all.
    let boosted = ["forest.growth=boosted", "forest.trees=9", "forest.batch=3"];
    let mut arguments: Vec<&str> = boosted.iter().flat_map(|key| ["--set", key]).collect();
    arguments.extend(EXACT);
    world.simulate(&arguments).succeeds();
    assert_exact(&world);
    assert_eq!(world.report()["settings"]["growth"], "boosted");
}

/// The files of `examples/deploy/mixed`, as a consortium of three would run them on one machine.
#[test]
fn the_sample_files_of_joined_data_run() {
    let world = World::empty();
    let sample = |name: &str| {
        let path = format!("{}/../examples/deploy/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    for name in ["consortium.toml", "schema.toml"] {
        world.write(name, &sample(&format!("mixed/{name}")));
    }
    let port = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    world.write(
        "coordinator.toml",
        &sample("coordinator.toml").replace("0.0.0.0:7447", &address),
    );
    hedgerow(&[
        "provision",
        "all-in-one",
        "--party",
        "network",
        "--party",
        "bank-a",
        "--party",
        "bank-b",
        "--out",
        &world.text("identities"),
    ])
    .succeeds();
    let policy = sample("mixed/policy.toml");
    for (party, file) in [
        ("network", "network.toml"),
        ("bank-a", "bank.toml"),
        ("bank-b", "bank.toml"),
    ] {
        let text = sample(&format!("mixed/{file}"))
            .replace("bank-a", party)
            .replace("coordinator.example:7447", &address)
            .replace("identity/", &world.text(&format!("identities/{party}")));
        world.write(&format!("{party}/party.toml"), &text);
        world.write(&format!("{party}/policy.toml"), &policy);
        world.write(&format!("{party}/schema.toml"), &sample("mixed/schema.toml"));
    }
    let codes = ["BANKAAXX", "BANKBBXX", "BANKBBYY"];
    let payments = |rows: std::ops::Range<u32>| {
        let mut text = String::from("amount,currency,payer_bank,payer_account,payer_name,fraud\n");
        for row in rows {
            let mix = row * 7919 % 9973;
            let (bank, number) = (mix as usize % 3, mix / 3 % 50);
            let fraud = u8::from(number % 10 == 3 || mix > 9000);
            let currency = ["EUR", "USD"][(mix % 2) as usize];
            let _ = writeln!(
                text,
                "{mix},{currency},{},{number},holder {number},{fraud}",
                codes[bank]
            );
        }
        text
    };
    world.write("network/payments.csv", &payments(0..500));
    world.write("network/payments-test.csv", &payments(500..800));
    world.write("network/rates.csv", "currency,rate\nEUR,1\nUSD,0.9\n");
    for bank in ["bank-a", "bank-b"] {
        let mut text = String::from("number,holder,status\n");
        for number in 0..45 {
            let status = if number % 10 == 3 { "frozen" } else { "open" };
            let _ = writeln!(text, "{number},holder {number},{status}");
        }
        world.write(&format!("{bank}/accounts.csv"), &text);
    }
    let coordinator = world
        .read("coordinator.toml")
        .replace("identity/", &world.text("identities/coordinator"));
    world.write("coordinator.toml", &coordinator);
    let start = |role: &str, file: &str| command(&[role, "--config", &world.text(file)]).spawn().unwrap();
    let mut processes = vec![start("coordinator", "coordinator.toml")];
    for party in ["network", "bank-a", "bank-b"] {
        processes.push(start("party", &format!("{party}/party.toml")));
    }
    for process in processes {
        wait(process).succeeds();
    }
    assert!(world.read("out/model.json").contains("payer.status"));
    assert_eq!(world.read("network/scores.csv").lines().count(), 301);
}
