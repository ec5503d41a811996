//! What `hedgerow bench forest` and the benchmark measure: forests of the sizes of the reference, each mode beside what
//! was asked. No clock: it is an argument.

use std::fmt;

use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::{
    Aggregate, Branch, Decision, Ensemble, EnsembleError, Feature, Float, Mode as Test, Node, Parts, Task,
    Transform, Weight,
};
use rand_core::{CryptoRng, Rng};

use super::client::ForestClient;
use super::error::TreesError;
use super::forest::EncryptedForest;
use super::mode::Mode;
use super::plan::{Options, Plan};

/// A forest of complete trees over 64 bins of each feature, features and thresholds drawn uniformly: no path is shorter
/// than the depth, and no two are alike, so that it is the largest of its sizes.
///
/// # Errors
/// Sizes that no ensemble has.
pub fn complete_forest(
    trees: usize,
    depth: u32,
    features: usize,
    rng: &mut impl Rng,
) -> Result<Ensemble, EnsembleError> {
    let branches = (1_u32 << depth) - 1;
    let (mut nodes, mut roots, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..trees {
        let root = nodes.len() as u32;
        roots.push(root);
        for node in 0..branches {
            nodes.push(Node::Branch(Branch {
                feature: rng.next_u32() % features.max(1) as u32,
                mode: Test::LessOrEqual,
                value: f64::from(rng.next_u32() % 63),
                missing_yes: false,
                yes: root + 2 * node + 1,
                no: root + 2 * node + 2,
            }));
        }
        for _ in 0..=branches {
            nodes.push(Node::Leaf {
                first: weights.len() as u32,
                len: 1,
            });
            weights.push(Weight {
                target: 0,
                value: f64::from(rng.next_u32() % 256),
            });
        }
    }
    Ensemble::new(Parts {
        features: vec![Feature::default(); features],
        input: Float::F32,
        arithmetic: Float::F32,
        output: Float::F32,
        task: Task::Regression { targets: 1 },
        aggregate: Aggregate::Sum,
        base: Vec::new(),
        transform: Transform::None,
        steps: Vec::new(),
        decision: Decision::None,
        roots,
        nodes,
        sets: Vec::new(),
        weights,
    })
}

/// Numbers for rows: bins, ties at thresholds, values outside of all, missing ones.
pub fn drawn_values(count: usize, rng: &mut impl Rng) -> Vec<f64> {
    let value = |word: u32| match word % 80 {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => -1e300,
        word => f64::from(word) - 8.0,
    };
    (0..count).map(|_| value(rng.next_u32())).collect()
}

/// What was asked of a mode for one of the two sizes.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// The mode.
    pub mode: Mode,
    /// Trees and depth.
    pub size: (usize, u32),
    /// CPU milliseconds of who evaluates, for one row: the server, or the client an encrypted model.
    pub milliseconds: f64,
    /// Bytes of a request; `None` where nothing was asked.
    pub up: Option<usize>,
    /// Bytes of an answer.
    pub down: Option<usize>,
    /// Bytes of evaluation keys, or of a model and its keys, once.
    pub keys: Option<usize>,
}

const fn bar(mode: Mode, size: (usize, u32), milliseconds: f64, bytes: [Option<usize>; 3]) -> Bar {
    let [up, down, keys] = bytes;
    Bar {
        mode,
        size,
        milliseconds,
        up,
        down,
        keys,
    }
}

/// Rows of a batch of which milliseconds were asked.
pub const BATCH_ROWS: usize = 8192;

/// What was asked (issue 6). An encrypted model is asked for at `N = 16384`: the noise leaves no room for the flooding at 8192.
pub const BARS: [Bar; 10] = [
    bar(
        Mode::PublicStructure,
        (10, 4),
        1.0,
        [Some(56_000), Some(40_000), Some(0)],
    ),
    bar(
        Mode::PublicStructure,
        (50, 5),
        1.0,
        [Some(56_000), Some(40_000), Some(0)],
    ),
    bar(
        Mode::PrivateModel,
        (10, 4),
        60.0,
        [Some(180_000), Some(180_000), Some(11_000_000)],
    ),
    bar(
        Mode::PrivateModel,
        (50, 5),
        200.0,
        [Some(180_000), Some(180_000), Some(11_000_000)],
    ),
    // On two cores, of which bootstraps one after the other use one.
    bar(Mode::LabelOnly, (10, 4), 1000.0, [None, Some(20_000), None]),
    bar(Mode::LabelOnly, (50, 5), 9000.0, [None, Some(20_000), None]),
    bar(Mode::Batch, (10, 4), 0.1, [None, None, None]),
    bar(Mode::Batch, (50, 5), 1.2, [None, None, None]),
    bar(
        Mode::EncryptedModel,
        (10, 4),
        200.0,
        [None, None, Some(850_000_000)],
    ),
    bar(
        Mode::EncryptedModel,
        (50, 5),
        260.0,
        [None, None, Some(850_000_000)],
    ),
];

/// What a mode takes, measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The plan.
    pub plan: Plan,
    /// Milliseconds of who evaluates, for one row: the server, or the client an encrypted model.
    pub server: f64,
    /// Milliseconds of the other side for one row: of a client to encrypt and to open; with an encrypted model, of the client
    /// to take its mask away, and of the server to open.
    pub client: [f64; 2],
    /// Milliseconds of the client for its keys, or of the server to encrypt its model, once.
    pub keygen: f64,
    /// Rows whose opened sums were compared with the clear evaluation of the binned model.
    pub rows: usize,
    /// Rows where they differed.
    pub differing: usize,
}

/// Times are the least of the means of so many groups of rows.
const GROUPS: usize = 5;

/// Runs a mode on rows, `[rows, features]`, by a clock in seconds.
///
/// # Errors
/// A forest that does not fit the mode.
pub fn measure(
    model: &Ensemble,
    mode: Mode,
    rows: &[f64],
    rng: &mut impl CryptoRng,
    clock: &mut dyn FnMut() -> f64,
) -> Result<Measured, TreesError> {
    // A regression has no rule of its own: the middle of its scores.
    let regression = matches!(model.parts().task, Task::Regression { .. });
    let middle = model.trees() as f64 * 127.5;
    let options = Options {
        threshold: (mode == Mode::LabelOnly && regression).then_some(middle),
        ..Options::default()
    };
    let forest = EncryptedForest::compile(model, mode, &options)?;
    let mut client = ForestClient::new(forest.offer().clone(), &Seed::random(rng))?;
    let start = clock();
    let (keys, keygen) = if mode == Mode::EncryptedModel {
        let seed = Seed::random(rng);
        let (download, keys) = forest.encrypted(&seed)?;
        let made = clock();
        client.take(download)?;
        (keys, made)
    } else {
        let keys = client.keys();
        let made = clock();
        (forest.read_keys(&keys)?, made)
    };
    let keygen = (keygen - start) * 1e3;
    let mut measured = Measured {
        plan: forest.plan().clone(),
        server: f64::INFINITY,
        client: [f64::INFINITY; 2],
        keygen,
        rows: 0,
        differing: 0,
    };
    let rows: Vec<&[f64]> = rows.chunks_exact(model.features().len()).collect();
    // The kernel counts running time in ticks of a few milliseconds: means over groups, and the least of these.
    let group = rows.len().div_ceil(GROUPS).max(client.rows().min(BATCH_ROWS));
    for group in rows.chunks(group) {
        let mean = |start: f64, end: f64| (end - start) * 1e3 / group.len() as f64;
        let start = clock();
        let requests: Vec<_> = group
            .chunks(client.rows().min(BATCH_ROWS))
            .map(|rows| client.request(rows, rng))
            .collect::<Result<_, _>>()?;
        let encrypted = clock();
        let answers: Vec<Vec<u8>> = requests
            .iter()
            .map(|(request, _)| forest.answer(&keys, request, rng))
            .collect::<Result<_, _>>()?;
        let answered = clock();
        let predictions: Vec<Vec<_>> = answers
            .iter()
            .zip(&requests)
            .map(|(answer, (_, asked))| client.open(answer, asked))
            .collect::<Result<_, _>>()?;
        let opened = clock();
        let [request, answer, open] = [
            mean(start, encrypted),
            mean(encrypted, answered),
            mean(answered, opened),
        ];
        let (server, client) = match mode {
            Mode::EncryptedModel => (request, [open, answer]),
            _ => (answer, [request, open]),
        };
        measured.server = measured.server.min(server);
        for (least, time) in measured.client.iter_mut().zip(client) {
            *least = least.min(time);
        }
        for (row, prediction) in group.iter().zip(predictions.iter().flatten()) {
            measured.rows += 1;
            measured.differing += usize::from(prediction.sums != forest.clear(row)?);
        }
    }
    Ok(measured)
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        let size = (plan.trees, plan.depth as u32);
        let asked = BARS
            .iter()
            .find(|bar| bar.mode == plan.mode && bar.size.0 == plan.trees);
        writeln!(f, "{} trees, depth {}, {}", size.0, size.1, plan.mode)?;
        let mut line = |what: &str, measured: f64, asked: Option<f64>, unit: &str| match asked {
            Some(asked) => {
                let met = if measured <= asked { "met" } else { "NOT MET" };
                writeln!(
                    f,
                    "  {what:<28} {measured:>10.3} {unit:<3} asked {asked:>9.1}  {met}"
                )
            }
            None => writeln!(f, "  {what:<28} {measured:>10.3} {unit}"),
        };
        let kb = |bytes: usize| bytes as f64 / 1e3;
        let who = match plan.mode {
            Mode::EncryptedModel => "owner of the row, one row",
            _ => "server, one row",
        };
        line(who, self.server, asked.map(|bar| bar.milliseconds), "ms")?;
        let rows = plan.rows.min(BATCH_ROWS) as f64;
        line("  predicted", plan.seconds * 1e3 / rows, None, "ms")?;
        let [first, second, keys] = match plan.mode {
            Mode::EncryptedModel => ["client, unmask", "server, open", "server, encrypt model"],
            _ => ["client, encrypt", "client, open", "client, keys, once"],
        };
        line(first, self.client[0], None, "ms")?;
        line(second, self.client[1], None, "ms")?;
        line(keys, self.keygen, None, "ms")?;
        line(
            "up",
            kb(plan.request_bytes),
            asked.and_then(|bar| bar.up).map(kb),
            "kB",
        )?;
        line(
            "down",
            kb(plan.answer_bytes),
            asked.and_then(|bar| bar.down).map(kb),
            "kB",
        )?;
        let keys = asked.and_then(|bar| bar.keys).map(kb);
        let once = plan.evaluation_key_bytes + plan.download_bytes;
        line("keys or model, once", kb(once), keys, "kB")?;
        line("public key, once", kb(plan.public_key_bytes), None, "kB")?;
        line("flooding", plan.flooding_bits.into(), None, "bits")?;
        write!(
            f,
            "  {} of {} rows differ from the clear evaluation of the binned model",
            self.differing, self.rows
        )
    }
}
