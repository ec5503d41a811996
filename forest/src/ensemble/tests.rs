use super::*;

fn stump(branch: Branch, weights: Vec<Weight>, task: Task) -> Parts {
    let half = weights.len() as u32 / 2;
    Parts {
        features: vec![Feature::default(); 2],
        input: Float::F64,
        arithmetic: Float::F32,
        output: Float::F32,
        task,
        aggregate: Aggregate::Sum,
        base: vec![],
        transform: Transform::None,
        steps: vec![],
        decision: Decision::None,
        roots: vec![0],
        nodes: vec![
            Node::Branch(branch),
            Node::Leaf { first: 0, len: half },
            Node::Leaf {
                first: half,
                len: half,
            },
        ],
        sets: vec![],
        weights,
    }
}

fn branch(mode: Mode, value: f64, missing_yes: bool) -> Branch {
    Branch {
        feature: 1,
        mode,
        value,
        missing_yes,
        yes: 1,
        no: 2,
    }
}

fn yes_no() -> Vec<Weight> {
    [1.0, 0.0].map(|value| Weight { target: 0, value }).to_vec()
}

#[test]
fn every_comparison_and_missing_values() {
    let one = Task::Regression { targets: 1 };
    for (mode, expected) in [
        (Mode::LessOrEqual, [1.0, 1.0, 0.0, 0.0]),
        (Mode::Less, [1.0, 0.0, 0.0, 0.0]),
        (Mode::GreaterOrEqual, [0.0, 1.0, 1.0, 0.0]),
        (Mode::Greater, [0.0, 0.0, 1.0, 0.0]),
        (Mode::Equal, [0.0, 1.0, 0.0, 0.0]),
        (Mode::NotEqual, [1.0, 0.0, 1.0, 1.0]),
        (Mode::Member, [0.0, 1.0, 0.0, 0.0]),
    ] {
        for missing_yes in [false, true] {
            let value = if mode == Mode::Member { 0.0 } else { 2.0 };
            let mut parts = stump(branch(mode, value, missing_yes), yes_no(), one.clone());
            parts.sets = vec![vec![2.0, 7.0]];
            let rows = [1.0, 2.0, 3.0, f64::NAN].map(|x| [0.0, x]).concat();
            let scores = Ensemble::new(parts).unwrap().evaluate(&rows).unwrap().scores;
            let mut expected = expected;
            expected[3] = if missing_yes { 1.0 } else { expected[3] };
            assert_eq!(scores, expected, "{mode:?} {missing_yes}");
        }
    }
}

#[test]
fn inputs_are_rounded_to_the_arithmetic() {
    let near = 2.0 + 1e-9;
    for (arithmetic, expected) in [(Float::F32, 1.0), (Float::F64, 0.0)] {
        let mut parts = stump(
            branch(Mode::LessOrEqual, 2.0, false),
            yes_no(),
            Task::Regression { targets: 1 },
        );
        parts.arithmetic = arithmetic;
        let ensemble = Ensemble::new(parts).unwrap();
        assert_eq!(ensemble.evaluate(&[0.0, near]).unwrap().scores, [expected]);
        assert_eq!(
            ensemble.leaves_of(&[0.0, near]).unwrap(),
            [if expected == 1.0 { 1 } else { 2 }]
        );
    }
}

#[test]
fn what_does_not_hold_together_is_refused_by_name() {
    let good = || {
        stump(
            branch(Mode::Less, 2.0, false),
            yes_no(),
            Task::Regression { targets: 1 },
        )
    };
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = good();
        change(&mut parts);
        Ensemble::new(parts).unwrap_err().to_string()
    };
    let node = |change: fn(&mut Branch)| {
        with(&move |parts| {
            let mut branch = branch(Mode::Less, 2.0, false);
            change(&mut branch);
            parts.nodes[0] = Node::Branch(branch);
        })
    };
    let cases = [
        (
            node(|b| b.yes = 0),
            "tree 0, node 0: a path from this node leads back",
        ),
        (
            node(|b| b.no = 3),
            "tree 0, node 0: no: expected a node below 3, found 3",
        ),
        (
            node(|b| b.feature = 2),
            "node 0: feature: expected a feature below 2, found 2",
        ),
        (
            node(|b| b.value = f64::NAN),
            "node 0: value: expected a number that F32 holds, found NaN",
        ),
        (node(|b| b.value = 0.1), "found 0.1"),
        (
            node(|b| b.mode = Mode::Member),
            "set: expected a set below 0, found 2",
        ),
        (with(&|p| p.roots = vec![]), "trees: expected 1 to 16384, found 0"),
        (
            with(&|p| p.roots = vec![3]),
            "tree 0: first node: expected a node below 3, found 3",
        ),
        (
            with(&|p| p.roots = vec![0, 0]),
            "tree 1: node 0 belongs to tree 0 too",
        ),
        (
            with(&|p| p.weights[1].target = 1),
            "tree 0, node 2: target: expected a target below 1, found 1",
        ),
        (
            with(&|p| p.weights[1].value = f64::INFINITY),
            "node 2: weight: expected a finite number",
        ),
        (
            with(&|p| p.nodes[2] = Node::Leaf { first: 1, len: 2 }),
            "node 2: weights: expected at least one",
        ),
        (
            with(&|p| p.nodes[2] = Node::Leaf { first: 1, len: 0 }),
            "node 2: weights: expected at least one",
        ),
        (
            with(&|p| p.nodes[2] = Node::Leaf { first: 0, len: 2 }),
            "one weight per target, found two for 0",
        ),
        (
            with(&|p| p.base = vec![1.0, 2.0]),
            "base values: expected 0 or 1, found 2",
        ),
        (
            with(&|p| p.base = vec![f64::NAN]),
            "base values: expected finite numbers",
        ),
        (
            with(&|p| p.features = vec![]),
            "features: expected 1 to 65536, found 0",
        ),
        (
            with(&|p| p.decision = Decision::Classifier),
            "decision: expected one that fits",
        ),
        (with(&|p| p.output = Float::F64), "output type: expected F32"),
        (
            with(&|p| {
                p.task = Task::Classification {
                    labels: Labels::Numbers(vec![1]),
                }
            }),
            "classes: expected at least 2, found 1",
        ),
        (
            with(&|p| p.steps = vec![Step { of: 1, op: Op::Exp }]),
            "steps[0]: register: expected 0 to 0, found 1",
        ),
        (
            with(&|p| {
                p.steps = vec![Step {
                    of: 0,
                    op: Op::Select(vec![1]),
                }]
            }),
            "steps[0]: column: expected below 1, found 1",
        ),
    ];
    for (error, expected) in cases {
        assert!(
            error.starts_with("ensemble: ") && error.contains(expected),
            "{error}\nwithout: {expected}"
        );
    }
    assert!(Ensemble::new(good()).unwrap().evaluate(&[1.0]).is_err());
}

/// A path longer than the limit, and one of just the limit: the walk has no recursion to overflow.
#[test]
fn depth_is_limited() {
    let chain = |depth: usize| {
        let mut parts = stump(
            branch(Mode::Less, 2.0, false),
            yes_no(),
            Task::Regression { targets: 1 },
        );
        let leaf = depth as u32;
        parts.nodes = (0..leaf)
            .map(|node| {
                Node::Branch(Branch {
                    yes: node + 1,
                    no: leaf,
                    ..branch(Mode::Less, 2.0, false)
                })
            })
            .collect();
        parts.nodes.push(Node::Leaf { first: 0, len: 1 });
        Ensemble::new(parts)
    };
    assert_eq!(chain(MAX_DEPTH).unwrap().depths(), [MAX_DEPTH]);
    let error = chain(MAX_DEPTH + 1).unwrap_err().to_string();
    assert!(error.contains("depth: expected at most 1024"), "{error}");
}

#[test]
fn steps_are_computed_in_their_type() {
    let third = f64::from(1.0f32 / 3.0);
    let mut parts = stump(
        branch(Mode::Less, 2.0, false),
        vec![
            Weight {
                target: 0,
                value: third,
            },
            Weight {
                target: 0,
                value: -1.0,
            },
        ],
        Task::Regression { targets: 1 },
    );
    let step = |of, op| Step { of, op };
    parts.steps = vec![
        step(0, Op::SubtractFrom(Constant(vec![1.0]))),
        step(1, Op::Concat(0)),
        step(2, Op::Multiply(Constant(vec![3.0, 2.0]))),
        step(3, Op::Select(vec![1, 0])),
        step(4, Op::Negate),
    ];
    parts.decision = Decision::Highest;
    let out = Ensemble::new(parts)
        .unwrap()
        .evaluate(&[0.0, 0.0, 0.0, 5.0])
        .unwrap();
    let third = third as f32;
    let expected = [-(third * 2.0), -((1.0 - third) * 3.0), 2.0, -6.0].map(f64::from);
    assert_eq!(out.scores, expected);
    assert_eq!(out.classes, [0, 0]);
}
