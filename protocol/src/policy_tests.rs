//! Each rule refuses by the name of its key.

use hedgerow_dp::Cost;

use super::*;
use crate::config::join_tests::mixed;
use crate::config::{Join, RunConfigLiteral};
use crate::party::tests::support::{literal, noisy};

fn check(policy: &Policy) -> Result<(), Refusal> {
    policy.check(&RunConfig::new(noisy(literal(5))).unwrap())
}

#[test]
fn each_key_refuses_by_its_own_name() {
    let fits = Policy {
        min_parties: 4,
        ..Policy::default()
    };
    assert_eq!(check(&fits), Ok(()), "CHK-004");
    let refusals = [
        (
            Policy {
                max_epsilon: 0.5,
                ..fits.clone()
            },
            "max_epsilon",
        ),
        (
            Policy {
                max_epsilon: f64::NAN,
                ..fits.clone()
            },
            "max_epsilon",
        ),
        (
            Policy {
                max_delta: 1e-7,
                ..fits.clone()
            },
            "max_delta",
        ),
        (
            Policy {
                min_parties: 5,
                ..fits.clone()
            },
            "min_parties",
        ),
        (
            Policy {
                min_collusion: 2,
                ..fits.clone()
            },
            "min_collusion",
        ),
        (
            Policy {
                allowed_columns: Some(vec!["age".into()]),
                ..fits.clone()
            },
            "allowed_columns",
        ),
        (
            Policy {
                max_queries: 1,
                ..fits.clone()
            },
            "max_queries",
        ),
        (
            Policy {
                allowed_growths: Some(vec![Growth::Greedy]),
                ..fits.clone()
            },
            "allowed_growths",
        ),
    ];
    for (policy, key) in refusals {
        let text = check(&policy).unwrap_err().to_string();
        assert!(text.contains(&format!("policy key `{key}`")), "{text}");
    }
    let both = Policy {
        allowed_columns: Some(vec!["sex".into(), "age".into()]),
        ..fits
    };
    assert_eq!(check(&both), Ok(()));
}

#[test]
fn a_run_without_noise_needs_leave() {
    let exact = RunConfig::new(literal(5)).unwrap();
    assert_eq!(Policy::default().check(&exact), Err(Refusal::NoNoise));
    assert_eq!(
        Policy {
            require_noise: false,
            ..Policy::default()
        }
        .check(&exact),
        Ok(())
    );
}

#[test]
fn each_key_about_joins_refuses_by_its_own_name() {
    use crate::config::{Prediction, ScoreBudget};

    let open = Policy {
        require_noise: false,
        min_parties: 2,
        ..Policy::default()
    };
    let join = |literal: &mut RunConfigLiteral, change: fn(&mut Join)| match &mut literal.partition {
        Partition::Mixed(join) => change(join),
        _ => panic!("nothing is joined"),
    };
    let refused = |policy: &Policy, key: &str, change: &dyn Fn(&mut RunConfigLiteral)| {
        let mut literal = mixed(1, 3);
        change(&mut literal);
        let text = policy
            .check(&RunConfig::new(literal).unwrap())
            .unwrap_err()
            .to_string();
        assert!(text.contains(&format!("policy key `{key}`")), "CHK-004: {text}");
    };
    assert_eq!(open.check(&RunConfig::new(mixed(1, 3)).unwrap()), Ok(()));
    let horizontal_only = Policy {
        allowed_partitions: Some(vec![PartitionName::Horizontal]),
        ..open.clone()
    };
    refused(&horizontal_only, "allowed_partitions", &|_| ());
    assert_eq!(
        horizontal_only.check(&RunConfig::new(literal(3)).unwrap()),
        Ok(())
    );
    refused(&open, "plain_alignment", &|c| {
        join(c, |join| join.alignment = Alignment::Plain)
    });
    let single = Policy {
        max_links_per_tree: 1,
        ..open.clone()
    };
    let chained = crate::config::join_tests::chained;
    assert_eq!(open.check(&RunConfig::new(chained()).unwrap()), Ok(()));
    refused(&single, "max_links_per_tree", &|c| *c = chained());
    let padded = Policy {
        min_pad: 100,
        ..open.clone()
    };
    refused(&padded, "min_pad", &|_| ());
    let of_rows = |unit| {
        move |c: &mut RunConfigLiteral| {
            *c = noisy(c.clone());
            let privacy = c.privacy.as_mut().unwrap();
            privacy.unit = unit;
        }
    };
    let entities = Policy {
        require_entity_unit: true,
        max_rows_per_entity: Some(4),
        ..open.clone()
    };
    refused(&entities, "require_entity_unit", &of_rows(Unit::Row));
    refused(
        &entities,
        "max_rows_per_entity",
        &of_rows(Unit::Entity { rows: 5 }),
    );
    let scores = |c: &mut RunConfigLiteral| {
        join(c, |join| {
            join.prediction = Some(Prediction {
                rows: 10,
                per_entity: 1,
                budget: None,
            });
        });
    };
    refused(&open, "max_scores", &scores);
    let some = Policy {
        max_scores: 10,
        ..open.clone()
    };
    refused(&some, "exact_scores", &scores);
    let mut literal = mixed(1, 3);
    scores(&mut literal);
    join(&mut literal, |join| {
        if let Some(prediction) = &mut join.prediction {
            prediction.budget = Some(ScoreBudget {
                epsilon: 1.0,
                delta: 1e-6,
            });
        }
    });
    assert_eq!(some.check(&RunConfig::new(literal).unwrap()), Ok(()));
}

#[test]
fn the_ledger_holds_one_run_unless_told() {
    let capacity = |policy: Policy| policy.books().unwrap().capacity().unwrap();
    let one = capacity(Policy::default());
    let four = capacity(Policy {
        total_epsilon: Some(4.0),
        ..Policy::default()
    });
    assert_eq!(one, rho_for(&Budget::new(1.0, 1e-6).unwrap()).unwrap());
    assert!(four > one);
}

#[test]
fn books_without_delta_count_epsilons() {
    let policy = Policy {
        max_delta: 0.0,
        ..Policy::default()
    };
    let books = policy.books().unwrap();
    assert_eq!(books.capacity().unwrap().value(), 1.0);
    assert_eq!(
        books.amount(&Cost::Zcdp(Rho::new(1e-3).unwrap())),
        None,
        "Gaussian noise has no price in them"
    );
}

#[test]
fn pure_noise_needs_no_delta_and_must_be_allowed() {
    let config = |mechanism| {
        let mut literal = noisy(literal(4));
        let privacy = literal.privacy.as_mut().unwrap();
        (privacy.mechanism, privacy.epsilon, privacy.delta) = (mechanism, 0.5, 1e-3);
        RunConfig::new(literal).unwrap()
    };
    let policy = Policy::default();
    assert_eq!(policy.check(&config(Noise::DiscreteLaplace)), Ok(()));
    assert!(matches!(
        policy.check(&config(Noise::Skellam)),
        Err(Refusal::Delta { .. })
    ));
    let policy = Policy {
        allowed_mechanisms: Some(vec![Noise::DiscreteGaussian]),
        ..Policy::default()
    };
    let refusal = policy.check(&config(Noise::DiscreteLaplace)).unwrap_err();
    assert!(refusal.to_string().contains("discrete-laplace"), "{refusal}");
}
