//! `hedgerow query` in real processes: new rows, asked of parties that go on after their run.

use crate::joined::{EXACT, mixed, orders};
use crate::support::{Said, World, hedgerow, processes_of, until};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Child;

/// A simulation that serves, ended with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(world: &World, settings: &[&str]) -> Served {
    let mut arguments = vec!["--serve"];
    arguments.extend(EXACT);
    arguments.extend(settings);
    let served = Served(world.simulation(&arguments).spawn().unwrap());
    until("the report is there", || world.path("out/report.json").exists());
    served
}

fn ask(world: &World, input: &str, more: &[&str]) -> Said {
    let (config, input) = (world.text("out/state/config/party-shop.toml"), world.text(input));
    let output = world.text("scores.csv");
    let mut arguments = vec![
        "query", "--config", &config, "--input", &input, "--output", &output,
    ];
    arguments.extend(more);
    hedgerow(&arguments)
}

/// Orders without their last column, behind one of their own.
fn unlabelled(orders: &str) -> String {
    let mut text = String::new();
    for (number, line) in orders.lines().enumerate() {
        let (rest, _) = line.rsplit_once(',').unwrap();
        let id = if number == 0 {
            "order".to_owned()
        } else {
            format!("O-{number}")
        };
        let _ = writeln!(text, "{id},{rest}");
    }
    text
}

/// First column to score.
fn scores(text: &str, column: usize) -> BTreeMap<String, String> {
    let lines = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>());
    lines
        .map(|fields| (fields[0].to_owned(), fields[column].to_owned()))
        .collect()
}

#[test]
fn new_rows_are_scored_by_parties_that_go_on() {
    let world = mixed(2);
    let served = serve(&world, &["--set", "prediction.per_entity=40"]);
    let tests = orders(600..900, 2);
    // An order of somebody whom no order named before, like one of somebody whom the bank does not know.
    let stranger = "50,B1, customer 39,39001,0\n50,B1,stranger,7,0\n";
    world.write("new.csv", &unlabelled(&(tests.clone() + stranger)));
    let said = ask(&world, "new.csv", &["--id", "order"]).succeeds();
    assert!(
        said.out.contains("302 scores of run") && said.out.contains("exact"),
        "{}",
        said.out
    );
    assert!(said.out.contains("; 1 of "), "{}", said.out);

    let asked = world.read("scores.csv");
    assert!(asked.starts_with("order,score,positive\nO-1,"), "{asked}");
    let of_new = scores(&asked, 1);
    let of_tests = scores(&world.read("out/state/process/shop/scores.csv"), 2);
    assert_eq!((of_tests.len(), of_new.len()), (300, 302));
    for (row, score) in &of_tests {
        assert_eq!(of_new[&format!("O-{row}")], *score, "row {row}");
    }
    assert_eq!(of_new["O-301"], of_new["O-302"]);
    let different: std::collections::BTreeSet<_> = of_tests.values().collect();
    assert!(different.len() > 10);

    // The same question is the same answer; without a column of their own rows have numbers.
    ask(&world, "new.csv", &[]).succeeds();
    let numbered = scores(&world.read("scores.csv"), 1);
    assert_eq!((numbered.len(), &numbered["302"]), (302, &of_new["O-302"]));

    // Others cost, and a limit refuses them, not the run.
    world.write("other.csv", &unlabelled(&tests.replace(",B1,", ",B2,")));
    ask(&world, "other.csv", &[]).succeeds();
    let mut many = String::from("amount,bank,name,number,lost\n");
    (0..41).for_each(|amount| _ = writeln!(many, "{amount},B1,customer 1,1001,0"));
    world.write("many.csv", &unlabelled(&many));
    ask(&world, "many.csv", &[]).fails_with(&["1 entities", "allowed are 40 (prediction.per_entity)"]);

    // What is wrong is said.
    world.write("narrow.csv", "amount,bank,number\n1,B1,1001\n");
    ask(&world, "narrow.csv", &[]).fails_with(&["narrow.csv: column `name` is missing"]);
    ask(&world, "new.csv", &["--id", "ordr"]).fails_with(&["column `ordr` is missing", "order"]);
    ask(&world, "new.csv", &["--run", "17"]).fails_with(&["there is no run \"17\"", "kept for queries: "]);

    ask(&world, "new.csv", &["--id", "order"]).succeeds();
    assert_eq!(scores(&world.read("scores.csv"), 1), of_new);

    drop(served);
    until("all processes have ended", || {
        processes_of(&world.path("")).is_empty()
    });
    ask(&world, "new.csv", &["--wait", "1"]).fails_with(&["no coordinator of run", "serve = true"]);
    let config = world.text("out/state/config/party-shop.toml");
    hedgerow(&["query", "--config", &config, "--forget"]).succeeds();
    ask(&world, "new.csv", &["--wait", "1"]).fails_with(&["no run was kept for queries", "queries = true"]);
    let config = world.text("out/state/config/party-bank-1.toml");
    hedgerow(&[
        "query", "--config", &config, "--input", "x.csv", "--output", "y.csv",
    ])
    .fails_with(&["only a party with rows asks for scores"]);
}
