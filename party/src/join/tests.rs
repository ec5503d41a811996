//! The answers from files against those of the same rows and entities held in memory, node by node.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_forest::binning::Binner;
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::schema::{Column, Label, Schema};
use hedgerow_protocol::config::{
    Aggregation, Alignment, AttributeParty, Join, LinkConfig, LinkParty, Partition, RunConfig,
    RunConfigLiteral, TestSplit,
};
use hedgerow_protocol::growth::Progression;
use hedgerow_protocol::ids::{PartyId, RunId};
use hedgerow_protocol::join::JoinData;
use hedgerow_protocol::join::memory::{MemoryData, MemoryRow};

use super::{Joined, Own};
use crate::config::Role;
use crate::data::key::key_digests;
use crate::data::{DataSpec, Engine, EngineOptions, KeyDigest, SourceSpec};

fn id(name: &str) -> PartyId {
    name.parse().unwrap()
}

/// Two links, three parties that answer for four banks.
fn config(vertical: bool) -> RunConfig {
    let mut features = vec![
        Column::numeric("amount", 0.0, 8.0),
        Column::categorical("currency", ["EUR", "USD"]),
    ];
    for link in ["from", "to"] {
        features.extend([
            Column::categorical("flag", ["00", "01", "07"]).read_through(link),
            Column::known(link),
            Column::numeric("age", 0.0, 4.0).read_through(link),
        ]);
    }
    let link = |name: &str, party: &str| LinkConfig {
        name: name.to_owned(),
        party: if vertical {
            LinkParty::Party(id(party))
        } else {
            LinkParty::Column(format!("{name}_bank"))
        },
        key_columns: vec![format!("{name}_account")],
    };
    let serving = |party: &str, serves: &[&str]| AttributeParty {
        party: id(party),
        serves: if vertical {
            Vec::new()
        } else {
            serves.iter().map(|value| (*value).to_owned()).collect()
        },
    };
    let mut attribute_parties = vec![serving("a", &["A1", "A2"]), serving("b", &["B"])];
    let mut parties = ["a", "b", "net"].map(id).to_vec();
    if !vertical {
        attribute_parties.push(serving("c", &["C"]));
        parties.push(id("c"));
    }
    let join = Join {
        links: vec![link("from", "a"), link("to", "b")],
        attribute_parties,
        alignment: Alignment::Private { minimum: 1, pad: 0 },
        segments: 16,
        prediction: None,
    };
    RunConfig::new(RunConfigLiteral {
        run: RunId([1; 16]),
        name: "join".into(),
        task: "bad".into(),
        partition: if vertical {
            Partition::Vertical(join)
        } else {
            Partition::Mixed(join)
        },
        schema: Schema {
            features,
            label: Label {
                name: "bad".into(),
                positive: "1".into(),
            },
        },
        forest: ForestParams::new(12, 4, 4, Growth::Random),
        privacy: None,
        aggregation: Aggregation::Masked,
        parties,
        min_parties: 3,
        collusion: 1,
        shamir_threshold: 3,
        modulus: Modulus::power_of_two(30).unwrap(),
        max_rows: 10_000,
        test: TestSplit {
            fraction: 0.0,
            seed: 0,
        },
        seed: [9; 32],
        release_metrics: false,
    })
    .unwrap()
}

fn own<'a>(party: &'a PartyId, role: Role, key: &'a [String]) -> Own<'a> {
    Own {
        party,
        role,
        key,
        id: None,
    }
}

fn digest(account: &str) -> KeyDigest {
    let column = Arc::new(crate::data::arrow::array::StringArray::from(vec![account])) as _;
    key_digests(&[&column]).unwrap()[0].unwrap()
}

/// A row of the table of payments, from a counter.
fn row(n: u64) -> [String; 7] {
    let mix = |salt: u64, below: u64| (n.wrapping_mul(0x9e37_79b9).wrapping_add(salt * 7919) >> 7) % below;
    let bank = |salt| ["A1", "A2", "B", "C", "nobody", ""][mix(salt, 6) as usize].to_owned();
    let account = |salt| match mix(salt, 30) {
        0 => String::new(),
        n => format!("0{n}"),
    };
    [
        mix(1, 9).to_string(),
        ["EUR", "USD", "JPY", ""][mix(2, 4) as usize].to_owned(),
        bank(3),
        account(4),
        bank(5),
        account(6),
        u64::from(mix(7, 3) == 0).to_string(),
    ]
}

fn write(folder: &Path, name: &str, header: &str, lines: impl IntoIterator<Item = String>) {
    let text = lines
        .into_iter()
        .fold(format!("{header}\n"), |text, line| text + &line + "\n");
    std::fs::write(folder.join(name), text).unwrap();
}

/// The bins of a table's row in the order of the schema, 0 where a link is read.
fn memory_row(config: &RunConfig, binner: &Binner, row: &[String; 7]) -> MemoryRow {
    let [amount, currency, from_bank, from, to_bank, to, bad] = row;
    let mut bins = vec![0; config.schema.len()];
    bins[0] = binner.feature(0).number(amount.parse().unwrap());
    bins[1] = binner.feature(1).category(currency);
    let join = config.join().unwrap();
    let name = |link: usize, bank: &str, account: &str| {
        let party = match &join.links[link].party {
            LinkParty::Column(_) => join.serving(bank)?.clone(),
            LinkParty::Party(party) => party.clone(),
        };
        (!account.is_empty()).then(|| (party, digest(account)))
    };
    MemoryRow {
        bins,
        label: u8::from(bad == "1"),
        copies: 1,
        names: vec![name(0, from_bank, from), name(1, to_bank, to)],
    }
}

async fn read(
    folder: &Path,
    config: &RunConfig,
    party: &str,
    source: &str,
    role: Role,
    key: &[&str],
) -> Joined {
    let engine = Engine::new(EngineOptions {
        threads: 2,
        batch_rows: 50,
        ..EngineOptions::default()
    })
    .unwrap();
    let data = DataSpec {
        source: SourceSpec::parse(source, folder).unwrap(),
        test_source: None,
    };
    let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
    let (joined, _) = Joined::read(&engine, &data, own(&id(party), role, &key), config)
        .await
        .unwrap();
    joined
}

#[tokio::test]
async fn a_row_party_answers_as_its_rows_in_memory_do() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..900).map(row).collect();
    let header = "amount,currency,from_bank,from_account,to_bank,to_account,bad";
    write(
        folder.path(),
        "rows.csv",
        header,
        rows.iter().map(|row| row.join(",")),
    );
    for vertical in [false, true] {
        let config = config(vertical);
        let binner = crate::answers::binner(&config).unwrap();
        let memory = rows.iter().map(|row| memory_row(&config, &binner, row)).collect();
        let memory = MemoryData::new(&config.schema, &binner, memory, BTreeMap::new());
        let joined = read(folder.path(), &config, "net", "rows.csv", Role::Rows, &[]).await;
        let growth = Progression::start(&config).unwrap();
        let query = growth.query().unwrap();
        assert_eq!(
            joined.base_counts(query).unwrap().cells(),
            memory.base_counts(query).unwrap().cells()
        );
        let mut found = 0;
        for AttributeParty { party, .. } in config.join().unwrap().attribute_parties.clone() {
            assert_eq!(joined.references(&party), memory.references(&party));
            for trees in [0..12, 3..4, 5..5] {
                let weights = joined.weights(query, &party, trees.clone()).unwrap();
                assert_eq!(weights, memory.weights(query, &party, trees).unwrap(), "{party}");
                found += weights.len();
            }
        }
        assert!(found > 100, "{found} weights");
        assert!(joined.references(&id("net")).is_err());
        assert!(joined.entities().is_err());
    }
}

#[tokio::test]
async fn an_attribute_party_answers_as_its_entities_in_memory_do() {
    let folder = tempfile::tempdir().unwrap();
    let line = |n: u64| {
        format!(
            "A{},0{n},{},{}",
            n % 2 + 1,
            ["00", "01", "07", "99"][n as usize % 4],
            n % 6
        )
    };
    write(
        folder.path(),
        "accounts.csv",
        "Bank,Account,flag,age",
        (1..40).map(line),
    );
    for vertical in [false, true] {
        let config = config(vertical);
        let binner = crate::answers::binner(&config).unwrap();
        let joined = read(
            folder.path(),
            &config,
            "a",
            "accounts.csv",
            Role::Attributes,
            &["Account"],
        )
        .await;
        let entity = |n: u64| {
            let flag = binner
                .feature(2)
                .category(["00", "01", "07", "99"][n as usize % 4]);
            let age = binner.feature(4).number((n % 6) as f64);
            (digest(&format!("0{n}")), vec![0, 0, flag, 0, age, flag, 0, age])
        };
        let entities = (1..40).map(entity).collect();
        let memory = MemoryData::new(&config.schema, &binner, Vec::new(), entities);
        assert_eq!(joined.entities(), memory.entities());
        for feature in [2, 4] {
            assert_eq!(joined.attributes(feature), memory.attributes(feature));
        }
        for feature in [5, 7] {
            // In a vertical run the other link is read at another party.
            if vertical {
                assert!(joined.attributes(feature).is_err());
            } else {
                assert_eq!(joined.attributes(feature), memory.attributes(feature));
            }
        }
        assert!(joined.attributes(0).is_err() && joined.attributes(3).is_err());
        assert!(
            joined
                .base_counts(Progression::start(&config).unwrap().query().unwrap())
                .is_err()
        );
    }
}

#[tokio::test]
async fn roles_and_keys_must_fit_the_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.csv"), "Account,flag,age\n1,00,2\n").unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let data = DataSpec {
        source: SourceSpec::parse("x.csv", folder.path()).unwrap(),
        test_source: None,
    };
    let config = config(false);
    let error = async |party: &str, role, key: &[&str]| {
        let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
        let read = Joined::read(&engine, &data, own(&id(party), role, &key), &config).await;
        read.err().unwrap().to_string()
    };
    let found = error("a", Role::Rows, &[]).await;
    assert!(
        found.contains("role = \"rows\"") && found.contains("expects \"attributes\""),
        "{found}"
    );
    let found = error("a", Role::Attributes, &["Account", "flag"]).await;
    assert_eq!(
        found,
        "[data] key: link `from` has 1 key columns (from_account), expected as many here, found 2 (Account, flag)"
    );
    let found = error("net", Role::Rows, &[]).await;
    assert!(found.contains("x.csv: column `from_bank` is missing"), "{found}");
}

#[tokio::test]
async fn test_rows_are_scored_as_often_as_their_entities_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..400).map(row).collect();
    let header = "amount,currency,from_bank,from_account,to_bank,to_account,bad";
    write(
        folder.path(),
        "rows.csv",
        header,
        rows.iter().map(|row| row.join(",")),
    );
    let config = config(false);
    let binner = crate::answers::binner(&config).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let source = SourceSpec::parse("rows.csv", folder.path()).unwrap();
    let data = DataSpec {
        source: source.clone(),
        test_source: Some(source),
    };
    let net = id("net");
    let own = own(&net, Role::Rows, &[]);
    let (joined, _) = Joined::read(&engine, &data, own, &config).await.unwrap();
    let side = joined.rows().unwrap();
    let all: Vec<u32> = (0..400).collect();
    assert_eq!(side.scorable(u32::MAX), all);

    let asked = side.score_rows(&all[100..]);
    assert_eq!(asked.ranges.len(), 3);
    let mut labels = Vec::new();
    for (place, row) in rows[100..].iter().enumerate() {
        let expected = memory_row(&config, &binner, row);
        assert_eq!(
            [0, 1].map(|column| asked.rows.column(column)[place]),
            expected.bins[..2]
        );
        for (entities, named) in asked.entities.iter().zip(expected.names) {
            let range = asked
                .ranges
                .iter()
                .find(|(_, range)| range.contains(&entities[place]));
            let found = range.map(|(party, range)| {
                let keys = joined.references(party).unwrap();
                (party.clone(), keys[(entities[place] - range.start) as usize])
            });
            assert_eq!(found, named);
        }
        labels.push(expected.label);
    }
    assert_eq!(side.labels(&all[100..]), labels);

    for most in [1, 3] {
        let rows = side.scorable(most);
        assert!(!rows.is_empty() && rows.len() < 400);
        let asked = side.score_rows(&rows).asked_per_entity();
        assert_eq!(asked.iter().map(|(_, count)| *count).max().unwrap_or(0), most);
    }
}
