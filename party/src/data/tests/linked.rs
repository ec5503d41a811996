//! Rows that name entities, and the entities: against the definition, one row at a time.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::StringArray;
use hedgerow_forest::binning::Binner;
use hedgerow_forest::schema::{Column, Label, Schema};

use super::fixture::{Lcg, engine, write};
use crate::data::entities::attributes;
use crate::data::key::key_digests;
use crate::data::linked::NOBODY;
use crate::data::{
    DataError, DataSpec, DataWarning, Entities, Features, KeyDigest, LinkColumns, LinkedRows, LinkedSpec,
    Named, NewRows, RowStore, SourceSpec, Split,
};

fn schema() -> Schema {
    Schema {
        features: vec![
            Column::numeric("amount", 0.0, 100.0),
            Column::categorical("currency", ["EUR", "USD"]),
        ],
        label: Label {
            name: "bad".into(),
            positive: "1".into(),
        },
    }
}

fn spec() -> LinkedSpec {
    let schema = schema();
    let binner = Binner::new(&schema, 8).unwrap();
    let features = schema.features.iter().zip(binner.features()).zip(0..);
    let link = |side: &str| LinkColumns {
        party: Named::Column(format!("{side}_bank")),
        key: vec![format!("{side}_account"), format!("{side}_name")],
    };
    LinkedSpec {
        features: features
            .map(|((column, binner), i)| (i, column.clone(), binner.clone()))
            .collect(),
        label: schema.label,
        links: vec![link("from"), link("to")],
        parties: 2,
        serves: HashMap::from([("A1".into(), 0), ("A2".into(), 0), ("B".into(), 1)]),
        rows_per_entity: None,
        labelled: true,
        id: None,
    }
}

fn digest(account: &str, name: &str) -> KeyDigest {
    let [account, name] = [account, name].map(|text| Arc::new(StringArray::from(vec![text])) as _);
    key_digests(&[&account, &name]).unwrap()[0].unwrap()
}

struct Payment {
    amount: u64,
    bad: bool,
    /// Bank, account, name of both ends.
    ends: [[String; 3]; 2],
}

/// Accounts with leading zeros, a bank that nobody serves, missing names, and keys that are missing altogether.
fn payments(count: usize, seed: u64) -> Vec<Payment> {
    let mut random = Lcg(seed);
    let end = |random: &mut Lcg| {
        let bank = ["A1", "A2", "B", "C", ""][random.next(5) as usize].to_owned();
        match random.next(10) {
            0 => [bank, String::new(), String::new()],
            n => {
                let account = format!("00{}", random.next(40));
                let name = if n == 1 {
                    String::new()
                } else {
                    format!("name {account}")
                };
                [bank, account, name]
            }
        }
    };
    (0..count)
        .map(|_| Payment {
            amount: random.next(100),
            bad: random.next(5) == 0,
            ends: [end(&mut random), end(&mut random)],
        })
        .collect()
}

fn csv(payments: &[Payment]) -> String {
    let mut text =
        "amount,currency,bad,from_bank,from_account,from_name,to_bank,to_account,to_name\n".to_owned();
    for payment in payments {
        let ends: Vec<String> = payment.ends.iter().map(|end| end.join(" ,")).collect();
        let bad = u8::from(payment.bad);
        text.push_str(&format!("{},EUR,{bad},{}\n", payment.amount, ends.join(",")));
    }
    text
}

/// Each row of a store as what it says: bins, label, and party and key for each link.
type Said = (Vec<u8>, u8, Vec<Option<(usize, KeyDigest)>>);

fn said(rows: &LinkedRows, store: &RowStore) -> Vec<Said> {
    let meaning = |reference: u32| {
        (0..2).find_map(|party| {
            let range = rows.references(party);
            range
                .contains(&reference)
                .then(|| (party, rows.keys(party)[(reference - range.start) as usize]))
        })
    };
    (0..store.rows())
        .map(|row| {
            let bins = store.columns.iter().map(|column| column[row]).collect();
            let links = store.references.iter().map(|link| {
                assert!(link[row] == NOBODY || meaning(link[row]).is_some());
                meaning(link[row])
            });
            (bins, store.labels[row], links.collect())
        })
        .collect()
}

fn expected(payments: &[Payment]) -> Vec<Said> {
    let binner = Binner::new(&schema(), 8).unwrap();
    payments
        .iter()
        .map(|payment| {
            let bins = vec![binner.feature(0).number(payment.amount as f64), 0];
            let links = payment.ends.each_ref().map(|[bank, account, name]| {
                let party = match bank.as_str() {
                    "A1" | "A2" => 0,
                    "B" => 1,
                    _ => return None,
                };
                (!account.is_empty()).then(|| (party, digest(account, name)))
            });
            (bins, u8::from(payment.bad), links.to_vec())
        })
        .collect()
}

async fn read(folder: &Path, source: &str, test: Option<&str>, threads: usize, split: Split) -> LinkedRows {
    let parse = |text: &str| SourceSpec::parse(text, folder).unwrap();
    let data = DataSpec {
        source: parse(source),
        test_source: test.map(parse),
    };
    LinkedRows::read(&engine(threads), &data, &spec(), split)
        .await
        .unwrap()
}

fn sorted(mut rows: Vec<Said>) -> Vec<Said> {
    rows.sort();
    rows
}

#[tokio::test]
async fn rows_name_what_they_name_however_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (train, test) = (payments(700, 1), payments(300, 2));
    write(folder.path(), "train.csv", csv(&train));
    write(folder.path(), "test.csv", csv(&test));
    let whole = "SELECT * FROM 'train.csv'";
    let mut first: Option<Vec<Vec<KeyDigest>>> = None;
    for (threads, source) in [(1, "train.csv"), (3, "train.csv"), (1, whole), (3, whole)] {
        let rows = read(folder.path(), source, Some("test.csv"), threads, Split::none()).await;
        assert_eq!(
            sorted(said(&rows, rows.train())),
            sorted(expected(&train)),
            "{source} on {threads}"
        );
        assert_eq!(said(&rows, rows.test()), expected(&test), "in source order");
        // The keys and their numbers are the same in every reading, and no key is there twice.
        let keys: Vec<Vec<KeyDigest>> = (0..2).map(|party| rows.keys(party).to_vec()).collect();
        let named: BTreeSet<_> = train
            .iter()
            .chain(&test)
            .flat_map(|payment| expected(std::slice::from_ref(payment)).remove(0).2)
            .flatten()
            .collect();
        let listed: Vec<_> = (0..2)
            .flat_map(|party| keys[party].iter().map(move |key| (party, *key)))
            .collect();
        assert_eq!(listed, named.into_iter().collect::<Vec<_>>());
        assert_eq!(first.get_or_insert_with(|| keys.clone()), &keys);
    }
}

/// New rows come without labels, name nobody whom no row named before, and keep their order and their own ids.
#[tokio::test]
async fn new_rows_are_numbered_as_those_before() {
    let folder = tempfile::tempdir().unwrap();
    let (train, new) = (payments(60, 1), payments(200, 2));
    write(folder.path(), "train.csv", csv(&train));
    let old = read(folder.path(), "train.csv", None, 2, Split::none()).await;
    let keys: Vec<Vec<KeyDigest>> = (0..2).map(|party| old.keys(party).to_vec()).collect();
    let unlabelled = |with_id: bool| {
        let lines = csv(&new);
        let lines = lines.lines().enumerate().map(|(number, line)| {
            let mut fields: Vec<&str> = line.split(',').collect();
            fields.remove(2);
            let id = if number == 0 {
                "id".to_owned()
            } else {
                format!("{:03}", 999 - number)
            };
            let id = if with_id { id } else { String::new() };
            fields.join(",") + if with_id { "," } else { "" } + &id + "\n"
        });
        lines.collect::<String>()
    };
    write(folder.path(), "new.csv", unlabelled(true));
    write(folder.path(), "plain.csv", unlabelled(false));
    let mut unknown = 0;
    let wanted: Vec<Said> = expected(&new)
        .into_iter()
        .map(|(bins, _, links)| {
            let known = links.into_iter().map(|named| {
                let is_known = |(party, key): &(usize, KeyDigest)| keys[*party].binary_search(key).is_ok();
                unknown += u64::from(named.as_ref().is_some_and(|named| !is_known(named)));
                named.filter(is_known)
            });
            (bins, 0, known.collect())
        })
        .collect();
    assert!(unknown > 0 && wanted.iter().flat_map(|row| &row.2).any(Option::is_some));
    let ask = async |source: SourceSpec, id: Option<&str>| {
        let spec = LinkedSpec {
            id: id.map(str::to_owned),
            ..spec()
        };
        NewRows::read(&engine(3), &source, &spec, &keys).await
    };
    let source = |name: &str| SourceSpec::parse(name, folder.path()).unwrap();
    let found = ask(source("plain.csv"), None).await.unwrap();
    assert_eq!(
        (said(&old, &found.rows), found.unknown),
        (wanted.clone(), unknown)
    );
    assert!(
        found.rows.ids.is_empty() && found.warnings.is_empty(),
        "{:?}",
        found.warnings
    );
    let found = ask(source("new.csv"), Some("id")).await.unwrap();
    assert_eq!(said(&old, &found.rows), wanted);
    let ids: Vec<String> = found.rows.ids.iter().map(|id| id.to_string()).collect();
    assert_eq!(
        ids,
        (1..=200)
            .map(|number| format!("{:03}", 999 - number))
            .collect::<Vec<_>>()
    );

    // Features may name the label though new rows have none.
    let features = Features::parse("SELECT rows.*, bad AS old FROM rows", folder.path(), Vec::new()).unwrap();
    let through = source("new.csv").with_features(Arc::new(features));
    let mut by_id: Vec<_> = {
        let found = ask(through, Some("id")).await.unwrap();
        said(&old, &found.rows)
            .into_iter()
            .zip(found.rows.ids.clone())
            .collect()
    };
    by_id.sort_by(|a, b| b.1.cmp(&a.1));
    assert_eq!(by_id.into_iter().map(|(row, _)| row).collect::<Vec<_>>(), wanted);

    let error = ask(source("plain.csv"), Some("id"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("plain.csv: column `id` is missing"), "{error}");
}

#[tokio::test]
async fn a_split_divides_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let all = payments(400, 3);
    write(folder.path(), "all.csv", csv(&all));
    let split = Split::new(0.25, 1, "network").unwrap();
    let rows = read(folder.path(), "all.csv", None, 2, split).await;
    let (tests, trained): (Vec<_>, Vec<_>) = expected(&all)
        .into_iter()
        .zip(0u64..)
        .partition(|(_, row)| split.is_test(*row));
    let plain = |rows: Vec<(Said, u64)>| rows.into_iter().map(|(row, _)| row).collect::<Vec<_>>();
    assert_eq!(said(&rows, rows.train()), plain(trained));
    assert_eq!(said(&rows, rows.test()), plain(tests));
}

#[tokio::test]
async fn no_entity_is_counted_more_often_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let all = payments(500, 4);
    write(folder.path(), "all.csv", csv(&all));
    let data = DataSpec {
        source: SourceSpec::parse("all.csv", folder.path()).unwrap(),
        test_source: None,
    };
    let spec = LinkedSpec {
        rows_per_entity: Some(3),
        ..spec()
    };
    let rows = LinkedRows::read(&engine(3), &data, &spec, Split::none())
        .await
        .unwrap();
    let mut used: HashMap<(usize, KeyDigest), u32> = HashMap::new();
    let mut kept = Vec::new();
    for row in expected(&all) {
        let named: BTreeSet<_> = row.2.iter().flatten().copied().collect();
        if named
            .iter()
            .all(|entity| used.get(entity).is_none_or(|rows| *rows < 3))
        {
            named
                .into_iter()
                .for_each(|entity| *used.entry(entity).or_default() += 1);
            kept.push(row);
        }
    }
    assert!(kept.len() < all.len());
    assert_eq!(said(&rows, rows.train()), kept);
}

#[tokio::test]
async fn what_is_wrong_with_rows_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = async |source: &str| {
        let data = DataSpec {
            source: SourceSpec::parse(source, folder.path()).unwrap(),
            test_source: None,
        };
        LinkedRows::read(&engine(2), &data, &spec(), Split::none())
            .await
            .unwrap_err()
            .to_string()
    };
    let text = csv(&payments(50, 5));
    write(
        folder.path(),
        "x.csv",
        text.replace("from_account", "from_acount"),
    );
    let found = error("x.csv").await;
    assert!(
        found.starts_with("x.csv: column `from_account` is missing (did you mean `from_acount`?)"),
        "{found}"
    );
    write(
        folder.path(),
        "x.csv",
        text.replacen("\n", "\n1,EUR,,A1,1,x,B,2,y\n", 1),
    );
    let found = error("x.csv").await;
    assert!(found.starts_with("x.csv: row 1: label column `bad`"), "{found}");
    write(folder.path(), "x.csv", &text);
    let dates = "SELECT *, CAST('2026-01-01' AS DATE) AS day FROM 'x.csv'";
    let found = error(
        &dates
            .replace(
                "*",
                "amount, currency, bad, from_bank, from_name, to_bank, to_account, to_name",
            )
            .replace("AS day", "AS from_account"),
    )
    .await;
    assert!(
        found.contains("column `from_account` has type Date32, expected text, whole numbers or booleans"),
        "{found}"
    );
}

const ACCOUNTS: &str = "bank,account,name,flag,age\nA1,001,x,00,3\nA1,002,y,07,\nA2,001,z ,99,50\n";

fn attribute_schema() -> Schema {
    Schema {
        features: vec![
            Column::numeric("amount", 0.0, 1.0),
            Column::categorical("flag", ["00", "07"]).read_through("from"),
            Column::known("from"),
            Column::categorical("flag", ["00", "07"]).read_through("to"),
            Column::numeric("age", 0.0, 64.0).read_through("to"),
            Column::known("to"),
        ],
        label: schema().label,
    }
}

async fn entities(folder: &Path, source: &str, key: &[&str]) -> Result<Entities, DataError> {
    let schema = attribute_schema();
    let binner = Binner::new(&schema, 8).unwrap();
    let wanted = attributes(&schema, binner.features(), |column| {
        (!column.is_known()).then(|| column.attribute()).flatten()
    });
    let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
    Entities::read(
        &engine(2),
        &SourceSpec::parse(source, folder).unwrap(),
        &key,
        &wanted,
    )
    .await
}

#[tokio::test]
async fn entities_are_sorted_and_binned() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "accounts.csv", ACCOUNTS);
    for source in ["accounts.csv", "SELECT * FROM 'accounts.csv' ORDER BY age DESC"] {
        let entities = entities(folder.path(), source, &["account", "name"])
            .await
            .unwrap();
        let mut by_hand = [
            (digest("001", "x"), 0, 0),
            (digest("002", "y"), 1, 8),
            (digest("001", "z"), 2, 6),
        ];
        by_hand.sort_unstable();
        assert_eq!(entities.keys(), by_hand.map(|(key, _, _)| key));
        assert_eq!(
            entities.attribute(1),
            Some(&by_hand.map(|(_, flag, _)| flag)[..]),
            "{source}"
        );
        assert_eq!(entities.attribute(3), entities.attribute(1));
        assert_eq!(entities.attribute(4), Some(&by_hand.map(|(_, _, age)| age)[..]));
        assert_eq!((entities.attribute(0), entities.attribute(2)), (None, None));
        assert!(matches!(
            entities.warnings(),
            [DataWarning::UnknownCategories { column, rows: 1, .. }] if column == "flag"
        ));
    }
}

#[tokio::test]
async fn what_is_wrong_with_entities_is_said() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "accounts.csv", ACCOUNTS);
    let error = async |key: &[&str]| {
        let error = entities(folder.path(), "accounts.csv", key).await.err().unwrap();
        (error.to_string(), error.public_reason())
    };
    let (found, public) = error(&["account"]).await;
    assert!(
        found.starts_with("accounts.csv: rows 1 and 3 have the same key (account);"),
        "{found}"
    );
    assert_eq!(public, "two entities have the same key");
    let (found, _) = error(&["acount", "name"]).await;
    assert!(found.contains("did you mean `account`?"), "{found}");
    write(folder.path(), "accounts.csv", ACCOUNTS.replace("002", " "));
    let (found, _) = error(&["account"]).await;
    assert_eq!(
        found,
        "accounts.csv: row 2 has no value in any column of the key (account); remove such rows"
    );
    assert!(error(&[]).await.0.contains("[data] key"));
}
