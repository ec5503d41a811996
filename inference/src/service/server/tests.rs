use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::toy::{KEYS, Toy};
use super::super::{Asking, Quota};
use super::world::{Weather, World};
use super::*;

fn small() -> Limits {
    Limits {
        transfers: 2 * (2 * KEYS as u64),
        cached_keys: 3 * 2 * KEYS as u64,
        connections: 300,
        workers: 2,
        ..Limits::default()
    }
}

#[test]
fn a_network_that_loses_repeats_and_reorders_costs_time_and_nothing_else() {
    for seed in 0..8 {
        let weather = Weather {
            lost: 15,
            twice: 15,
            late: 30,
        };
        let mut world = World::new(Limits::default(), 2, 3, weather, seed);
        world.run(600_000);
        world.right();
        // Four rows a request, three requests, each charged once.
        for client in ["c0", "c1"] {
            let charged: Vec<u64> = world
                .charges
                .iter()
                .filter(|(c, _)| c == client)
                .map(|(_, used)| *used)
                .collect();
            assert_eq!(charged, [4, 8, 12], "seed {seed}");
        }
    }
}

#[test]
fn two_hundred_clients_at_once_are_all_served_in_bounded_memory() {
    let limits = small();
    let mut world = World::new(limits.clone(), 200, 2, Weather::default(), 1);
    world.run(300_000);
    world.right();
    assert!(
        world.most.0 <= limits.transfers && world.most.1 <= limits.cached_keys,
        "{:?}",
        world.most
    );
    // First come, first served: who came as the i-th waits for two answers of everybody before, and little more.
    for i in 0..200 {
        let name = format!("c{i}");
        let at = world.done.iter().position(|done| *done == name).unwrap();
        assert!(at <= 2 * i + 40, "{name} was served after {at} answers");
    }
    assert_eq!(world.server.held().0, 0, "nothing is left over");
}

#[test]
fn a_client_with_many_connections_does_not_delay_one_with_one() {
    let limits = Limits {
        workers: 1,
        ..Limits::default()
    };
    let mut world = World::new(limits, 0, 0, Weather::default(), 1);
    for pad in 10..18 {
        world.join("greedy", pad, 20);
    }
    world.join("modest", 8, 10);
    world.run(60_000);
    // While both ask, they are served in turn: at most two of one between two of the other, and a round trip more.
    let last = world.done.iter().rposition(|name| name == "modest").unwrap();
    let greedy = world.done[..last].iter().filter(|name| *name == "greedy").count();
    assert!(
        greedy <= 35,
        "{greedy} answers of the other came before the modest client's ten"
    );
}

#[test]
fn what_a_client_leaves_behind_is_gone_after_a_while() {
    for after in 1..60 {
        let limits = Limits {
            idle: Duration::from_secs(5),
            ..Limits::default()
        };
        let mut world = World::new(limits, 1, 1, Weather::default(), 1);
        for _ in 0..after {
            world.step();
        }
        world.server.handle_closed(0, world.now);
        world.people.clear();
        for _ in 0..7_000 {
            world.step();
        }
        assert_eq!(world.server.held().0, 0, "gone after {after} ms");
        assert!(world.server.conns.is_empty() && world.server.tasks.is_empty());
        assert!(
            world.server.cache.reserve(Limits::default().cached_keys),
            "keys that nobody uses make room"
        );
    }
}

#[test]
fn an_upload_goes_on_where_the_connection_broke() {
    let mut world = World::new(Limits::default(), 1, 1, Weather::default(), 1);
    // All chunks of the keys are on their way; the first arrives, then the line is cut.
    loop {
        world.outputs();
        if world.people[0].chunks_sent > 0 {
            break;
        }
        world.step();
    }
    world
        .wire
        .retain(|(.., message)| matches!(message, Message::Chunk { .. }));
    assert_eq!(world.wire.len(), KEYS.div_ceil(super::super::wire::CHUNK));
    world.wire.truncate(1);
    world.step();
    world.wire.clear();
    world.server.handle_closed(0, world.now);
    world.server.handle_connected(77, "c0", world.now);
    world.people[0].conn = 77;
    let before = world.people[0].chunks_sent;
    world.people[0].machine.handle_connected(world.now);
    world.run(60_000);
    world.right();
    let all = KEYS.div_ceil(super::super::wire::CHUNK);
    // Keys less the chunk that had arrived, and one request.
    assert_eq!(world.people[0].chunks_sent - before, all - 1 + 1);
    assert_eq!(world.charges.len(), 1);
}

fn fails(limits: Limits, name: &str, questions: u64) -> String {
    let mut world = World::new(limits, 0, 0, Weather::default(), 1);
    world.join(name, 0, questions);
    world.run(60_000);
    let said = world.people[0].failed.clone().unwrap().to_string();
    assert!(
        world
            .notes
            .iter()
            .any(|note| note.starts_with(&format!("{name}: "))),
        "{:?}",
        world.notes
    );
    said
}

#[test]
fn limits_are_kept_and_named() {
    let with = |quota: Quota| Limits {
        quota,
        ..Limits::default()
    };
    let listed = Limits {
        clients: Some(vec!["bank".into()]),
        ..Limits::default()
    };
    assert!(fails(listed, "stranger", 1).contains("does not name this client"));
    let rate = Quota {
        per_minute: Some(8),
        budget: None,
    };
    let said = fails(with(rate), "bank", 3);
    assert!(
        said.contains("8 rows in a minute") && said.contains("again in 30 s"),
        "{said}"
    );
    let budget = Quota {
        per_minute: None,
        budget: Some(9),
    };
    let said = fails(with(budget), "bank", 3);
    assert!(said.contains("8 of 9 rows"), "{said}");
    let mut world = World::new(
        Limits {
            connections: 2,
            ..Limits::default()
        },
        3,
        1,
        Weather::default(),
        1,
    );
    world.run(60_000);
    assert!(
        world.people[2]
            .failed
            .clone()
            .unwrap()
            .to_string()
            .contains("2 connections at once")
    );
    let alone = Limits {
        connections_per_client: 1,
        ..Limits::default()
    };
    let mut world = World::new(alone, 0, 0, Weather::default(), 1);
    world.join("bank", 0, 1);
    world.join("bank", 1, 1);
    world.run(60_000);
    assert!(
        world.people[1]
            .failed
            .clone()
            .unwrap()
            .to_string()
            .contains("of one client")
    );
}

#[test]
fn a_budget_survives_the_server() {
    let quota = Quota {
        per_minute: None,
        budget: Some(9),
    };
    let limits = Limits {
        quota,
        ..Limits::default()
    };
    let mut world = World::new(limits.clone(), 0, 0, Weather::default(), 1);
    let used = BTreeMap::from([("bank".to_owned(), 8)]);
    world.server = ServerMachine::new(limits, vec![Arc::new(Toy::new("toy"))], used).unwrap();
    world.join("bank", 0, 1);
    world.run(60_000);
    assert!(
        world.people[0]
            .failed
            .clone()
            .unwrap()
            .to_string()
            .contains("8 of 9")
    );
}

/// The words of the first refusal after these messages of one client.
fn refusal(messages: Vec<Message>) -> String {
    let mut world = World::new(Limits::default(), 0, 0, Weather::default(), 1);
    world.server.handle_connected(5, "bank", world.now);
    for message in messages {
        world.server.handle_message(5, message, world.now);
    }
    for _ in 0..10 {
        world.step();
    }
    let (held, _) = world.server.held();
    assert!(held <= 400_000, "{held}");
    world.notes.first().cloned().unwrap_or_default()
}

#[test]
fn sizes_are_checked_before_anything_is_kept_and_errors_name_the_client() {
    let hello = || Message::Hello { model: String::new() };
    let put = |what, blob, bytes| Message::Put {
        what,
        blob,
        bytes,
        about: NONE,
    };
    let blob = Digest([1; 32]);
    for bytes in [0, KEYS as u64 + 1, u64::MAX] {
        let said = refusal(vec![hello(), put(What::Keys, blob, bytes)]);
        assert!(
            said.contains("evaluation keys of bank") && said.contains(&bytes.to_string()),
            "{said}"
        );
    }
    assert!(refusal(vec![put(What::Keys, blob, 1)]).contains("name a model"));
    assert!(refusal(vec![hello(), put(What::Answer, blob, 1)]).contains("does not send an answer"));
    assert!(refusal(vec![Message::NeedKeys { keys: blob }]).contains("does not send"));
    let other = Message::Hello {
        model: "other".into(),
    };
    assert!(refusal(vec![other]).contains("no model \"other\" here; served: toy"));
    // Keys that are not what their digest says, and keys that the model refuses.
    let send = |name: Digest, data: Vec<u8>| {
        let chunks = data
            .chunks(1000)
            .enumerate()
            .map(move |(i, part)| Message::Chunk {
                blob: name,
                offset: i as u64 * 1000,
                data: part.to_vec(),
            });
        let mut messages = vec![hello(), put(What::Keys, name, data.len() as u64)];
        messages.extend(chunks);
        messages
    };
    assert!(refusal(send(blob, vec![7; KEYS])).contains("as announced"));
    let mixed: Vec<u8> = (0..KEYS).map(|i| i as u8).collect();
    let said = refusal(send(name_of(&mixed), mixed));
    assert!(said.contains("evaluation keys of bank: toy keys"), "{said}");
    // Keys of another client are not this client's.
    let mut world = World::new(Limits::default(), 1, 1, Weather::default(), 1);
    world.run(60_000);
    world.server.handle_connected(9, "thief", world.now);
    world.server.handle_message(9, hello(), world.now);
    let about = name_of(&world.people[0].toy.keys().unwrap());
    let request = Message::Put {
        what: What::Request,
        blob,
        bytes: 5,
        about,
    };
    world.server.handle_message(9, request, world.now);
    let needs = std::iter::from_fn(|| world.server.poll_output())
        .any(|output| matches!(output, Output::Send(9, Message::NeedKeys { keys }) if keys == about));
    assert!(needs);
}

fn message() -> impl Strategy<Value = Message> {
    let blob = || (0..4u8).prop_map(|byte| Digest([byte; 32]));
    let number = || prop_oneof![0..400_000u64, Just(u64::MAX)];
    let what = prop_oneof![
        Just(What::Offer),
        Just(What::Keys),
        Just(What::Request),
        Just(What::Answer)
    ];
    prop_oneof![
        prop_oneof![Just(""), Just("toy"), Just("x")]
            .prop_map(|model| Message::Hello { model: model.into() }),
        (what, blob(), number(), blob()).prop_map(|(what, blob, bytes, about)| Message::Put {
            what,
            blob,
            bytes,
            about
        }),
        (blob(), number()).prop_map(|(blob, offset)| Message::Ready { blob, offset }),
        (blob(), number(), 1..100_000usize).prop_map(|(blob, offset, size)| Message::Chunk {
            blob,
            offset,
            data: vec![1; size]
        }),
        (blob(), 0..100_000u64).prop_map(|(blob, size)| Message::Chunk {
            blob,
            offset: 0,
            data: vec![1; size as usize + 1]
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nonsense_is_survived_in_bounded_memory(messages in prop::collection::vec((0..3u64, message()), 1..80)) {
        let limits = small();
        let mut world = World::new(limits.clone(), 0, 0, Weather::default(), 1);
        for conn in 0..3 {
            world.server.handle_connected(conn, &format!("c{}", conn % 2), world.now);
            world.server.handle_message(conn, Message::Hello { model: String::new() }, world.now);
        }
        for (conn, message) in messages {
            world.server.handle_message(conn, message, world.now);
            world.step();
        }
        prop_assert!(world.most.0 <= limits.transfers && world.most.1 <= limits.cached_keys);
        for conn in 0..3 {
            world.server.handle_closed(conn, world.now);
        }
        for _ in 0..20 {
            world.step();
        }
        world.now += Duration::from_secs(100);
        world.step();
        prop_assert_eq!(world.server.held().0, 0);
    }
}
