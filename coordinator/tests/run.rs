//! A coordinator's process from its files to its model, with parties over real QUIC.

mod support;

use std::time::Duration;

use hedgerow_coordinator::report::RoundsFile;
use hedgerow_coordinator::{CoordinatorError, Ending, MODEL_FILE, PROCESS_FILE, ROUNDS_FILE};
use hedgerow_edge::progress::ProgressEvent;
use hedgerow_edge::telemetry::ProcessReport;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::coordinator::RunFailure;
use hedgerow_protocol::growth::Progression;
use hedgerow_protocol::ids::PartyId;
use support::{Coordinator, Deployment, PARTIES, read, table, total};

/// The model that the survivors' data gives, grown without any protocol.
fn replay(rounds: &RoundsFile) -> String {
    let config = RunConfig::from_bytes(&hex::decode(&rounds.config).unwrap()).unwrap();
    let mut growth = Progression::start(&config).unwrap();
    for round in &rounds.rounds {
        let totals = table(growth.query().unwrap(), total(&round.survivors)).into_cells();
        assert_eq!(totals.len(), round.cells);
        growth.answer(&round.survivors, totals).unwrap();
    }
    growth
        .forest()
        .expect("two answers give a model")
        .to_json()
        .unwrap()
}

fn rounds(deployment: &Deployment) -> RoundsFile {
    serde_json::from_str(&read(&deployment.path("out").join(ROUNDS_FILE))).unwrap()
}

async fn end(coordinator: Coordinator) -> Result<Ending, CoordinatorError> {
    tokio::time::timeout(Duration::from_secs(60), coordinator.task)
        .await
        .expect("the process ends")
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_gives_everybody_the_replayed_model_and_leaves_its_files() {
    let deployment = Deployment::new("North", 4);
    let (coordinator, _) = deployment.start().await;
    let parties = PARTIES.map(|id| deployment.party(id));
    assert_eq!(end(coordinator).await.unwrap(), Ending::Finished);
    let model = read(&deployment.path("out").join(MODEL_FILE));
    for party in parties {
        assert_eq!(party.await.unwrap(), model);
    }
    let rounds = rounds(&deployment);
    assert_eq!(model, replay(&rounds));
    assert_eq!(rounds.rounds.len(), 2);
    let kinds: Vec<&str> = rounds.rounds.iter().map(|round| round.kind.as_str()).collect();
    assert_eq!(kinds, ["leaves", "threshold"]);
    assert!(
        rounds
            .rounds
            .iter()
            .all(|round| round.survivors.len() == 4 && round.seconds.is_some())
    );
    assert!(rounds.privacy.is_none());
    assert!(rounds.timings.train.is_some() && rounds.timings.enrol.is_some());
    assert_eq!(rounds.confirmed.len(), 4);
    let process: ProcessReport =
        serde_json::from_str(&read(&deployment.path("state").join(PROCESS_FILE))).unwrap();
    assert_eq!(
        (process.id.as_str(), process.role.as_str()),
        ("hub", "coordinator")
    );
    assert!(
        process.bytes_sent > 1000 && process.bytes_received > 1000,
        "{process:?}"
    );

    // Started again, a finished run is still finished: nothing is asked of anybody.
    let (coordinator, _) = deployment.start().await;
    assert_eq!(end(coordinator).await.unwrap(), Ending::Finished);
    assert_eq!(read(&deployment.path("out").join(MODEL_FILE)), model);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_at_any_step_and_started_again_it_gives_the_same_model() {
    let deployment = Deployment::new("North", 4);
    let (mut coordinator, _) = deployment.start().await;
    let parties = PARTIES.map(|id| deployment.party(id));
    let mut stops = 0;
    let mut patience = 1;
    let ending = loop {
        // A little further each time, so that every kind of step is the last one of some life.
        let mut seen = 0;
        while seen < patience && coordinator.heard.recv().await.is_some() {
            seen += 1;
        }
        coordinator.shutdown.request();
        match end(coordinator).await.unwrap() {
            Ending::Finished => break Ending::Finished,
            Ending::Stopped => stops += 1,
        }
        patience += 2;
        (coordinator, _) = deployment.start().await;
    };
    assert_eq!(ending, Ending::Finished);
    assert!(stops >= 3, "{stops} stops");
    let model = read(&deployment.path("out").join(MODEL_FILE));
    assert_eq!(model, replay(&rounds(&deployment)));
    for party in parties {
        assert_eq!(party.await.unwrap(), model, "after {stops} stops");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_that_never_comes_is_named() {
    let deployment = Deployment::new("North", 4);
    let text = read(&deployment.path("coordinator.toml")).replace("enrol_s = 20", "enrol_s = 1");
    std::fs::write(deployment.path("coordinator.toml"), text).unwrap();
    let (coordinator, _) = deployment.start().await;
    let parties = ["a", "b", "d"].map(|id| deployment.party(id));
    let error = end(coordinator).await.unwrap_err();
    assert!(
        matches!(error, CoordinatorError::Run(RunFailure::TooFew { .. })),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("missing: c (never connected)"),
        "{error}"
    );
    for party in parties {
        assert!(party.await.unwrap().contains("c (never connected)"));
    }
    assert!(!deployment.path("out").join(MODEL_FILE).exists());
    assert!(deployment.path("state").join(PROCESS_FILE).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_of_four_are_enough_where_three_are_asked_for() {
    let deployment = Deployment::new("North", 3);
    let text = read(&deployment.path("coordinator.toml")).replace("enrol_s = 20", "enrol_s = 1");
    std::fs::write(deployment.path("coordinator.toml"), text).unwrap();
    let (coordinator, _) = deployment.start().await;
    let parties = ["a", "b", "d"].map(|id| deployment.party(id));
    assert_eq!(end(coordinator).await.unwrap(), Ending::Finished);
    let rounds = rounds(&deployment);
    let expected: Vec<PartyId> = ["a", "b", "d"].map(|id| PartyId::new(id).unwrap()).to_vec();
    assert!(rounds.rounds.iter().all(|round| round.survivors == expected));
    let model = replay(&rounds);
    for party in parties {
        assert_eq!(party.await.unwrap(), model);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_that_missed_the_end_gets_the_model_from_a_coordinator_that_is_started_again() {
    let deployment = Deployment::new("North", 3);
    let (coordinator, _) = deployment.start().await;
    let early = deployment.party_without_last_word("a");
    let others = ["b", "c", "d"].map(|id| deployment.party(id));
    assert_eq!(end(coordinator).await.unwrap(), Ending::Finished);
    let model = read(&deployment.path("out").join(MODEL_FILE));
    for party in others {
        assert_eq!(party.await.unwrap(), model);
    }
    assert_eq!(early.await.unwrap(), model);
    let confirmed: Vec<String> = rounds(&deployment)
        .confirmed
        .iter()
        .map(|c| c.party.to_string())
        .collect();
    assert_eq!(confirmed, ["b", "c", "d"]);

    let text = read(&deployment.path("coordinator.toml")).replace("grace_s = 2", "grace_s = 30");
    std::fs::write(deployment.path("coordinator.toml"), text).unwrap();
    let (coordinator, _) = deployment.start().await;
    let late = deployment.party("a");
    assert_eq!(late.await.unwrap(), model);
    assert_eq!(end(coordinator).await.unwrap(), Ending::Finished);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_stay_outside_and_twins_do_not_disturb() {
    let deployment = Deployment::new("North", 4);
    let other = Deployment::new("South", 4);
    let (coordinator, _) = deployment.start().await;
    let refusal = other.party_at("a", &deployment).await.unwrap();
    assert!(refusal.contains("another consortium"), "{refusal}");

    // A second certificate for "a", of the same consortium: two parties with one id.
    let folder = deployment.path("identities");
    let twin = deployment.path("twin");
    let subject = hedgerow_edge::certificate::Subject::Party(PartyId::new("a").unwrap());
    hedgerow_edge::provision::request(&twin, &subject).unwrap();
    let review =
        hedgerow_edge::provision::Review::read(&twin.join(hedgerow_edge::provision::REQUEST_FILE)).unwrap();
    let validity = hedgerow_edge::provision::Validity::days(1).unwrap();
    let certificate = twin.join("cert.pem");
    hedgerow_edge::provision::sign(&folder.join("ca"), &review, validity, &certificate).unwrap();
    let now = hedgerow_edge::certificate::now();
    hedgerow_edge::provision::install(&twin, &certificate, &folder.join("ca").join("ca.pem"), now).unwrap();

    let mut heard = coordinator.heard;
    let first = deployment.party("a");
    while !matches!(heard.recv().await, Some(ProgressEvent::Phase { step: 1, .. })) {}
    std::fs::rename(folder.join("a"), folder.join("a-first")).unwrap();
    std::fs::rename(&twin, folder.join("a")).unwrap();
    let second = deployment.party("a");
    let others = ["b", "c", "d"].map(|id| deployment.party(id));
    let outcome = end(Coordinator { heard, ..coordinator }).await.unwrap();
    assert_eq!(outcome, Ending::Finished);
    let model = read(&deployment.path("out").join(MODEL_FILE));
    assert_eq!(first.await.unwrap(), model);
    for party in others {
        assert_eq!(party.await.unwrap(), model);
    }
    second.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_gets_wrong_is_said_in_one_line() {
    let deployment = Deployment::new("North", 4);
    let (coordinator, address) = deployment.start().await;

    // The state is in use, and another deployment cannot have the port.
    let fail = async |deployment: &Deployment| {
        let path = deployment.path("coordinator.toml");
        let progress = hedgerow_edge::progress::Progress::silent();
        let shutdown = hedgerow_edge::drive::Shutdown::new();
        let error = hedgerow_coordinator::run(&path, progress, shutdown)
            .await
            .unwrap_err()
            .to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    let error = fail(&deployment).await;
    assert!(error.contains("in use by another process"), "{error}");
    let second = Deployment::new("North", 4);
    second.listen(&address);
    let error = fail(&second).await;
    assert!(
        error.contains("is in use by another process: stop that one, or choose another port"),
        "{error}"
    );

    // The run in the state folder is not the one that the file describes any more.
    coordinator.shutdown.request();
    assert_eq!(end(coordinator).await.unwrap(), Ending::Stopped);
    deployment.write_consortium(4, 5);
    let error = fail(&deployment).await;
    assert!(
        error.contains("has changed since run") && error.contains("[forest]"),
        "{error}"
    );

    // An identity that is missing, or a party's.
    let coordinator_toml = read(&second.path("coordinator.toml"));
    std::fs::write(
        second.path("coordinator.toml"),
        coordinator_toml.replace("identities/hub", "nowhere"),
    )
    .unwrap();
    let error = fail(&second).await;
    assert!(
        error.contains("no identity in") && error.contains("hedgerow provision"),
        "{error}"
    );
    std::fs::write(
        second.path("coordinator.toml"),
        coordinator_toml.replace("identities/hub", "identities/a"),
    )
    .unwrap();
    let error = fail(&second).await;
    assert!(
        error.contains("is that of party a, and a coordinator needs its own"),
        "{error}"
    );

    // Another consortium's certificate in the own folder.
    let third = Deployment::new("South", 4);
    std::fs::copy(
        third.path("identities/hub/cert.pem"),
        second.path("identities/hub/cert.pem"),
    )
    .unwrap();
    std::fs::write(second.path("coordinator.toml"), coordinator_toml).unwrap();
    let error = fail(&second).await;
    assert!(error.contains("is of another consortium"), "{error}");
}
