//! Bounds of joined runs, each broken by one change to a good configuration.

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_forest::params::{Growth, SplitChoice};
use hedgerow_forest::schema::Column;

use super::*;
use crate::party::tests::support::{id, in_shares, literal, noisy};
use crate::privacy;

/// Row parties first, then attribute parties; one link.
pub(crate) fn mixed(rows: usize, attributes: usize) -> RunConfigLiteral {
    let mut literal = literal(rows + attributes);
    literal.modulus = Modulus::power_of_two(30).unwrap();
    literal.max_rows = 1000;
    literal.schema.features.extend([
        Column::numeric("balance", 0.0, 8.0).read_through("account"),
        Column::known("account"),
    ]);
    let serving = |index| AttributeParty {
        party: id(index),
        serves: vec![format!("bank {index}")],
    };
    literal.partition = Partition::Mixed(Join {
        links: vec![LinkConfig {
            name: "account".into(),
            party: LinkParty::Column("bank".into()),
            key_columns: vec!["number".into()],
        }],
        attribute_parties: (rows..rows + attributes).map(serving).collect(),
        alignment: Alignment::Private { minimum: 1, pad: 0 },
        segments: 16,
        prediction: None,
    });
    literal
}

/// A vertical run of three parties whose trees test two links.
pub(crate) fn chained() -> RunConfigLiteral {
    let mut literal = vertical();
    literal.forest.links_per_tree = 2;
    join(&mut literal).links[1].key_columns = vec!["number".into()];
    literal.modulus = crate::join::chain::params().unwrap().modulus();
    literal
}

/// CHK-079: what trees over two links need.
#[test]
fn a_chain_needs_a_vertical_run_one_order_and_one_dishonest_party() {
    let config = RunConfig::new(chained()).unwrap();
    assert_eq!(RunConfig::from_bytes(&config.to_bytes()), Ok(config.clone()));
    assert!(config.is_chained());
    assert!(config.may_relay(&id(1), &id(2)) && !config.are_counterparts(&id(1), &id(2)));
    assert!(!config.may_relay(&id(1), &id(1)) && !config.may_relay(&id(1), &id(9)));
    assert!(!RunConfig::new(vertical()).unwrap().may_relay(&id(1), &id(2)));
    let said = |change: &dyn Fn(&mut RunConfigLiteral)| {
        let mut literal = chained();
        change(&mut literal);
        RunConfig::new(literal).unwrap_err().to_string()
    };
    for (change, words) in [
        (
            &(|literal: &mut RunConfigLiteral| {
                (literal.collusion, literal.shamir_threshold, literal.min_parties) = (2, 3, 3);
            }) as &dyn Fn(&mut RunConfigLiteral),
            "the row party together with the first attribute party",
        ),
        (
            &|literal| join(literal).links[1].key_columns = vec!["row".into()],
            "the same key columns",
        ),
        (
            &|literal| {
                join(literal).prediction = Some(Prediction {
                    rows: 10,
                    per_entity: 2,
                    budget: None,
                });
            },
            "no private scores",
        ),
        (
            &|literal| literal.modulus = Modulus::power_of_two(30).unwrap(),
            "the modulus of a joined run is",
        ),
        (
            &|literal| literal.forest.growth = hedgerow_forest::params::Growth::Greedy,
            "links_per_tree",
        ),
    ] {
        let error = said(change);
        assert!(error.contains(words), "CHK-079: {error}");
    }
    for mut literal in [mixed(2, 3), literal(3)] {
        literal.forest.links_per_tree = 2;
        let error = RunConfig::new(literal).unwrap_err().to_string();
        assert!(error.contains("links_per_tree = 2"), "{error}");
    }
}

/// One row party and one attribute party for each of two links.
fn vertical() -> RunConfigLiteral {
    let mut literal = mixed(1, 2);
    let Partition::Mixed(mut join) = literal.partition else {
        panic!()
    };
    literal.schema.features.extend([
        Column::numeric("height", 0.0, 8.0).read_through("body"),
        Column::known("body"),
    ]);
    join.links[0].party = LinkParty::Party(id(1));
    join.links.push(LinkConfig {
        name: "body".into(),
        party: LinkParty::Party(id(2)),
        key_columns: vec!["row".into()],
    });
    for party in &mut join.attribute_parties {
        party.serves.clear();
    }
    literal.partition = Partition::Vertical(join);
    literal
}

fn join(literal: &mut RunConfigLiteral) -> &mut Join {
    match &mut literal.partition {
        Partition::Mixed(join) | Partition::Vertical(join) => join,
        Partition::Horizontal => panic!("nothing is joined"),
    }
}

fn error_of(mut literal: RunConfigLiteral, change: impl FnOnce(&mut RunConfigLiteral)) -> JoinError {
    change(&mut literal);
    match RunConfig::new(literal) {
        Err(ConfigError::Join(error)) => error,
        other => panic!("CHK-051: {other:?}"),
    }
}

fn error(change: impl FnOnce(&mut RunConfigLiteral)) -> JoinError {
    error_of(mixed(2, 3), change)
}

fn with_noise(literal: RunConfigLiteral, unit: Unit) -> RunConfigLiteral {
    let mut literal = noisy(literal);
    let privacy = literal.privacy.as_mut().unwrap();
    privacy.unit = unit;
    literal
}

#[test]
fn good_ones_survive_the_wire_and_know_their_roles() {
    let padded = {
        let mut literal = mixed(2, 3);
        join(&mut literal).alignment = Alignment::Private {
            minimum: 100,
            pad: 2048,
        };
        join(&mut literal).prediction = Some(Prediction {
            rows: 10,
            per_entity: 2,
            budget: Some(ScoreBudget {
                epsilon: 1.0,
                delta: 1e-6,
            }),
        });
        literal
    };
    for literal in [
        mixed(2, 3),
        mixed(1, 1),
        vertical(),
        padded,
        with_noise(mixed(2, 3), Unit::Entity { rows: 4 }),
    ] {
        let config = RunConfig::new(literal).unwrap();
        assert_eq!(RunConfig::from_bytes(&config.to_bytes()), Ok(config), "CHK-002");
    }
    let config = RunConfig::new(mixed(2, 3)).unwrap();
    let of = |role| config.parties_of(role).cloned().collect::<Vec<_>>();
    assert_eq!(of(Role::Row), [id(0), id(1)]);
    assert_eq!(of(Role::Attributes), [id(2), id(3), id(4)]);
    assert!(config.are_counterparts(&id(0), &id(4)) && config.are_counterparts(&id(4), &id(0)));
    assert!(!config.are_counterparts(&id(0), &id(1)) && !config.are_counterparts(&id(2), &id(3)));
    assert!(!config.are_counterparts(&id(0), &id(9)), "a stranger");
    assert_eq!(config.join().unwrap().serving("bank 3"), Some(&id(3)));
    assert_eq!(config.join().unwrap().serving("bank 9"), None);
    let horizontal = RunConfig::new(literal(2)).unwrap();
    assert!(!horizontal.are_counterparts(&id(0), &id(1)));
}

#[test]
fn the_order_in_which_roles_are_written_does_not_matter() {
    let mut other = mixed(2, 3);
    join(&mut other).attribute_parties.reverse();
    join(&mut other).attribute_parties[0].serves = vec!["z".into(), "a".into()];
    let mut sorted = mixed(2, 3);
    join(&mut sorted).attribute_parties[2].serves = vec!["a".into(), "z".into()];
    let (other, sorted) = (RunConfig::new(other).unwrap(), RunConfig::new(sorted).unwrap());
    assert_eq!(other.digest(), sorted.digest());
}

#[test]
fn links_are_those_of_the_schema() {
    assert!(matches!(
        error(|c| join(c).links[0].name = "home".into()),
        JoinError::Links { .. }
    ));
    assert!(matches!(
        error(|c| join(c).links.clear()),
        JoinError::Links { .. }
    ));
    assert!(matches!(
        error(|c| c.partition = Partition::Horizontal),
        JoinError::Horizontal { .. }
    ));
    assert!(matches!(
        error(|c| join(c).links[0].key_columns.clear()),
        JoinError::Size { actual: 0, .. }
    ));
    assert!(matches!(
        error(|c| join(c).links[0].party = LinkParty::Party(id(2))),
        JoinError::LinkParty {
            partition: "mixed",
            ..
        }
    ));
    assert!(matches!(
        error_of(vertical(), |c| join(c).links[0].party =
            LinkParty::Column("bank".into())),
        JoinError::LinkParty {
            partition: "vertical",
            ..
        }
    ));
    // Keys of two links pair with one key of each attribute party.
    let two_links = |columns: &[&str]| {
        let mut literal = mixed(2, 3);
        literal.schema.features.push(Column::known("payee"));
        join(&mut literal).links.push(LinkConfig {
            name: "payee".into(),
            party: LinkParty::Column("payee bank".into()),
            key_columns: columns.iter().map(|&column| column.into()).collect(),
        });
        RunConfig::new(literal)
    };
    assert!(two_links(&["payee number"]).is_ok());
    assert!(matches!(
        two_links(&["payee branch", "payee number"]),
        Err(ConfigError::Join(JoinError::Key { actual: 2, .. }))
    ));
}

#[test]
fn roles_are_whole_and_distinct() {
    let party = |what: &str, change: fn(&mut Join)| {
        let text = error(|c| change(join(c))).to_string();
        assert!(text.contains(what), "{text}");
    };
    party("is not a party of the run", |join| {
        join.attribute_parties[0].party = id(9)
    });
    party("is named twice", |join| {
        join.attribute_parties[0].party = join.attribute_parties[1].party.clone();
    });
    party("attribute parties: 0", |join| join.attribute_parties.clear());
    party("is served by both p2 and p3", |join| {
        join.attribute_parties[1].serves.push("bank 2".into())
    });
    party("values that a party serves: 0", |join| {
        join.attribute_parties[1].serves.clear()
    });
    assert!(matches!(
        error_of(vertical(), |c| join(c).links[1].party = LinkParty::Party(id(1))),
        JoinError::AttributeParty {
            what: "is named by no link",
            ..
        }
    ));
    let all = |c: &mut RunConfigLiteral| {
        let everybody = c.parties.iter().enumerate().map(|(index, party)| AttributeParty {
            party: party.clone(),
            serves: vec![index.to_string()],
        });
        join(c).attribute_parties = everybody.collect();
    };
    assert!(matches!(error(all), JoinError::RowParties { actual: 0, .. }));
    let two_rows = |c: &mut RunConfigLiteral| {
        join(c).attribute_parties.pop();
        join(c).links.pop();
        c.schema.features.truncate(4);
    };
    assert!(matches!(
        error_of(vertical(), two_rows),
        JoinError::RowParties { actual: 2, .. }
    ));
}

#[test]
fn what_the_cryptography_cannot_do_is_refused() {
    assert_eq!(
        error(|c| c.modulus = Modulus::TWO_TO_64),
        JoinError::Modulus {
            actual: 1 << 64,
            expected: 1 << 30
        }
    );
    for segments in [0, 3, 128] {
        assert!(matches!(
            error(|c| join(c).segments = segments),
            JoinError::Segments { .. }
        ));
    }
    assert_eq!(
        error(|c| c.aggregation = in_shares(literal(5)).aggregation),
        JoinError::Aggregation
    );
    for alignment in [
        Alignment::Private { minimum: 0, pad: 0 },
        Alignment::Private { minimum: 1, pad: 3 },
        Alignment::Private {
            minimum: 1,
            pad: u32::MAX - 1,
        },
    ] {
        let text = error(|c| join(c).alignment = alignment).to_string();
        assert!(text.contains("private alignment"), "{text}");
    }
    // Twice the rows must be below 2^30 in any case.
    let many = RunConfig::new(RunConfigLiteral {
        max_rows: 1 << 29,
        ..mixed(2, 3)
    });
    assert!(many.is_err());
}

#[test]
fn units_and_scores_keep_their_bounds() {
    let entity = |rows| match RunConfig::new(with_noise(mixed(2, 3), Unit::Entity { rows })) {
        Err(ConfigError::Join(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(entity(1), JoinError::Entity { rows: 1, .. }));
    assert!(matches!(entity(1001), JoinError::Entity { rows: 1001, .. }));
    let mut horizontal = noisy(literal(5));
    horizontal.privacy.as_mut().unwrap().unit = Unit::Entity { rows: 2 };
    assert!(matches!(
        RunConfig::new(horizontal),
        Err(ConfigError::Join(JoinError::Entity { .. }))
    ));
    let good = Prediction {
        rows: 10,
        per_entity: 1,
        budget: None,
    };
    let budget = |epsilon, delta| Prediction {
        budget: Some(ScoreBudget { epsilon, delta }),
        ..good
    };
    for bad in [
        Prediction { rows: 0, ..good },
        Prediction {
            per_entity: 0,
            ..good
        },
        budget(0.0, 0.5),
        budget(f64::NAN, 0.5),
        budget(1.0, 1.0),
    ] {
        assert!(matches!(
            error(|c| join(c).prediction = Some(bad)),
            JoinError::Prediction { .. }
        ));
    }
}

#[test]
fn joined_runs_ask_one_query_with_the_whole_budget() {
    let config = RunConfig::new(with_noise(mixed(2, 3), Unit::Row)).unwrap();
    let plan = privacy::plan(&config).unwrap();
    assert_eq!(plan.len(), 1);
    let mut progression = crate::growth::Progression::start(&config).unwrap();
    let query = progression.query().unwrap();
    assert!(plan[0].covers(query));
    let cells = query.cells();
    progression.answer(&config.parties, vec![1; cells]).unwrap();
    assert!(progression.query().is_none());
    let whole = privacy::total_rho(&config.privacy.unwrap()).unwrap();
    let mechanism = privacy::mechanism(&config, &plan[0]).unwrap();
    assert!((privacy::amount(&config, &mechanism) / whole.value() - 1.0).abs() < 1e-6);
}

#[test]
fn an_entity_counts_with_all_its_rows() {
    let share = |unit| {
        let config = RunConfig::new(with_noise(mixed(2, 3), unit)).unwrap();
        assert_eq!(
            privacy::rows_per_entity(&config),
            match unit {
                Unit::Row => None,
                Unit::Entity { rows } => Some(rows / 2),
            }
        );
        match privacy::mechanism(&config, &privacy::plan(&config).unwrap()[0]).unwrap() {
            hedgerow_dp::Mechanism::DiscreteGaussian(gaussian) => gaussian.share_sigma(),
            other => panic!("no Gaussian noise: {other:?}"),
        }
    };
    // K sqrt(2 trees) against sqrt(trees).
    let ratio = share(Unit::Entity { rows: 5 }) / share(Unit::Row);
    assert!((ratio - 5.0 * 2f64.sqrt()).abs() < 0.02, "{ratio}");
}

#[test]
fn the_statement_says_what_is_promised_to_whom() {
    let notes = |literal: RunConfigLiteral| privacy::statement(&literal).unwrap().notes.join("\n");
    let row = notes(with_noise(mixed(2, 3), Unit::Row));
    assert!(row.contains("attributes: no guarantee"), "{row}");
    let entity = notes(with_noise(mixed(2, 3), Unit::Entity { rows: 4 }));
    assert!(
        entity.contains("at most 4 count") && !entity.contains("no guarantee"),
        "{entity}"
    );
    let mut plain = mixed(1, 2);
    join(&mut plain).alignment = Alignment::Plain;
    join(&mut plain).prediction = Some(Prediction {
        rows: 9,
        per_entity: 1,
        budget: None,
    });
    let text = notes(plain.clone());
    assert!(
        text.contains("alignment is plain") && text.contains("reveals the profile"),
        "{text}"
    );
    let config = RunConfig::new(plain).unwrap();
    let learns = |index| privacy::learns(&config, &id(index)).join("\n");
    assert!(learns(0).contains("the keys of every attribute party") && learns(0).contains("scores"));
    assert!(learns(1).contains("nothing of rows, labels or counts"));
    let horizontal = privacy::statement(&noisy(literal(3))).unwrap();
    assert_eq!(horizontal.notes.len(), 1, "as before");
}

/// Margins are of two parts, whose are the same for every row; and nothing is asked before a configuration is checked.
#[test]
fn boosted_trees_are_joined_over_one_link_to_one_party() {
    let boosted = |literal: &mut RunConfigLiteral| {
        literal.forest.growth = Growth::Boosted;
        literal.forest.split = SplitChoice::Random;
    };
    let of = |mut literal: RunConfigLiteral| {
        boosted(&mut literal);
        RunConfig::new(literal).unwrap_err().to_string()
    };
    let refused = of(mixed(1, 1));
    assert!(
        refused.contains("found a mixed run of 1 links and 1 attribute parties"),
        "{refused}"
    );
    // Growth has no plan for two links, whoever is at their ends.
    let refused = of(vertical());
    assert!(
        refused.contains("one link, found split Random and 2"),
        "{refused}"
    );

    let mut one = vertical();
    one.parties = (0..2).map(id).collect();
    one.schema.features.truncate(one.schema.features.len() - 2);
    let join = join(&mut one);
    join.links.truncate(1);
    join.attribute_parties.truncate(1);
    boosted(&mut one);
    (one.min_parties, one.shamir_threshold) = (2, 2);
    assert!(RunConfig::new(one.clone()).is_ok());
    // A cell may sum up a derivative of 3/4 for every row, in units of 2^-11.
    one.max_rows = 400_000;
    assert!(matches!(
        RunConfig::new(one.clone()),
        Err(ConfigError::Modulus { .. })
    ));
    one.max_rows = 1000;
    one.forest.split = SplitChoice::Greedy;
    let refused = RunConfig::new(one).unwrap_err().to_string();
    assert!(
        refused.contains("expected split \"random\" and one link"),
        "{refused}"
    );
}
