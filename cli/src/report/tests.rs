use super::*;

fn process(id: &str, sent: u64) -> Process {
    Process {
        id: id.into(),
        complete: true,
        peak_rss_mib: 41.5,
        cpu_seconds: 0.5,
        bytes_sent: sent,
        bytes_received: 2 * sent,
        train_rows: (id != "coordinator").then_some(100),
        test_rows: (id != "coordinator").then_some(30),
        entities: None,
        bytes_predicted: None,
    }
}

/// A small report with every part filled.
pub fn sample(epsilon: Option<f64>) -> Report {
    let curve: Vec<(f64, f64)> = (0..=20)
        .map(|i| (f64::from(i) / 20.0, (f64::from(i) / 20.0).sqrt()))
        .collect();
    let series = Series {
        federated: curve.clone(),
        pooled: thin(&curve, 7),
        best_single: vec![(0.0, 0.0), (1.0, 1.0)],
    };
    let span = |id: &str, phase: &str, start: f64| Span {
        id: id.into(),
        phase: phase.into(),
        start,
        end: start + 0.7,
    };
    let metrics = Metrics {
        auprc: 0.71,
        auroc: 0.88,
        accuracy: 0.84,
    };
    Report {
        hedgerow: "0.0.0",
        task: "<script>income</script>".into(),
        scenario: "adult".into(),
        created: "2026-01-01T00:00:00Z".into(),
        metrics,
        pooled: metrics,
        best_single: BestSingle {
            id: "b".into(),
            metrics,
        },
        identical_to_pooled: epsilon.is_none().then_some(true),
        scores_identical: None,
        audit: epsilon.map(|claim| audit::Audit {
            runs: 3,
            canaries: 40,
            confidence: 0.999,
            delta: 1e-6,
            claimed_epsilon: Some(claim),
            bounds_above_the_claim: Some(0),
            advantage_allowed: Some(0.46),
            adversaries: vec![audit::Adversary {
                sees: "published model",
                largest_lower_bound: 0.123,
                mean_lower_bound: 0.01,
                auc: Some(0.517),
                advantage: None,
            }],
        }),
        learned: Vec::new(),
        notes: Vec::new(),
        rounds: vec![Round {
            id: "0.0".into(),
            kind: "leaves".into(),
            survivors: vec!["a".into(), "b".into()],
            cells: 64,
            seconds: Some(0.4),
        }],
        privacy: Privacy {
            epsilon,
            delta: epsilon.map(|_| 1e-6),
            unit: "row",
            spent: epsilon.unwrap_or(0.0),
            stages: vec![Stage {
                name: "leaf counts".into(),
                queries: 1,
                cells: 128,
                rho: 0.01,
                sigma: epsilon.map(|_| (3.5, 3.5)),
            }],
            ledgers: vec![Ledger {
                id: "a".into(),
                entries: vec![Charge {
                    label: "leaf counts".into(),
                    rho: 0.01,
                }],
                rho: 0.01,
                epsilon: 0.7,
            }],
        },
        seconds: Seconds {
            total: 3.0,
            train: 1.0,
            predict: 0.5,
            baselines: 1.0,
            split: None,
        },
        coordinator: process("coordinator", 120_000),
        parties: vec![process("a", 60_000), process("b", 61_000)],
        settings: Settings {
            partition: "horizontal",
            alignment: None,
            trees: 8,
            depth: 3,
            bins: 16,
            growth: "random",
            why: "because it is a test".into(),
            aggregation: "masked",
            min_parties: 2,
            collusion: 1,
            features: 5,
            schema_derived: true,
        },
        curves: Curves {
            roc: series.clone(),
            pr: series,
        },
        timeline: vec![
            span("coordinator", "enrol", 0.0),
            span("a", "count", 0.7),
            span("b", "count", 0.6),
        ],
    }
}

#[test]
fn json_has_the_keys_that_other_programs_read() {
    let json = serde_json::to_value(sample(Some(1.0))).unwrap();
    for pointer in [
        "/metrics/auprc",
        "/metrics/auroc",
        "/metrics/accuracy",
        "/pooled/auprc",
        "/pooled/auroc",
        "/pooled/accuracy",
        "/best_single/auprc",
        "/best_single/auroc",
        "/best_single/accuracy",
        "/identical_to_pooled",
        "/rounds/0/id",
        "/rounds/0/survivors/1",
        "/privacy/epsilon",
        "/privacy/delta",
        "/privacy/unit",
        "/privacy/spent",
        "/seconds/total",
        "/seconds/train",
        "/seconds/predict",
        "/parties/0/id",
        "/parties/0/peak_rss_mib",
        "/parties/0/bytes_sent",
        "/parties/0/bytes_received",
    ] {
        assert!(json.pointer(pointer).is_some(), "{pointer}");
    }
    assert!(json["identical_to_pooled"].is_null());
    assert_eq!(
        serde_json::to_value(sample(None)).unwrap()["identical_to_pooled"],
        true
    );
}

#[test]
fn the_page_stands_alone_and_escapes_names() {
    for epsilon in [None, Some(1.0)] {
        let page = html::page(&sample(epsilon)).unwrap();
        assert!(!page.contains("<script"), "a task's name became markup");
        assert!(page.contains("&lt;script&gt;income"));
        // Nothing is fetched: the only address is the SVG name space.
        let addresses: Vec<_> = page
            .match_indices("http")
            .map(|(at, _)| &page[at..at + 26])
            .collect();
        assert!(
            addresses
                .iter()
                .all(|address| *address == "http://www.w3.org/2000/svg"),
            "{addresses:?}"
        );
        assert_eq!(page.matches("<svg").count(), 2);
    }
}

#[test]
fn the_style_sheet_knows_every_placeholder_colour() {
    let page = html::page(&sample(None)).unwrap();
    for colour in ["#010101", "#020202", "#030303", "#040404"] {
        assert!(
            page.contains(&format!("stroke=\"{colour}\"")),
            "{colour} is not drawn"
        );
        assert!(
            include_str!("style.css").contains(&format!("[stroke=\"{colour}\"]")),
            "{colour} has no style"
        );
    }
}

#[test]
fn thinning_keeps_both_ends() {
    let points: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), 0.0)).collect();
    let thinned = thin(&points, 100);
    assert!(thinned.len() <= 101);
    assert_eq!((thinned.first(), thinned.last()), (points.first(), points.last()));
    assert_eq!(thin(&points[..1], 100).len(), 1);
    assert!(thin(&[], 100).is_empty());
}

/// The same of a joined run.
fn joined() -> Report {
    let mut report = sample(None);
    report.settings.partition = "mixed";
    report.settings.alignment = Some("private");
    report.scores_identical = Some(true);
    report.learned = vec![learned::Learned {
        who: vec!["a".into()],
        role: "rows",
        promise: "nothing <at> all".into(),
        learned: vec!["the scores that it asks about".into()],
    }];
    report.notes = vec!["a score reveals the profile".into()];
    report.seconds.split = Some(Split {
        alignment: 1.25,
        encryption: 0.5,
        inner_products: 2.0,
        summation: 0.25,
        prediction: 0.75,
    });
    report.parties[1].entities = Some(1234);
    report
}

#[test]
fn joined_runs_say_what_each_role_learned_and_where_the_time_went() {
    let report = joined();
    let json = serde_json::to_value(&report).unwrap();
    for (key, seconds) in [("alignment", 1.25), ("inner_products", 2.0), ("prediction", 0.75)] {
        assert_eq!(json["seconds"][key], seconds, "{key}");
    }
    assert_eq!(json["learned"][0]["role"], "rows");
    assert_eq!(json["parties"][1]["entities"], 1234);
    let page = html::page(&report).unwrap();
    for part in [
        "nothing &lt;at&gt; all",
        "inner products",
        "1234",
        "to the last bit",
        "b alone, own columns",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let text = table::text(&report);
    for part in ["bit for bit", "1.2 alignment", "- a score reveals the profile"] {
        assert!(text.contains(part), "{part} missing in\n{text}");
    }
    let plain = serde_json::to_value(sample(None)).unwrap();
    assert!(
        plain["seconds"].get("alignment").is_none(),
        "horizontal runs have no such phases"
    );
}

#[test]
fn the_terminal_shows_all_three_models() {
    let text = table::text(&sample(Some(0.5)));
    for part in [
        "federated, epsilon 0.5",
        "pooled",
        "best party alone (b)",
        "coordinator",
        "0.7100",
        "0.8800",
        "0.8400",
    ] {
        assert!(text.contains(part), "{part} missing in\n{text}");
    }
}

#[test]
fn an_audit_stands_beside_the_claim() {
    let report = sample(Some(1.0));
    let page = html::page(&report).unwrap();
    assert!(
        page.contains("<h2>Audit</h2>") && page.contains("0.123"),
        "the largest lower bound is shown"
    );
    let text = table::text(&report);
    assert!(
        text.contains("0 of 3 lower bounds are above the claimed epsilon 1"),
        "{text}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["audit"]["adversaries"][0]["largest_lower_bound"], 0.123);
    let exact = html::page(&sample(None)).unwrap();
    assert!(!exact.contains("<h2>Audit</h2>"), "none was asked for");
}
