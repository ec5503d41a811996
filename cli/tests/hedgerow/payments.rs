//! `hedgerow generate payments`.

use crate::support::{World, hedgerow};

#[test]
fn payments_are_files_of_transactions_and_a_table_per_bank() {
    let world = World::new(2);
    let out = world.text("payments");
    let generate = |rest: &[&str]| hedgerow(&[&["generate", "payments", "--out", &out], rest].concat());
    let small = ["--rows", "3000", "--accounts", "500", "--banks", "4"];
    let said = generate(&[&small[..], &["--format", "csv"]].concat()).succeeds();
    assert!(
        said.out.contains("3000 rows, 4 anomalous") && said.out.contains("1000 rows, 1 anomalous"),
        "a third is for testing: {}",
        said.out
    );
    assert_eq!(said.err, "", "no progress where there is no terminal");
    assert_eq!(
        world.read("payments/transactions-train.csv").lines().count(),
        3001
    );
    assert_eq!(world.read("payments/transactions-test.csv").lines().count(), 1001);
    let mut banks = Vec::new();
    for entry in std::fs::read_dir(world.path("payments/accounts")).unwrap() {
        banks.push(entry.unwrap().file_name().into_string().unwrap());
    }
    banks.sort_unstable();
    assert_eq!(
        banks,
        ["ABVVUS6S.csv", "DPSUFRPP.csv", "WVOLDEMM.csv", "ZOUOGB22.csv"]
    );
    let accounts = |bank: &String| world.read(&format!("payments/accounts/{bank}")).lines().count() - 1;
    assert_eq!(banks.iter().map(accounts).sum::<usize>(), 500);

    generate(&[&small[..], &["--test-rows", "50"]].concat()).succeeds();
    assert!(world.path("payments/transactions-test.parquet").exists());
}

#[test]
fn impossible_payments_name_the_option() {
    let world = World::new(2);
    let out = world.text("payments");
    let generate = |rest: &[&str]| hedgerow(&[&["generate", "payments", "--out", &out], rest].concat());
    generate(&["--banks", "0"]).fails_with(&["--banks 0", "expected 2 to 200"]);
    generate(&["--banks", "25", "--accounts", "24"])
        .fails_with(&["--accounts 24", "8 for each of the 25 banks"]);
    generate(&["--rows", "10"]).fails_with(&["--rows 10", "expected 1000 to"]);
    assert!(!world.path("payments").exists());
}
