//! What a run told whom, role by role: the protocol's own words, gathered for people.

use hedgerow_protocol::config::{Role, RunConfig};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::privacy;
use serde::Serialize;

/// One role of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Learned {
    /// Who: the ids of all that play the role.
    pub who: Vec<String>,
    /// `rows`, `attributes` or `coordinator`.
    pub role: &'static str,
    /// What the released totals promise to the data of this role.
    pub promise: String,
    /// What it learns.
    pub learned: Vec<String>,
}

/// All roles of a run.
pub fn of(config: &RunConfig) -> Vec<Learned> {
    let mut roles = Vec::new();
    for (role, name) in [(Role::Row, "rows"), (Role::Attributes, "attributes")] {
        let who: Vec<&PartyId> = config.parties_of(role).collect();
        let Some(first) = who.first() else { continue };
        roles.push(Learned {
            who: who.iter().map(|id| id.as_str().to_owned()).collect(),
            role: name,
            promise: privacy::promise(config, role),
            // Parties of one role learn the same kinds of things.
            learned: privacy::learns(config, first),
        });
    }
    let mut learned = vec![
        "the released totals, the model, and who took part in each".to_owned(),
        "when which party sent how many bytes, and to whom they were relayed".to_owned(),
    ];
    if config.join().is_some() {
        learned.push("the sizes that alignment reveals to the parties".to_owned());
    }
    roles.push(Learned {
        who: vec!["coordinator".to_owned()],
        role: "coordinator",
        promise: "holds no data".to_owned(),
        learned,
    });
    roles
}

/// What a score without output noise says, and whether output noise was used; in the words of the model's own
/// statement.
pub fn notes(config: &RunConfig) -> Vec<String> {
    privacy::statement(config).map_or_else(|_| Vec::new(), |statement| statement.notes)
}
