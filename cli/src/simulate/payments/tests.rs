use super::*;
use crate::scenario::{Role, Scenario};

fn small(nodes: u32) -> (tempfile::TempDir, Scenario) {
    let out = tempfile::tempdir().unwrap();
    let spec = PaymentsSpec {
        rows: 2_000,
        test_rows: Some(1_000),
        accounts: 2_000,
        ..Scale::Small.spec()
    };
    let written = payments::generate(&spec, out.path(), &|_| ()).unwrap();
    let path = scenario(&written, nodes, out.path()).unwrap();
    let scenario = Scenario::load(&path, &[]).unwrap();
    (out, scenario)
}

#[test]
fn every_bank_is_at_one_node() {
    for nodes in [2, 4, 9] {
        let (_out, scenario) = small(nodes);
        assert_eq!(scenario.parties.len(), nodes as usize + 1);
        assert_eq!(scenario.parties[0].role, Role::Rows);
        let mut served: Vec<&String> = scenario.parties.iter().flat_map(|party| &party.serves).collect();
        served.sort();
        served.dedup();
        assert_eq!(served.len(), payments::BANKS as usize);
        let may_be_lost = scenario.parties.len() as u32 - scenario.min_parties;
        assert_eq!(may_be_lost, u32::from(nodes > 2), "{nodes} nodes");
    }
}

#[test]
fn nodes_without_banks_are_refused() {
    let out = tempfile::tempdir().unwrap();
    for nodes in [0, 26] {
        let error = generate(Scale::Small, nodes, out.path()).unwrap_err().to_string();
        assert!(error.contains("1 to 25"), "{error}");
    }
}
