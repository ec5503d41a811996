//! Many clients at once, of whom some are cut off in the middle of anything.

use proptest::prelude::*;

use super::super::toy::KEYS;
use super::world::{Weather, World};
use super::*;

/// A cut: after so many steps, which client, and after how many more it is back; not at all for 0.
type Cut = (u64, usize, u64);

/// Runs until every client that is still there has its answers. Tells which clients were never cut.
fn run(world: &mut World, cuts: &[Cut]) -> Vec<bool> {
    let mut untouched = vec![true; world.people.len()];
    let mut back: Vec<(u64, usize)> = Vec::new();
    let mut fresh = 10_000;
    for step in 0..400_000 {
        let due = |at: &u64| *at == step;
        // An answer that is in the client's hands is its own, whatever becomes of its connection.
        world.outputs();
        for (_, person, pause) in cuts.iter().filter(|(at, ..)| due(at)) {
            let conn = world.people[*person].conn;
            untouched[*person] = false;
            world.server.handle_closed(conn, world.now);
            world.wire.retain(|(_, other, ..)| *other != conn);
            fresh += 1;
            world.people[*person].conn = fresh;
            match pause {
                0 => world.people[*person].questions = world.people[*person].answers.len() as u64,
                pause => back.push((step + pause, *person)),
            }
        }
        for (_, person) in back.extract_if(.., |(at, _)| due(at)) {
            let person = &mut world.people[person];
            // What it said while there was no connection has reached nobody.
            world.wire.retain(|(_, conn, ..)| *conn != person.conn);
            world
                .server
                .handle_connected(person.conn, &person.name, world.now);
            person.machine.handle_connected(world.now);
        }
        if back.is_empty() && world.over() && cuts.iter().all(|(at, ..)| *at <= step) {
            // What confirms the last answers arrives as well.
            while !world.wire.is_empty() {
                world.step();
            }
            return untouched;
        }
        world.step();
    }
    panic!("clients without an answer");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Whoever stays or comes back is answered right, in turn and once; memory stays bounded; nothing of who left is kept.
    #[test]
    fn two_hundred_clients_of_whom_many_are_cut_off_are_served_in_bounded_memory(
        cuts in prop::collection::vec((0..1_500_u64, 0..200_usize, prop_oneof![Just(0), 1..3_000_u64]), 0..120),
        seed: u8,
    ) {
        let limits = Limits {
            transfers: 2 * (2 * KEYS as u64),
            cached_keys: 3 * 2 * KEYS as u64,
            connections: 300,
            workers: 2,
            ..Limits::default()
        };
        // One cut for each client: a line that is gone cannot be cut.
        let mut cuts = cuts;
        cuts.sort_by_key(|(_, person, _)| *person);
        cuts.dedup_by_key(|(_, person, _)| *person);
        let mut world = World::new(limits.clone(), 200, 2, Weather::default(), seed);
        let untouched = run(&mut world, &cuts);
        world.right();
        prop_assert!(world.most.0 <= limits.transfers && world.most.1 <= limits.cached_keys, "{:?}", world.most);
        for (i, untouched) in untouched.iter().enumerate() {
            let name = format!("c{i}");
            let answers = world.done.iter().filter(|done| **done == name).count();
            prop_assert!(answers <= 2);
            if *untouched {
                // Two answers of everybody before, and little more.
                let at = world.done.iter().position(|done| *done == name).unwrap();
                prop_assert!(at <= 2 * i + 40, "{} was served after {} answers", name, at);
            }
        }
        for _ in 0..70 {
            world.now += std::time::Duration::from_secs(1);
            world.server.handle_timeout(world.now);
            world.outputs();
        }
        prop_assert_eq!(world.server.held().0, 0, "nothing is left over");
    }
}
