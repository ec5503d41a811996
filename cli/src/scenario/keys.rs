//! Every key of a scenario file with its default, for people: `hedgerow simulate --keys` prints this table and
//! the README quotes it. A test sets every key to its default and finds nothing changed.

use hedgerow_edge::configfile::nearest;

/// One key of a scenario file.
pub struct Key {
    /// Dotted name; `party.*` stands for any party, by its id or its number from 0, `link.*` for any link.
    pub name: &'static str,
    /// What it is when the file does not say, as TOML; `required` where the file must; in words where it depends.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        default,
        meaning,
    }
}

/// The default of a key that the file must give.
pub const REQUIRED: &str = "required";

/// All keys, in the order of a file.
pub const KEYS: &[Key] = &[
    key("task.name", REQUIRED, "name of the task, as reports show it"),
    key("task.label", REQUIRED, "column that is to be predicted"),
    key(
        "task.positive",
        REQUIRED,
        "value of the label that counts as positive; compared as text",
    ),
    key(
        "data.partition",
        REQUIRED,
        "`horizontal`: every party has rows with all the columns; `mixed`: rows name entities that other parties \
         hold attributes of; `vertical`: one party has the rows, others have further columns of the same rows",
    ),
    key(
        "data.max_rows",
        "1099511627776; 4194304 in `mixed` and `vertical`, 131072 where boosted trees grow in these",
        "public bound on the training rows of all parties together; joins need it to size their encryption",
    ),
    key(
        "data.rows",
        "unknown",
        "declared number of training rows of all parties together, as far as it is public: growth `auto` goes by it",
    ),
    key(
        "party.*.id",
        REQUIRED,
        "1 to 64 of letters, digits, `.`, `_`, `-`; unique",
    ),
    key(
        "party.*.role",
        "\"rows\"",
        "`rows`: the party holds labelled rows; `attributes`: attributes of entities that others' rows name",
    ),
    key(
        "party.*.source",
        REQUIRED,
        "CSV file, Parquet file, folder of these, or SQL (`SELECT ... FROM 'file.csv'`)",
    ),
    key(
        "party.*.test_source",
        "none",
        "test rows; where given, all of `source` is for training; row parties need it in `mixed` and `vertical`",
    ),
    key(
        "party.*.features",
        "all but the label",
        "columns to learn from, the same for every party; or SQL (or a `.sql` file) that makes the columns from \
         table `rows`, which is `source` and then `test_source`",
    ),
    key(
        "party.*.key",
        "required with role `attributes`",
        "columns that name an entity, in the order of the links' `key_columns`",
    ),
    key(
        "party.*.serves",
        "its id",
        "values of the links' `party_column` that this attribute party answers for",
    ),
    key(
        "party.*.table",
        "none",
        "further tables of the party's own for `features`: a list of `{ name, source }`",
    ),
    key(
        "link.*.name",
        "required in a `[[link]]`",
        "what the schema calls it: column `ordering.Flags` is attribute `Flags` read through link `ordering`",
    ),
    key(
        "link.*.party_column",
        "required in `mixed`",
        "column of the rows that says whom to ask; see `party.*.serves`",
    ),
    key(
        "link.*.party",
        "required in `vertical`",
        "the party that has the other columns",
    ),
    key(
        "link.*.key_columns",
        "required in a `[[link]]`",
        "columns of the rows that name the entity; compared as text, trimmed",
    ),
    key(
        "join.alignment",
        "\"private\"",
        "`private`: neither side learns which keys the other has; `plain`: the row party may know the entities",
    ),
    key(
        "join.minimum",
        "16",
        "fewest keys, dummies included, of a party that takes part in an alignment",
    ),
    key(
        "join.pad",
        "1024",
        "size of the common pool of dummy keys that blurs how many keys two parties share; 0 for none",
    ),
    key(
        "join.segments",
        "8",
        "cells that share an encrypted answer: a power of two up to 64; more means smaller answers, larger uploads",
    ),
    key(
        "prediction.rows",
        "4194304",
        "most private scores that an attribute party takes part in; 0 for none at all",
    ),
    key(
        "prediction.per_entity",
        "65536",
        "most private scores about one entity; the row party enforces it",
    ),
    key(
        "prediction.epsilon",
        "\"none\"",
        "output noise of all scores about one entity together, or `none` for exact scores",
    ),
    key("prediction.delta", "1e-6", "delta of the same"),
    key(
        "schema",
        "derived from the pooled data",
        "`[schema]` table or a file: types, categories, public bounds; a deployment must declare it",
    ),
    key(
        "forest.growth",
        "\"auto\"",
        "`random`: random decision trees (Fan et al. 2003); `quantile`: the same over quantiles of the columns; \
         `greedy`: the best splits of histograms, level by level; `boosted`: gradient boosting (horizontal, or \
         vertical over one link to one attribute party); `auto`: what suits schema, epsilon and `data.rows`, with \
         its reasons on the terminal and in the report",
    ),
    key("forest.trees", "by growth and noise", "trees, 1 to 4096"),
    key(
        "forest.depth",
        "by growth and noise",
        "levels of splits, 1 to 12: a tree has 2^depth leaves",
    ),
    key(
        "forest.bins",
        "by growth and noise",
        "bins of equal width between the public bounds, 2 to 254; one more for missing",
    ),
    key(
        "forest.features_per_tree",
        "by growth and features",
        "columns that a tree has histograms of at a level, and may split by there; greedy and boosted",
    ),
    key(
        "forest.slots",
        "by growth and noise",
        "most slots of a histogram below the root, 3 to 256, each a group of bins; greedy and boosted",
    ),
    key(
        "forest.levels",
        "by noise and `data.rows`",
        "levels of greedy trees that have histograms of their own, 0 for all; the others go by those of all rows",
    ),
    key(
        "forest.criterion",
        "\"gini\"",
        "what a greedy split should make purer: `gini` or `entropy`",
    ),
    key(
        "forest.split_share",
        "by growth",
        "part of the budget for the structure of the trees, above 0 and below 1; the rest is for their leaves",
    ),
    key(
        "forest.learning_rate",
        "by growth",
        "what a boosted tree adds of its step, above 0 and at most 1",
    ),
    key("forest.lambda", "by growth", "L2 penalty on a boosted leaf"),
    key("forest.min_gain", "any", "least gain of a boosted split"),
    key(
        "forest.split",
        "by noise",
        "where boosted splits come from: `greedy`, the best of histograms; `random`, drawn, guided by one table of \
         all rows; over a link `random` only, each tree over the columns of one party",
    ),
    key(
        "forest.batch",
        "by noise",
        "boosted trees that grow on the same gradients",
    ),
    key(
        "forest.links_per_tree",
        "one",
        "links whose columns a tree may test; `2` lets paths join attributes of two parties, in `vertical` with \
         `forest.growth = \"random\"`, `run.collusion` below 2 and `prediction.rows = 0`",
    ),
    key(
        "privacy.epsilon",
        "1.0",
        "whole run's epsilon, or `none` for no noise at all",
    ),
    key(
        "privacy.delta",
        "1e-6, or 1 / rows where that is less",
        "whole run's delta; above 1 / rows is refused",
    ),
    key(
        "privacy.unit",
        "\"row\"",
        "what is protected: `row`, one row of one party, added or removed; `entity`, one entity with all its rows",
    ),
    key(
        "privacy.rows_per_entity",
        "required with unit `entity`",
        "most rows, over all links and row parties, that count for one entity",
    ),
    key(
        "privacy.mechanism",
        "\"discrete-gaussian\"",
        "noise that the parties add together: `discrete-gaussian`; `skellam`; `discrete-laplace`, which is pure (delta 0) and \
         pays by how many cells a row touches",
    ),
    key(
        "test.fraction",
        "0.25",
        "share of rows kept for testing where a party names no `test_source`, 0 to 0.9",
    ),
    key(
        "test.seed",
        "1",
        "seed of the hash of party and row that picks them",
    ),
    key("run.seed", "1", "public seed of the trees' structure"),
    key(
        "run.min_parties",
        "all parties",
        "fewest parties a table may be summed over; fewer end the run",
    ),
    key(
        "run.collusion",
        "1",
        "parties that may pool what they know with the coordinator and still learn nothing",
    ),
    key(
        "run.aggregation",
        "\"masked\"",
        "`masked`: double-masked secure summation; `shares`: additive shares to aggregators",
    ),
    key(
        "run.aggregators",
        "the first collusion + 1 parties, at least two",
        "parties that sum the shares, with `shares`",
    ),
    key(
        "timeouts.enrol_s",
        "60",
        "seconds to wait for the parties to enrol",
    ),
    key(
        "timeouts.phase_s",
        "600",
        "seconds a party may be silent within a phase before it counts as dropped",
    ),
    key(
        "timeouts.grace_s",
        "10",
        "seconds a lost connection may take to come back",
    ),
    key(
        "resources.threads",
        "cores / parties, at least 1",
        "threads of each party's data engine",
    ),
    key(
        "resources.memory_mib",
        "512",
        "memory of each party's data engine, MiB",
    ),
];

/// The table as Markdown.
pub fn markdown() -> String {
    let mut text = String::from("| key | default | meaning |\n|---|---|---|\n");
    for key in KEYS {
        text += &format!("| `{}` | {} | {} |\n", key.name, code(key.default), key.meaning);
    }
    text
}

fn code(default: &str) -> String {
    match default.parse::<toml::Value>() {
        Ok(_) => format!("`{default}`"),
        Err(_) => default.to_owned(),
    }
}

/// The documented key that `path` names, array positions and party ids standing for `*`.
pub fn find(path: &[String]) -> Result<(), Unknown> {
    let mut general: Vec<&str> = path.iter().map(String::as_str).collect();
    if let ["party" | "link", any, ..] = general.as_mut_slice() {
        *any = "*";
    }
    let name = general.join(".");
    // Below `schema` the forest crate's own format rules.
    if general.first() == Some(&"schema") || KEYS.iter().any(|key| key.name == name) {
        return Ok(());
    }
    let nearest = nearest(&name, KEYS.iter().map(|key| key.name));
    Err(Unknown {
        name: path.join("."),
        nearest,
    })
}

/// A key that no scenario has.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    /// As the user wrote it.
    pub name: String,
    /// The documented key that differs least.
    pub nearest: Option<&'static str>,
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "unknown key `{}`", self.name)?;
        match self.nearest {
            Some(near) => write!(out, "; did you mean `{near}`?"),
            None => write!(out, "; `hedgerow simulate --keys` lists all"),
        }
    }
}
