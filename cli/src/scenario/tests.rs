use super::keys::{KEYS, REQUIRED};
use super::*;
use std::fs;

const MINIMAL: &str = r#"
[task]
name = "t"
label = "y"
positive = 1

[data]
partition = "horizontal"

[[party]]
id = "a"
source = "a.csv"

[[party]]
id = "b"
source = "sub/b.csv"
"#;

fn load(text: &str, sets: &[&str]) -> Result<Scenario> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.toml");
    fs::write(&path, text).unwrap();
    Scenario::load(
        &path,
        &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>(),
    )
}

fn refusal(text: &str, sets: &[&str]) -> String {
    load(text, sets).unwrap_err().to_string()
}

/// The table for people and the types for the parser say the same.
#[test]
fn setting_every_documented_default_changes_nothing() {
    let sets: Vec<String> = KEYS
        .iter()
        .filter(|key| key.default != REQUIRED && key.default.parse::<toml::Value>().is_ok())
        .flat_map(|key| match key.name.strip_prefix("party.*.") {
            None => vec![format!("{}={}", key.name, key.default)],
            Some(rest) => vec![
                format!("party.a.{rest}={0}", key.default),
                format!("party.1.{rest}={0}", key.default),
            ],
        })
        .collect();
    assert!(sets.len() > 10, "{sets:?}");
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    assert_eq!(
        load(MINIMAL, &sets).unwrap().file,
        load(MINIMAL, &[]).unwrap().file
    );
}

/// ... and know the same keys: a documented one is accepted by the parser, all that the parser knows are listed.
#[test]
fn documented_keys_are_the_parsers() {
    for key in KEYS.iter().filter(|key| key.name != "schema") {
        let name = key.name.replace('*', "a");
        let error = load(MINIMAL, &[&format!("{name}={{x = 1}}")])
            .unwrap_err()
            .to_string();
        assert!(!error.contains("unknown field"), "{name}: {error}");
    }
    for (table, _) in [
        ("task", 3),
        ("forest", 4),
        ("privacy", 3),
        ("test", 2),
        ("run", 5),
        ("timeouts", 3),
        ("resources", 2),
    ] {
        let error = refusal(&format!("{MINIMAL}\n[{table}x]\nnonsense = 1\n"), &[]);
        assert!(
            error.contains("unknown field") || error.contains("unknown"),
            "{error}"
        );
    }
    let error = refusal(&MINIMAL.replace("[data]", "[forest]\nnonsense = 1\n[data]"), &[]);
    for field in ["trees", "depth", "bins", "growth"] {
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn the_manual_quotes_the_table() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenario.md");
    let manual = fs::read_to_string(manual).unwrap();
    let table = super::keys::markdown();
    assert!(
        manual.contains(&table),
        "docs/scenario.md must hold the output of `simulate --keys`:\n{table}"
    );
}

#[test]
fn a_misspelt_key_is_found_with_its_line() {
    let error = refusal(&format!("{MINIMAL}\n[forest]\ntress = 5\n"), &[]);
    assert!(error.contains("scenario.toml:19"), "{error}");
    assert!(error.contains("did you mean `trees`"), "{error}");
}

#[test]
fn defaults_follow_the_noise_and_the_parties() {
    let noisy = load(MINIMAL, &[]).unwrap();
    let exact = load(MINIMAL, &["privacy.epsilon=none"]).unwrap();
    let schema = super::stand_in(&noisy.file);
    let (with, without) = (noisy.forest(&schema).unwrap(), exact.forest(&schema).unwrap());
    assert!(!with.why.is_empty() && !without.why.is_empty());
    let random = load(MINIMAL, &["forest.growth=random"]).unwrap();
    let params = random.forest(&schema).unwrap().params;
    assert_eq!(params, hedgerow_forest::params::ForestParams::default_for(true));
    let shallow = load(
        MINIMAL,
        &[
            "forest.growth=random",
            "forest.depth=3",
            "forest.split_share=0.25",
        ],
    );
    let params = shallow.unwrap().forest(&schema).unwrap().params;
    assert_eq!((params.depth, params.split_share), (3, 250));
    assert_eq!(noisy.min_parties, 2);
    assert_eq!(
        load(MINIMAL, &["run.aggregation=shares"]).unwrap().aggregators,
        ["a", "b"]
    );
    assert_eq!(noisy.file.task.positive, "1", "compared as text");
}

#[test]
fn delta_is_never_above_one_in_the_rows() {
    let default = load(MINIMAL, &[]).unwrap();
    assert_eq!(default.delta(1000).unwrap(), Some(1e-6));
    assert_eq!(default.delta(100_000_000).unwrap(), Some(1e-8));
    let explicit = load(MINIMAL, &["privacy.delta=1e-3"]).unwrap();
    assert_eq!(explicit.delta(1000).unwrap(), Some(1e-3));
    assert!(
        explicit
            .delta(1001)
            .unwrap_err()
            .to_string()
            .contains("above 1 / rows")
    );
    assert_eq!(
        load(MINIMAL, &["privacy.epsilon=none"])
            .unwrap()
            .delta(10)
            .unwrap(),
        None
    );
}

#[test]
fn impossible_scenarios_are_explained() {
    for (set, says) in [
        ("party.1.id=a", "two [[party]] have the id \"a\""),
        ("party.1.id=coordinator", "uses this name itself"),
        ("party.1.id=two words", "two words"),
        ("forest.depth=13", "forest.depth: expected 1 to 12, found 13"),
        ("test.fraction=1.5", "test.fraction"),
        ("privacy.delta=2", "privacy.delta"),
        ("privacy.epsilon=0", "positive number"),
        ("privacy.epsilon=off", "\"none\", got \"off\""),
        ("run.aggregators=['a']", "only with aggregation"),
        ("forest.growth=greed", "greed"),
        (
            "forest.learning_rate=1.5",
            "forest.learning_rate: is 1.5, expected 0.001 to 1",
        ),
        ("schema=none.toml", "none.toml"),
    ] {
        let error = refusal(MINIMAL, &[set]);
        assert!(error.contains(says), "{set}: {error}");
    }
    let (one, _) = MINIMAL.rsplit_once("[[party]]").unwrap();
    assert!(refusal(one, &[]).contains("at least two [[party]], found 1"));
}

#[test]
fn a_schema_takes_label_and_features_from_the_scenario() {
    let text = format!(
        "{MINIMAL}\n[[schema.feature]]\nname = \"u\"\ntype = \"numeric\"\nmin = 0\nmax = 1\n\
         [[schema.feature]]\nname = \"v\"\ntype = \"numeric\"\nmin = 0\nmax = 1\n"
    );
    let schema = load(&text, &[]).unwrap().schema.unwrap();
    assert_eq!(
        (
            schema.features.len(),
            schema.label.name.as_str(),
            schema.label.positive.as_str()
        ),
        (2, "y", "1")
    );
    let schema = load(&text, &["party.a.features=['v']"]).unwrap().schema.unwrap();
    assert_eq!(
        schema
            .features
            .iter()
            .map(|f| f.name.as_str())
            .collect::<Vec<_>>(),
        ["v"]
    );
    assert!(refusal(&text, &["party.a.features=['w']"]).contains("\"w\" is not in the schema"));
    let both = ["party.a.features=['u']", "party.b.features=['v']"];
    assert!(refusal(&text, &both).contains("different features"));
}

const MIXED: &str = r#"
[task]
name = "t"
label = "y"
positive = 1

[data]
partition = "mixed"

[[link]]
name = "payer"
party_column = "bank"
key_columns = ["account", "holder"]

[[party]]
id = "network"
source = "train.csv"
test_source = "test.csv"
features = "features.sql"
table = [{ name = "rates", source = "rates.csv" }]

[[party]]
id = "north"
role = "attributes"
source = "north.csv"
key = ["number", "name"]
serves = ["NN01", "NN02"]

[[party]]
id = "south"
role = "attributes"
source = "south.csv"
key = ["number", "name"]
"#;

fn load_mixed(text: &str) -> Result<Scenario> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("features.sql"),
        "-- what a payment looks like\n\nSELECT *, amount / 2 AS half FROM rows\n",
    )
    .unwrap();
    let path = folder.path().join("scenario.toml");
    fs::write(&path, text).unwrap();
    Scenario::load(&path, &[])
}

#[test]
fn a_mixed_scenario_says_who_answers_for_whom() {
    let scenario = load_mixed(MIXED).unwrap();
    let [network, north, south] = scenario.parties.as_slice() else {
        panic!("three parties")
    };
    assert_eq!((network.role, north.role), (Role::Rows, Role::Attributes));
    let features = network.features.as_ref().unwrap();
    assert!(features.is_sql(), "the comment is skipped");
    assert!(features.text().contains("amount / 2"));
    assert_eq!(network.tables[0].0, "rates");
    assert_eq!(north.serves, ["NN01", "NN02"]);
    assert_eq!(south.serves, ["south"], "its id");
    assert_eq!(scenario.max_rows, Some(join::JOINED_MAX_ROWS));
    assert_eq!(load(MINIMAL, &[]).unwrap().max_rows, None);
}

#[test]
fn joins_that_do_not_fit_are_explained() {
    for (from, to, says) in [
        (
            "partition = \"mixed\"",
            "partition = \"horizontal\"",
            "with horizontal data write the SQL",
        ),
        (
            "party_column = \"bank\"",
            "party = \"north\"",
            "`party_column` says whom",
        ),
        (
            "\"account\", \"holder\"",
            "\"account\"",
            "1 key_columns, but the key of party \"north\" has 2",
        ),
        ("[\"NN01\", \"NN02\"]", "[\"south\"]", "both serve \"south\""),
        ("test_source = \"test.csv\"\n", "", "need a `test_source`"),
        ("\"features.sql\"", "[\"u\"]", "`features` is SQL"),
        ("\"features.sql\"", "\"absent.sql\"", "absent.sql"),
        ("name = \"payer\"", "name = \"a.b\"", "letters, digits"),
        (
            "role = \"attributes\"\nsource = \"south.csv\"",
            "source = \"south.csv\"",
            "for role = \"attributes\"",
        ),
    ] {
        assert!(MIXED.contains(from), "{from}");
        let error = load_mixed(&MIXED.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(says), "{to}: {error}");
    }
    let vertical = MIXED.replace("partition = \"mixed\"", "partition = \"vertical\"");
    let error = load_mixed(&vertical).unwrap_err().to_string();
    assert!(error.contains("`party` names whom to ask"), "{error}");
    let vertical = vertical.replace("party_column = \"bank\"", "party = \"north\"");
    assert_eq!(
        load_mixed(&vertical).unwrap().file.data.partition,
        Partition::Vertical
    );
    let error = load_mixed(&vertical.replace("party = \"north\"", "party = \"network\""))
        .unwrap_err()
        .to_string();
    assert!(error.contains("no party with role \"attributes\""), "{error}");
}
