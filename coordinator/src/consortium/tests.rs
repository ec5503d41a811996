use hedgerow_forest::params::Growth;
use hedgerow_protocol::ids::PartyId;

use super::*;

const SCHEMA: &str = "[[feature]]\nname = \"age\"\ntype = \"numeric\"\nmin = 17\nmax = 90\n\n\
                      [label]\nname = \"income\"\npositive = \">50K\"\n";

const CONSORTIUM: &str = "parties = [\"d\", \"a\", \"c\", \"b\"]\nschema = \"schema.toml\"\n\n\
                          [task]\nname = \"adult\"\nlabel = \"income\"\npositive = \">50K\"\n\n\
                          [data]\npartition = \"horizontal\"\n\n[privacy]\nepsilon = 1\n";

const DRAWN: Drawn = Drawn {
    run: RunId([7; 16]),
    seed: [9; 32],
};

fn config(text: &str) -> Result<RunConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("consortium.toml");
    std::fs::write(folder.path().join("schema.toml"), SCHEMA).unwrap();
    std::fs::write(&path, text).unwrap();
    let base = format!("{}/", folder.path().display());
    Consortium::load(&path)
        .and_then(|consortium| consortium.config(&DRAWN))
        .map_err(|error| error.to_string().replace(&base, ""))
}

#[test]
fn the_smallest_file_describes_a_safe_run() {
    let config = config(CONSORTIUM).unwrap();
    let names: Vec<&str> = config.parties.iter().map(PartyId::as_str).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert_eq!(
        (config.min_parties, config.collusion, config.shamir_threshold),
        (4, 1, 3)
    );
    assert_eq!(config.seed, DRAWN.seed);
    assert_eq!(config.run, DRAWN.run);
    let privacy = config.privacy.unwrap();
    assert_eq!((privacy.epsilon, privacy.delta), (1.0, 1e-6));
    assert_eq!(config.forest.growth, Growth::Greedy, "auto");
    assert_eq!(
        config.test,
        TestSplit {
            fraction: 0.25,
            seed: 1
        }
    );
}

#[test]
fn every_key_of_the_sample_is_known() {
    let source = include_str!("file.rs");
    let sample: String = source
        .lines()
        .skip_while(|line| !line.contains("```toml"))
        .skip(1)
        .take_while(|line| !line.contains("```"))
        .map(|line| {
            line.trim_start_matches("/// ")
                .trim_start_matches("///")
                .trim_start_matches("# ")
                .to_owned()
                + "\n"
        })
        .collect();
    let sample = sample
        .replace("fraud", "adult")
        .replace("is_adult", "income")
        .replace("\"1\"", "\">50K\"");
    let config = config(&sample).unwrap();
    assert_eq!(config.parties.len(), 4);
    assert_eq!(config.seed, seed_of(1));
    assert_ne!(seed_of(1), seed_of(2));
}

#[test]
fn the_schema_may_stand_inside() {
    let inline = SCHEMA
        .replace("[[feature]]", "[[schema.feature]]")
        .replace("[label]", "[schema.label]");
    let text = CONSORTIUM.replace("schema = \"schema.toml\"\n", "") + "\n" + &inline;
    assert_eq!(
        config(&text).unwrap().to_bytes(),
        config(CONSORTIUM).unwrap().to_bytes()
    );
}

#[test]
fn without_noise_is_a_word_and_no_default() {
    assert!(
        config(&CONSORTIUM.replace("epsilon = 1", "epsilon = \"none\""))
            .unwrap()
            .privacy
            .is_none()
    );
    let error = config(&CONSORTIUM.replace("[privacy]\nepsilon = 1\n", "")).unwrap_err();
    assert_eq!(error, "consortium.toml:1: key `privacy`: is missing");
    let error = config(&CONSORTIUM.replace("epsilon = 1", "epsilon = \"some\"")).unwrap_err();
    assert!(
        error.starts_with("consortium.toml:13: key `privacy.epsilon`"),
        "{error}"
    );
}

#[test]
fn a_broken_bound_points_at_its_key() {
    let twice = config(&CONSORTIUM.replace("\"d\"", "\"a\"")).unwrap_err();
    assert_eq!(
        twice,
        "consortium.toml:1: key `parties`: two parties have the id a"
    );
    let few = config(&(CONSORTIUM.to_owned() + "[run]\nmin_parties = 2\n")).unwrap_err();
    assert!(
        few.starts_with("consortium.toml:15: key `run.min_parties`: min_parties is 2"),
        "{few}"
    );
    let label = config(&CONSORTIUM.replace("label = \"income\"", "label = \"wage\"")).unwrap_err();
    assert!(
        label.starts_with("consortium.toml:6: key `task.label`: is \"wage\""),
        "{label}"
    );
    let epsilon = config(&CONSORTIUM.replace("epsilon = 1", "epsilon = -1.0")).unwrap_err();
    assert!(
        epsilon.starts_with("consortium.toml:13: key `privacy.epsilon`"),
        "{epsilon}"
    );
    let useless = config(&(CONSORTIUM.to_owned() + "[run]\naggregators = [\"a\"]\n")).unwrap_err();
    assert!(
        useless.starts_with("consortium.toml:15: key `run.aggregators`"),
        "{useless}"
    );
    let bad = config(&CONSORTIUM.replace("\"a\"", "\"a/b\"")).unwrap_err();
    assert!(bad.starts_with("consortium.toml:1: key `parties`"), "{bad}");
}

#[test]
fn growth_is_said_or_chosen_and_explained() {
    let forest = |section: &str| config(&format!("{CONSORTIUM}\n[forest]\n{section}\n"));
    assert_eq!(
        forest("growth = \"random\"").unwrap().forest,
        ForestParams::default_for(true)
    );
    let boosted = forest("growth = \"boosted\"\nlearning_rate = 0.25\ntrees = 7")
        .unwrap()
        .forest;
    assert_eq!(
        (boosted.growth, boosted.learning_rate, boosted.trees),
        (Growth::Boosted, 250, 7)
    );
    let wrong = forest("growth = \"boosted\"\nlearning_rate = 1.5").unwrap_err();
    assert!(wrong.contains("forest.learning_rate"), "{wrong}");
    assert!(wrong.contains("is 1.5, expected 0.001 to 1"), "{wrong}");
    let schema: Schema = toml::from_str(SCHEMA).unwrap();
    let chosen = |rows| ForestSection::default().choose(&schema, Some(2.0), rows).unwrap();
    assert!(chosen(None).why.contains("No data.rows are declared"));
    assert!(!chosen(Some(1_000_000)).why.contains("No data.rows"));
    assert!(chosen(Some(1_000_000)).params.levels > chosen(Some(1_000)).params.levels);
    let fewer = ForestSection {
        trees: Some(7),
        ..ForestSection::default()
    };
    let fewer = fewer.choose(&schema, Some(2.0), Some(1_000)).unwrap();
    assert!(
        fewer.why.contains("The file says trees = 7 instead of "),
        "{}",
        fewer.why
    );
    assert!(!chosen(Some(1_000)).why.contains("The file says"));
}
