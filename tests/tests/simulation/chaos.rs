//! Generated misfortunes, and those that once broke something.

use hedgerow_protocol::coordinator::{PhaseName, Timeouts};
use hedgerow_protocol::time::Millis;
use hedgerow_tests::deployment::Shape;
use proptest::prelude::*;

use crate::network::Weather;
use crate::op::{Op, ops};
use crate::oracle;
use crate::world::{TIMEOUTS, World};

/// Does every op, heals the network, and goes on to the end.
fn run(shape: &Shape, timeouts: Timeouts, seed: u64, ops: &[Op]) -> World {
    let mut world = World::with_timeouts(shape, timeouts, seed);
    let everybody = world.deployment.config.parties.clone();
    let who = |party: u8| everybody[usize::from(party) % everybody.len()].clone();
    for op in ops {
        match op {
            Op::Wait { ms } => world.run_for(u64::from(*ms)),
            Op::Until { phase } => {
                let deadline = world.now + 20_000;
                world.run_until(|world| world.phase() == Some(*phase) || world.now >= deadline);
            }
            Op::Weather(weather) => world.weather = *weather,
            Op::Cut { party, ms } => world.cut(&who(*party), u64::from(*ms)),
            Op::CrashParty { party, after, down } => {
                world.crash_party(&who(*party), u32::from(*after), Some(u64::from(*down)));
            }
            Op::CrashCoordinator { after, down } => {
                world.crash_coordinator(u32::from(*after), u64::from(*down))
            }
            Op::Replay { which } => world.replay(usize::from(*which)),
        }
    }
    world.run_for(50);
    world.heal();
    world.run_to_the_end();
    world
}

/// Nobody is away for as long as the coordinator waits, so the run may not fail.
fn survive(shape: &Shape, seed: u64, ops: &[Op]) {
    let timeouts = Timeouts {
        grace: TIMEOUTS.phase,
        ..TIMEOUTS
    };
    oracle::complete_and_exact(&run(shape, timeouts, seed, ops));
}

/// Whoever is away for longer than the grace period is lost: the others go on, or the run ends and names it.
fn go_on_or_name(shape: &Shape, seed: u64, ops: &[Op]) {
    oracle::safe(&run(shape, TIMEOUTS, seed, ops));
}

/// With hardly any time for a phase a run may fail, but then it says why; attempts fail often.
fn stay_safe(shape: &Shape, seed: u64, ops: &[Op]) {
    let timeouts = Timeouts {
        phase: Millis(3_000),
        grace: Millis(1_000),
        resend: Millis(400),
        ..TIMEOUTS
    };
    oracle::safe(&run(shape, timeouts, seed, ops));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn five_parties_survive(seed in any::<u64>(), ops in ops()) {
        survive(&Shape::masked(5, 4), seed, &ops);
    }

    #[test]
    fn two_parties_survive(seed in any::<u64>(), ops in ops()) {
        survive(&Shape::masked(2, 2), seed, &ops);
    }

    #[test]
    fn four_parties_with_shares_survive(seed in any::<u64>(), ops in ops()) {
        survive(&Shape::shares(4, 3), seed, &ops);
    }

    #[test]
    fn five_parties_go_on_or_name(seed in any::<u64>(), ops in ops()) {
        go_on_or_name(&Shape::masked(5, 4), seed, &ops);
    }

    #[test]
    fn four_parties_with_shares_go_on_or_name(seed in any::<u64>(), ops in ops()) {
        go_on_or_name(&Shape::shares(4, 3), seed, &ops);
    }

    #[test]
    fn five_parties_in_a_hurry_stay_safe(seed in any::<u64>(), ops in ops()) {
        stay_safe(&Shape::masked(5, 4), seed, &ops);
    }

    #[test]
    fn four_parties_with_shares_in_a_hurry_stay_safe(seed in any::<u64>(), ops in ops()) {
        stay_safe(&Shape::shares(4, 3), seed, &ops);
    }
}

proptest! {
    // Cryptography of its own for each pair.
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_and_two_with_attributes_survive(seed in any::<u64>(), ops in ops()) {
        survive(&Shape::mixed(1, 2, 3), seed, &ops);
    }

    #[test]
    fn rows_of_two_and_three_with_attributes_go_on_or_name(seed in any::<u64>(), ops in ops()) {
        go_on_or_name(&Shape::mixed(2, 3, 4), seed, &ops);
    }

    #[test]
    fn rows_and_four_with_attributes_in_a_hurry_stay_safe(seed in any::<u64>(), ops in ops()) {
        stay_safe(&Shape::mixed(1, 4, 4), seed, &ops);
    }
}

/// Found by `four_parties_with_shares_survive`: a party that came back after the end was told the rest once, the
/// last two totals overtook each other, and nobody told it again.
#[test]
fn repro_a_party_that_missed_the_end_is_told_until_it_has_the_model() {
    for seed in 0..20 {
        let ops = [
            Op::Until {
                phase: PhaseName::Upload,
            },
            Op::Cut { party: 3, ms: 20_000 },
            Op::Until {
                phase: PhaseName::Done,
            },
            Op::Weather(Weather {
                lost: 0,
                doubled: 0,
                jitter: 400,
            }),
            Op::Wait { ms: 25_000 },
        ];
        survive(&Shape::shares(4, 3), seed, &ops);
    }
}

/// Found by `rows_and_two_with_attributes_survive`: a party that had lost its alignment asked for the first message while a
/// step of its peer was under way, which then believed that it had nothing to say.
#[test]
fn repro_an_alignment_goes_on_after_everybody_died() {
    let ops = [
        Op::Wait { ms: 172 },
        Op::CrashParty {
            party: 2,
            after: 6,
            down: 4_954,
        },
        Op::CrashParty {
            party: 0,
            after: 1,
            down: 3_460,
        },
        Op::CrashParty {
            party: 1,
            after: 0,
            down: 14_391,
        },
        Op::CrashCoordinator {
            after: 2,
            down: 5_101,
        },
        Op::Weather(Weather {
            lost: 1,
            doubled: 11,
            jitter: 888,
        }),
        Op::Until {
            phase: PhaseName::Publishing,
        },
    ];
    survive(&Shape::mixed(1, 2, 3), 16_075_943_232_534_669_067, &ops);
}

proptest! {
    // Calibrating the noise, again after each restart, costs most of the time of these.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn five_parties_with_noise_survive(seed in any::<u64>(), ops in ops()) {
        survive(&Shape { epsilon: Some(1.0), ..Shape::masked(5, 4) }, seed, &ops);
    }
}
