//! Every check that the protocol makes, by id.
//!
//! Each id stands in a comment at the code that makes the check, in a test that breaks it, and in
//! `CHECKS.md`; a test reads this table and looks for all three.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A check's id; displays as `CHK-007`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckId(pub u16);

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CHK-{:03}", self.0)
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its id.
    pub id: CheckId,
    /// What must hold.
    pub what: &'static str,
}

macro_rules! checks {
    ($($number:literal $name:ident $what:literal)*) => {
        /// The table, in order of ids.
        pub const CHECKS: &[Check] = &[$(Check { id: CheckId($number), what: $what }),*];
        $(
            #[doc = $what]
            pub const $name: CheckId = CheckId($number);
        )*
    };
}

checks! {
    1 CONFIG_BOUNDS "The configuration passes the one constructor: threshold, collusion, minimum, modulus."
    2 CONFIG_CANONICAL "The configuration's bytes are canonical: encoding it again gives the same bytes."
    3 CONFIG_LISTS_ME "The configuration lists this party."
    4 POLICY "This party's own policy allows the configuration."
    5 BUDGET "This party's own ledger can pay for a round before it takes part in it."
    6 ONE_CONFIG "One run has one configuration: a second, different one is refused."
    7 VERSION "The protocol version chosen by the coordinator is one that this party offered."
    8 PARTICIPANTS_SORTED "Participants are sorted, without repetition, and named in the configuration."
    9 PARTICIPANTS_ENOUGH "There are at least min_parties participants."
    10 PARTICIPANTS_ME "Participants include this party with its own certificate and signature."
    11 CERTIFICATES "Each participant's certificate is of the consortium and binds its id to one identity, no two alike."
    12 CONFIG_SIGNATURES "Each participant signed the hash of the same configuration."
    13 ONE_PARTICIPANTS "One run has one list of participants: a second, different one is refused."
    14 QUERY "The query of a round is the one that this party's own growth asks for."
    15 ANSWERS "The answers released so far are those that this party has seen."
    16 QUERIES_ALLOWED "No more rounds are started than the policy allows queries."
    17 ROUND_START_ONCE "A round is started once: a second, different start is refused."
    18 KEYS_SORTED "Keys of a round are sorted, without repetition, and only of participants."
    19 KEYS_ENOUGH "At least min_parties and tau parties sent keys (U1)."
    20 KEYS_MINE "The key list holds this party's own keys, unchanged."
    21 KEYS_SIGNED "Each peer's keys are signed by its identity for this run, round and list of participants."
    22 KEYS_DISTINCT "No two parties of a round have the same key, and no key serves twice."
    23 KEYS_AGGREGATORS "In shares mode every aggregator is among those with keys."
    24 KEYS_ONCE "A round has one key list: a second, different one is refused."
    25 INBOX_SUBSET "Senders of shares (U2) are sorted and among those with keys (U1); this party is one."
    26 INBOX_ENOUGH "At least min_parties and tau parties sent shares (U2)."
    27 INBOX_OPENS "Every sealed share opens under its sender's key and is a share for this party's index."
    28 INBOX_ONCE "A round has one inbox: a second, different one is refused."
    29 SURVIVORS_SUBSET "Survivors (U3) are sorted and among those whose masks are in the sum (U2); this party is one."
    30 SURVIVORS_ENOUGH "At least min_parties and tau parties survive (U3)."
    31 SURVIVORS_ONCE "A round has one list of survivors: a second, different one is refused."
    32 PROOF_SIGNERS "Signers of the survivors are distinct survivors."
    33 PROOF_SIGNATURES "Each signature is over this run, round and exactly these survivors."
    34 PROOF_ENOUGH "At least tau survivors signed the same list."
    35 ONE_SHARE "For each peer one kind of share is opened, never both."
    36 ANSWER_ONCE "A round is opened once: the stored bytes are all that is ever sent for it."
    37 SEEDS "In shares mode an aggregator gets one sealed seed of each other survivor, and each opens."
    38 RESULT_SURVIVORS "A result names the survivors that this party signed, or is one of a round it was not in."
    39 RESULT_SHAPE "A result has one total per cell of the query."
    40 RESULT_PLAUSIBLE "Totals lie within the declared rows plus the noise's tail; without noise they are counts and every tree holds the same rows."
    41 RESULT_ONCE "A step has one result: a second, different one is refused."
    42 MODEL "The coordinator's final model is the one that this party built."
    43 METRICS "Metrics on own rows leave only where the policy and the configuration release them."
    44 COUNTED_SHAPE "The table that the data engine counted has the shape of the query and no negative cell."
    45 STORED_BYTES "A repeated request is answered with the stored bytes, also after a restart."
    46 PAID_FIRST "A round is in the ledger before its vector is sent."
    47 FRAME_HEADER "A frame starts with the magic and the version, and is of a known kind."
    48 FRAME_LENGTH "A frame's length is within the limit of its kind before memory is taken for it."
    49 FRAME_EXACT "A frame's payload is one message of the kind that the header says, to the last byte."
    50 VECTOR "A vector has exactly one word per cell, each below the modulus."
    51 JOIN_BOUNDS "Links, roles, alignment, segments and scores of a joined run keep their bounds; a horizontal run has none."
    52 ENROLMENT_CHANNEL "No two participants have the same key for relayed chunks."
    54 RELAY "Chunks are relayed between a row party and an attribute party, or two attribute parties of a chained run, within their length and what the receiver asked for."
    55 ALIGNED "Reports of alignment name counterparts, do not change, and both ends of a pair report the same size."
    56 FIXED_SIGNED "A row party's upload is signed for exactly the attribute parties that were fixed; nothing else is in the sum."
    70 RELAY_OPENS "A relayed chunk opens under its sender's key, in its place of its stream, and no message exceeds its limit."
    71 JOINED "The parties that are joined are sorted participants, among them this one, each counterpart aligned with it, once."
    72 CIPHERTEXTS "Encrypted attributes that come again for a round are those that were answered in it."
    73 FIXED_ANSWERED "The attribute parties of a sum are sorted members of the round that this row party has answered in full."
    74 FIXED_ONCE "A round has one set of attribute parties: a second, different one is refused."
    75 SURVIVORS_JOINED "Survivors of a joined round hold all its row parties, and at a row party exactly its attribute parties."
    76 RELAY_CONTENT "What a counterpart sends can be read, and fits what both know of the run."
    77 CHANNEL_KEYS "In joined runs, and in no others, every participant has a key for relayed chunks."
    78 SCORES "An attribute party takes part in no more scores than the run declares."
    79 CHAIN_BOUNDS "Trees over two links are asked for only in vertical runs with c < 2, one order of entities and no scores."
    80 CHAIN_WHOLE "In a chained round every attribute party whose masks are in it is in its sum."
    89 OVERLAPS "The alignments of a run cost no more than the own policy lets the keys spend over all runs."
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn sources(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn every_check_is_in_code_in_a_test_and_in_the_document() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        sources(&root.join("src"), &mut files);
        let is_test = |path: &Path| {
            path.components().any(|c| c.as_os_str() == "tests")
                || path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().ends_with("tests.rs"))
        };
        let (mut code, mut tests) = (String::new(), String::new());
        for (path, text) in &files {
            if path.ends_with("check.rs") {
                continue;
            }
            if is_test(path) {
                tests.push_str(text);
                continue;
            }
            let (of_code, of_tests) = text.split_once("#[cfg(test)]\nmod tests").unwrap_or((text, ""));
            code.push_str(of_code);
            tests.push_str(of_tests);
        }
        let document = fs::read_to_string(root.join("CHECKS.md")).unwrap();
        let mut missing = Vec::new();
        for check in CHECKS {
            let comment = code
                .lines()
                .any(|line| line.trim_start().starts_with("//") && line.contains(&check.id.to_string()));
            if !comment {
                missing.push(format!("{} has no comment in the code", check.id));
            }
            if !tests.contains(&check.id.to_string()) {
                missing.push(format!("{} is in no test", check.id));
            }
            if !document.contains(&format!("| {} | {} |", check.id, check.what)) {
                missing.push(format!("{} is not in CHECKS.md with the table's words", check.id));
            }
        }
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn ids_ascend() {
        // Gaps are ids that are kept free, so that parts of the protocol keep theirs together.
        assert!(CHECKS.is_sorted_by(|a, b| a.id < b.id));
    }
}
