//! The whole generator, on small sizes.

use super::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;

fn spec() -> PaymentsSpec {
    PaymentsSpec {
        rows: 40_000,
        test_rows: Some(9_000),
        accounts: 6_000,
        banks: 25,
        seed: 7,
        format: Format::Csv,
    }
}

fn silent(_: u64) {}

/// Lines of a CSV file as maps from column to value.
fn read(path: &Path) -> Vec<HashMap<String, String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines
        .map(|line| {
            let values: Vec<&str> = line.split(',').collect();
            assert_eq!(values.len(), names.len(), "{line}");
            names
                .iter()
                .zip(values)
                .map(|(name, value)| ((*name).to_owned(), value.to_owned()))
                .collect()
        })
        .collect()
}

fn bytes(made: &Payments) -> Vec<Vec<u8>> {
    let accounts = made.accounts.iter().map(|(_, path)| path);
    [&made.train, &made.test]
        .into_iter()
        .chain(accounts)
        .map(|path| fs::read(path).unwrap())
        .collect()
}

#[test]
fn the_schema_is_the_challenges() {
    let out = tempfile::tempdir().unwrap();
    let made = generate(&spec(), out.path(), &silent).unwrap();
    let header = |path: &Path| {
        fs::read_to_string(path)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        header(&made.train),
        "MessageId,Timestamp,UETR,Sender,Receiver,TransactionReference,OrderingAccount,OrderingName,OrderingStreet,\
         OrderingCountryCityZip,BeneficiaryAccount,BeneficiaryName,BeneficiaryStreet,BeneficiaryCountryCityZip,\
         SettlementDate,SettlementCurrency,SettlementAmount,InstructedCurrency,InstructedAmount,Label"
    );
    assert_eq!(header(&made.test), header(&made.train));
    assert_eq!(made.accounts.len(), 25);
    for (_, path) in &made.accounts {
        assert_eq!(header(path), "Bank,Account,Name,Street,CountryCityZip,Flags");
    }
}

/// What the challenge's organisers and participants say holds without exception.
#[test]
fn the_published_rules_hold() {
    let out = tempfile::tempdir().unwrap();
    let made = generate(&spec(), out.path(), &silent).unwrap();
    let mut flags = HashMap::new();
    for (bic, path) in &made.accounts {
        for row in read(path) {
            assert_eq!(&row["Bank"], bic);
            let key = [
                &row["Bank"],
                &row["Account"],
                &row["Name"],
                &row["Street"],
                &row["CountryCityZip"],
            ];
            let fresh = flags.insert(key.map(String::clone), row["Flags"].clone());
            assert_eq!(fresh, None, "an account is listed once");
        }
    }
    assert_eq!(flags.len(), 6_000);
    let numbers: HashSet<&String> = flags.keys().map(|[_, account, ..]| account).collect();
    assert_eq!(numbers.len(), 6_000);
    for (path, rows, positives) in [(&made.train, 40_000, 47), (&made.test, 9_000, 11)] {
        let rows_read = read(path);
        assert_eq!(rows_read.len(), rows);
        assert_eq!(
            rows_read.iter().filter(|row| row["Label"] == "1").count(),
            positives
        );
        let mut payments: BTreeMap<&str, Vec<&HashMap<String, String>>> = BTreeMap::new();
        for row in &rows_read {
            payments.entry(&row["UETR"]).or_default().push(row);
        }
        assert!((1.2..1.6).contains(&(rows as f64 / payments.len() as f64)));
        let (mut only_banks_see, mut messages) = (0, HashSet::new());
        for hops in payments.values_mut() {
            hops.sort_by_key(|row| row["Timestamp"].clone());
            assert!(hops.len() <= 3 && hops.windows(2).all(|two| two[0]["Receiver"] == two[1]["Sender"]));
            for row in hops.iter() {
                assert!(messages.insert(row["MessageId"].clone()));
                for column in ["OrderingAccount", "BeneficiaryAccount", "SettlementDate", "Label"] {
                    assert_eq!(row[column], hops[0][column]);
                }
            }
            let flag = |side: &str, bank: &String| {
                let told = ["Account", "Name", "Street", "CountryCityZip"]
                    .map(|name| hops[0][&format!("{side}{name}")].clone());
                let [account, name, street, city] = told;
                flags
                    .get(&[bank.clone(), account, name, street, city])
                    .map(String::as_str)
            };
            let ordering = flag("Ordering", &hops[0]["Sender"]);
            let beneficiary = flag("Beneficiary", &hops[hops.len() - 1]["Receiver"]);
            let anomalous = hops[0]["Label"] == "1";
            let same = hops[0]["SettlementCurrency"] == hops[0]["InstructedCurrency"];
            let valid = (ordering, beneficiary) == (Some("00"), Some("00"));
            assert_ne!(
                ordering.unwrap_or("00"),
                "01",
                "ordering accounts are never flagged"
            );
            assert!(anomalous || same && valid, "only anomalous payments break a rule");
            let day = |text: &str| text[text.len() - 2..].to_owned();
            let settled = &hops[0]["SettlementDate"];
            if anomalous && !valid && same && day(settled) == day(&hops[0]["Timestamp"][..10]) {
                only_banks_see += hops.len();
            }
        }
        assert!(only_banks_see > 0);
    }
}

#[test]
fn bytes_depend_on_the_specification_alone() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for format in [Format::Csv, Format::Parquet] {
        let spec = PaymentsSpec { format, ..spec() };
        let first = bytes(&generate(&spec, a.path(), &silent).unwrap());
        assert!(first == bytes(&generate(&spec, b.path(), &silent).unwrap()));
        let other = PaymentsSpec { seed: 8, ..spec };
        assert!(first != bytes(&generate(&other, b.path(), &silent).unwrap()));
    }
}

/// Chunks do not depend on each other: any number of threads gives the same rows.
#[test]
fn threads_do_not_change_rows() {
    let world = World::new(3, 2_000, 9);
    let schema = columns::transactions_schema();
    let table = Table {
        purpose: Purpose::Train,
        rows: 3 * rows::CHUNK + 5,
        positives: 60,
    };
    let made = |threads| {
        let mut batches = Vec::new();
        let keep = |batch| {
            batches.push(batch);
            Ok(())
        };
        table.each_chunk(&world, &schema, threads, keep).unwrap();
        batches
    };
    assert!(made(1) == made(3));
    let mut seen = 0;
    let error = table.each_chunk(&world, &schema, 2, |_| {
        seen += 1;
        Err(CliError::Config("the disk is full".into()))
    });
    assert!(error.unwrap_err().to_string().contains("disk") && seen == 1);
}

#[test]
fn impossible_specifications_are_refused_by_option() {
    let out = tempfile::tempdir().unwrap();
    let ok = spec();
    for (bad, parts) in [
        (PaymentsSpec { rows: 5, ..ok }, ["--rows 5", "1000"]),
        (
            PaymentsSpec {
                test_rows: Some(0),
                ..ok
            },
            ["--test-rows 0", "1 to"],
        ),
        (PaymentsSpec { banks: 0, ..ok }, ["--banks 0", "2 to 200"]),
        (PaymentsSpec { accounts: 20, ..ok }, ["--accounts 20", "200 to"]),
    ] {
        let error = generate(&bad, out.path(), &silent).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "nothing is written");
}

/// The data is frozen: figures that were published on it hold for it as long as these bytes are made. Whoever changes
/// them calibrates again and measures again what `docs/` says.
#[test]
fn the_data_is_frozen() {
    let out = tempfile::tempdir().unwrap();
    let spec = PaymentsSpec {
        rows: 20_000,
        test_rows: None,
        accounts: 3_000,
        banks: 25,
        seed: 1,
        format: Format::Csv,
    };
    let made = generate(&spec, out.path(), &silent).unwrap();
    assert_eq!((made.rows, made.positives), ([20_000, 6_666], [24, 8]));
    let mut hash = Sha256::new();
    for file in bytes(&made) {
        hash.update(&file);
    }
    assert_eq!(
        hex::encode(hash.finalize()),
        "96db5484524e7d91705fcb8bd9c41d32f673bf2df7414d95046c06523b824be7"
    );
}
