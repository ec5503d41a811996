//! Boosted trees over two parties: every table is the pooled one, whoever restarts; and so is the model.

use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::grow::{self, Step};
use hedgerow_forest::params::{ForestParams, Growth, SplitChoice};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::route::Router;
use hedgerow_forest::schema::Column;
use hedgerow_forest::schema::link::{BIN_OF_KNOWN, BIN_OF_UNKNOWN};
use hedgerow_forest::table::Table;
use hedgerow_forest::tree::Tree;

use super::world::{JoinedWorld, Shape};
use crate::config::{LinkConfig, LinkParty, Partition, RunConfigLiteral};
use crate::ids::{PartyId, RoundId};
use crate::party::tests::support::id;
use crate::wire::ToParty;

/// One row party, one attribute party, one link.
fn vertical(literal: &mut RunConfigLiteral) {
    let Partition::Mixed(mut join) = literal.partition.clone() else {
        panic!("shapes are mixed");
    };
    join.links = vec![LinkConfig {
        name: "from".into(),
        party: LinkParty::Party(id(0)),
        key_columns: vec!["account".into()],
    }];
    join.attribute_parties[0].serves.clear();
    literal.partition = Partition::Vertical(join);
    literal.schema.features = vec![
        Column::numeric("amount", 0.0, 1.0),
        Column::numeric("balance", 0.0, 1.0).read_through("from"),
        Column::known("from"),
        Column::categorical("kind", ["x", "y"]),
        Column::categorical("flag", ["a", "b", "c"]).read_through("from"),
    ];
    literal.forest = ForestParams::new(6, 2, 8, Growth::Boosted);
    literal.forest.split = SplitChoice::Random;
    literal.forest.batch = 3;
    literal.max_rows = 1 << 12;
}

fn world() -> JoinedWorld {
    let mut world = JoinedWorld::with(Shape::of(1), vertical);
    world.enrol();
    world.align();
    world
}

/// The rows with what their entities are like, each as often as it is there, and their labels.
fn pooled_rows(world: &JoinedWorld) -> (Binned, Vec<u8>) {
    let schema = &world.config.schema;
    let binner = Binner::new(schema, world.config.forest.bins).unwrap();
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for row in world.data[1].rows() {
        let entity = row.names[0]
            .as_ref()
            .and_then(|(_, key)| world.data[0].entity(key));
        let bin = |feature: usize| {
            let column = &schema.features[feature];
            match (&column.link, entity) {
                (None, _) => row.bins[feature],
                (Some(_), Some(_)) if column.is_known() => BIN_OF_KNOWN,
                (Some(_), None) if column.is_known() => BIN_OF_UNKNOWN,
                (Some(_), Some(bins)) => bins[feature],
                (Some(_), None) => binner.bin_of_missing(feature),
            }
        };
        let bins: Vec<u8> = (0..schema.len()).map(bin).collect();
        for _ in 0..row.copies {
            rows.push(bins.clone());
            labels.push(row.label);
        }
    }
    let mut block = Binned::new(rows.len(), schema.len());
    for feature in 0..schema.len() {
        let column = block.column_mut(feature).iter_mut();
        column.zip(&rows).for_each(|(to, row)| *to = row[feature]);
    }
    (block, labels)
}

fn pooled(query: &TableQuery, (rows, labels): &(Binned, Vec<u8>)) -> Vec<i64> {
    let mut counts = vec![0u64; query.cells()];
    Router::new(query).count(rows, labels, &mut counts);
    counts.into_iter().map(|count| count as i64).collect()
}

/// One round up to its totals; `after_work` is told the number of every work done.
fn round(
    world: &mut JoinedWorld,
    round: RoundId,
    mut after_work: impl FnMut(&mut JoinedWorld, usize),
) -> Vec<i64> {
    let all = world.all();
    world.open_round(round, &all);
    let mut works = 0;
    while world.work() {
        works += 1;
        after_work(world, works);
    }
    world.settle();
    let mut vectors = world.vectors();
    assert_eq!(
        vectors.keys().copied().collect::<Vec<_>>(),
        [0],
        "{:?}",
        world.refusals()
    );
    world.fix(round, &[0]);
    vectors.extend(world.vectors());
    assert_eq!(vectors.len(), 2, "{:?}", world.refusals());
    world.open(round, &vectors, &all)
}

fn publish(world: &mut JoinedWorld, round: RoundId, totals: &[i64]) {
    let survivors: Vec<PartyId> = world.config.parties.clone();
    for index in world.all() {
        world.tell(
            index,
            ToParty::RoundResult {
                round,
                survivors: survivors.clone(),
                totals: totals.to_vec(),
            },
        );
    }
    world.progression.answer(&survivors, totals.to_vec()).unwrap();
}

/// Root, two batches, the model: what growth on the pooled rows gives.
#[test]
fn every_table_and_the_model_are_the_pooled_ones() {
    let mut world = world();
    let rows = pooled_rows(&world);
    let (config, binner) = (
        world.config.clone(),
        Binner::new(&world.config.schema, world.config.forest.bins).unwrap(),
    );
    let mut growth = grow::growth(&config.schema, &binner, config.forest, config.seed, None).unwrap();
    let (mut answer, mut step, mut knots, mut gate) = (None, 0, 0, None);
    let forest = loop {
        let query = match growth.next(answer.take()).unwrap() {
            Step::Ask(query) => query,
            Step::Done(forest) => break forest,
        };
        assert_eq!(query, world.query());
        if let hedgerow_forest::query::Measure::Gradients(gradients) = query.measure() {
            knots = knots.max(gradients.knots().unwrap().count());
            gate = gradients.gate().copied();
        }
        let id = RoundId::first_of(step);
        let totals = round(&mut world, id, |_, _| ());
        let expected = pooled(&query, &rows);
        assert_eq!(totals, expected, "step {step}");
        assert!(expected.iter().any(|cell| *cell < 0), "gradients have signs");
        publish(&mut world, id, &totals);
        answer = Some(Table::from_cells(query.shape(), totals).unwrap());
        step += 1;
    };
    assert_eq!(step, 3);
    assert!(knots > 1, "margins are interpolated between {knots} knots");
    let ours = world.progression.forest().unwrap();
    assert_eq!(
        (&ours.trees, &ours.leaf_values),
        (&forest.trees, &forest.leaf_values)
    );
    let tests = |linked: bool| {
        let splits = forest.trees.iter().flat_map(|tree| tree.splits());
        let of = splits.filter(|split| !split.is_dummy());
        of.filter(|split| config.schema.features[usize::from(split.feature)].link.is_some() == linked)
            .count()
    };
    assert!(tests(true) > 0 && tests(false) > 0, "trees over both sides");
    let gate = gate.expect("counts are exact");
    let gated =
        |tree: &Tree| tree.splits()[0] == gate && tree.splits()[1..].iter().any(|split| !split.is_dummy());
    assert!(
        forest.trees.iter().any(gated),
        "scores that interact over the link"
    );
}

/// Whoever dies after any piece of work of the second batch's round comes back and says the same: margins follow from
/// what was published.
#[test]
fn a_restart_after_any_work_changes_no_total() {
    let run = |restarts: Option<(usize, usize)>| {
        let mut world = world();
        let rows = pooled_rows(&world);
        let mut all_works = 0;
        for step in 0..3 {
            let id = RoundId::first_of(step);
            let expected = pooled(&world.query(), &rows);
            let totals = round(&mut world, id, |world, works| {
                if step == 2 {
                    all_works = works;
                    if let Some((at, who)) = restarts
                        && at == works
                    {
                        world.restart(who);
                    }
                }
            });
            assert_eq!(totals, expected, "{restarts:?} step {step}");
            publish(&mut world, id, &totals);
        }
        all_works
    };
    let works = run(None);
    assert!(works > 8, "{works} works");
    for at in (1..=works).step_by(2) {
        for who in 0..2 {
            run(Some((at, who)));
        }
    }
}

#[test]
fn what_is_lost_is_asked_for_again() {
    let mut world = JoinedWorld::with(Shape::of(1), vertical);
    world.loses = Some(3);
    world.enrol();
    world.align();
    let expected = pooled(&world.query(), &pooled_rows(&world));
    let totals = round(&mut world, RoundId::first_of(0), |_, _| ());
    assert_eq!(totals, expected);
}

/// Another attempt at a batch: other masks, the same totals.
#[test]
fn a_second_attempt_is_answered_with_other_masks() {
    let mut world = world();
    let rows = pooled_rows(&world);
    let first = RoundId::first_of(0);
    let totals = round(&mut world, first, |_, _| ());
    publish(&mut world, first, &totals);
    let all = world.all();
    world.open_round(RoundId::first_of(1), &all);
    world.settle();
    let lost = world.vectors();
    let expected = pooled(&world.query(), &rows);
    let again = RoundId { step: 1, attempt: 1 };
    world.open_round(again, &all);
    world.settle();
    let mut vectors = world.vectors();
    assert_ne!(lost, vectors);
    world.fix(again, &[0]);
    vectors.extend(world.vectors());
    assert_eq!(world.open(again, &vectors, &all), expected);
}
