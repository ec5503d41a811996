//! Boosted trees over two parties, both in one process: CPU time of either by tree, with noise on; every table is compared
//! with the pooled one.
//!
//! `cargo bench -p hedgerow-protocol --bench boost -- [rows] [trees] [exact]` (100,000 and 60 by default; `exact` is without
//! noise, with a gate). Depth 5, 32 bins, 5 + 5
//! columns, batches of 20 drawn trees, epsilon 1; one entity for each row. Counted is what a party does for a query:
//! margins, derivatives and hats, encryption, reading, products, answers, opening, noise. Not counted: alignment (once for
//! a run), sealing of relayed chunks, the mask of the vector, the network.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a benchmark"
)]

use std::fs;
use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::AttributeKey;
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::seed::Seed;
use hedgerow_dp::{Accountant, Cells, Mechanism, NoDifferentialPrivacy, Noise};
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::join::{GradientPlan, GradientRows, LinkedBlock, Side};
use hedgerow_forest::params::{ForestParams, Growth, SplitChoice};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::route::Router;
use hedgerow_forest::schema::link::BIN_OF_KNOWN;
use hedgerow_forest::schema::{Column, Label, Schema};
use hedgerow_forest::table::Table;
use hedgerow_protocol::config::{
    Aggregation, Alignment, AttributeParty, Join, LinkConfig, LinkParty, Partition, PrivacyParams, RunConfig,
    RunConfigLiteral, TestSplit, Unit,
};
use hedgerow_protocol::growth::Progression;
use hedgerow_protocol::ids::{PartyId, RunId};
use hedgerow_protocol::join::align::Aligned;
use hedgerow_protocol::join::encrypt::Attributes;
use hedgerow_protocol::join::gradients::{Answerer, Blocks, Exchange, Own, own_shares};
use hedgerow_protocol::join::{JoinData, JoinPlan, Weight, keys_digest, open};
use hedgerow_protocol::privacy;
use rand_core::Rng;

const DEPTH: u8 = 5;
const BINS: u16 = 32;
const BATCH: u16 = 20;
const EACH: usize = 5;

/// CPU seconds of this process so far, to a hundredth.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // User and system time in ticks of a hundredth of a second (proc(5), fields 14 and 15).
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Columns of both sides, row by row the same entity.
struct Pool {
    schema: Schema,
    binner: Binner,
    all: Binned,
    labels: Vec<u8>,
}

fn party(name: &str) -> PartyId {
    PartyId::new(name).unwrap()
}

fn pool(rows: usize) -> Pool {
    let own = (0..EACH).map(|column| Column::numeric(format!("r{column}"), 0.0, 1.0));
    let linked = (0..EACH).map(|column| Column::numeric(format!("a{column}"), 0.0, 1.0).read_through("bank"));
    let schema = Schema {
        features: own.chain(linked).chain([Column::known("bank")]).collect(),
        label: Label {
            name: "y".into(),
            positive: "1".into(),
        },
    };
    let binner = Binner::new(&schema, BINS).unwrap();
    let mut rng = Seed::from_bytes([3; 32]).rng();
    let mut all = Binned::new(rows, schema.len());
    let mut scores = vec![0i64; rows];
    for feature in 0..2 * EACH {
        let weight = [3, -2, 1, 1, 0][feature % EACH];
        for (bin, score) in all.column_mut(feature).iter_mut().zip(&mut scores) {
            *bin = (rng.next_u32() % u32::from(BINS)) as u8;
            *score += weight * (i64::from(*bin) - 16);
        }
    }
    // Every row's entity is known.
    all.column_mut(2 * EACH).fill(BIN_OF_KNOWN);
    let chance = |score: i64| 1.0 / (1.0 + (-(score as f64) / 16.0).exp());
    let labels = scores.iter().map(|score| {
        let drawn = f64::from(rng.next_u32()) / 4_294_967_296.0;
        u8::from(drawn < chance(*score))
    });
    Pool {
        labels: labels.collect(),
        schema,
        binner,
        all,
    }
}

fn config(pool: &Pool, trees: u32, exact: bool) -> RunConfig {
    let mut forest = ForestParams::new(trees, DEPTH, BINS, Growth::Boosted);
    forest.split = SplitChoice::Random;
    forest.batch = BATCH;
    RunConfig::new(RunConfigLiteral {
        run: RunId([1; 16]),
        name: "boost".into(),
        task: "label".into(),
        partition: Partition::Vertical(Join {
            links: vec![LinkConfig {
                name: "bank".into(),
                party: LinkParty::Party(party("bank")),
                key_columns: vec!["account".into()],
            }],
            attribute_parties: vec![AttributeParty {
                party: party("bank"),
                serves: Vec::new(),
            }],
            alignment: Alignment::Plain,
            segments: 2,
            prediction: None,
        }),
        schema: pool.schema.clone(),
        forest,
        privacy: (!exact).then(|| PrivacyParams {
            epsilon: 1.0,
            delta: 1e-6,
            unit: Unit::Row,
            mechanism: Noise::default(),
        }),
        aggregation: Aggregation::Masked,
        parties: vec![party("bank"), party("shop")],
        min_parties: 2,
        collusion: 1,
        shamir_threshold: 2,
        modulus: Modulus::power_of_two(30).unwrap(),
        max_rows: pool.labels.len() as u64,
        test: TestSplit {
            fraction: 0.0,
            seed: 0,
        },
        seed: [9; 32],
        release_metrics: false,
    })
    .unwrap()
}

/// Both parties' data: each asks its own part only.
struct Data<'a> {
    pool: &'a Pool,
    block: LinkedBlock,
    keys: Vec<[u8; 32]>,
}

impl<'a> Data<'a> {
    fn new(pool: &'a Pool) -> Self {
        let rows = pool.labels.len();
        let mut own = Binned::new(rows, EACH);
        for column in 0..EACH {
            own.column_mut(column).copy_from_slice(pool.all.column(column));
        }
        let references: Vec<u32> = (0..rows as u32).collect();
        let key = |number: u32| {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            key
        };
        Self {
            pool,
            block: LinkedBlock::new(own, &pool.labels, &[&references]).unwrap(),
            keys: references.into_iter().map(key).collect(),
        }
    }

    fn plan(&self, query: &TableQuery) -> GradientPlan {
        GradientPlan::new(query, &self.pool.schema, &self.pool.binner).unwrap()
    }

    fn named(&self) -> Range<u32> {
        0..self.keys.len() as u32
    }
}

impl JoinData for Data<'_> {
    fn entities(&self) -> Result<Vec<[u8; 32]>, String> {
        Ok(self.keys.clone())
    }

    fn attributes(&self, feature: u16) -> Result<Vec<u8>, String> {
        Ok(self.pool.all.column(feature.into()).to_vec())
    }

    fn references(&self, _: &PartyId) -> Result<Vec<[u8; 32]>, String> {
        Ok(self.keys.clone())
    }

    fn base_counts(&self, query: &TableQuery) -> Result<Table, String> {
        let cells = self
            .plan(query)
            .local(std::slice::from_ref(&self.block), &self.named())
            .unwrap();
        Ok(Table::from_cells(query.shape(), cells).unwrap())
    }

    fn gradient_rows(&self, query: &TableQuery, _: &PartyId) -> Result<GradientRows, String> {
        Ok(self.plan(query).rows(&self.block, self.named()).unwrap())
    }

    fn weights(&self, _: &TableQuery, _: &PartyId, _: Range<usize>) -> Result<Vec<Weight>, String> {
        Err("no counts are asked".to_owned())
    }
}

/// One party in one round: what it sends first, and after it has what the other sent.
struct Peer {
    side: Side,
    other: PartyId,
    key: AttributeKey,
    seed: Seed,
    seconds: f64,
    bytes: usize,
}

impl Peer {
    fn new(side: Side, other: &str, exchange: &Exchange) -> Self {
        let seed = Seed::from_bytes([40 + side as u8; 32]);
        Self {
            side,
            other: party(other),
            key: AttributeKey::generate(exchange.params(), &seed),
            seed,
            seconds: 0.0,
            bytes: 0,
        }
    }

    fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = cpu();
        let done = work(self);
        self.seconds += cpu() - before;
        done
    }

    /// Key and ciphertexts.
    fn encrypt(&mut self, exchange: &Exchange, own: &Own) -> Vec<Vec<u8>> {
        let messages = exchange.messages(self.side);
        if messages == 0 {
            return Vec::new();
        }
        let made = exchange
            .encrypt(own, (&self.key, &self.seed), 0..messages - 1)
            .unwrap();
        let all: Vec<Vec<u8>> = [self.key.public().to_bytes()].into_iter().chain(made).collect();
        self.bytes += all.iter().map(Vec::len).sum::<usize>();
        all
    }

    /// Answers, and the own shares of them.
    fn answer(
        &mut self,
        exchange: &Arc<Exchange>,
        own: &Arc<Own>,
        theirs: (Side, &[Vec<u8>]),
    ) -> (Vec<Vec<u8>>, Vec<(usize, u64)>) {
        if theirs.1.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let blocks = Blocks::read(exchange, theirs.0, theirs.1).unwrap();
        let answerer = Answerer {
            exchange: Arc::clone(exchange),
            side: self.side,
            own: Arc::clone(own),
            party: self.other.clone(),
            secret: self.seed.clone(),
        };
        let parts = 0..exchange.plan().joined(self.side).count();
        let messages: Vec<Vec<u8>> = parts
            .flat_map(|part| answerer.answers(part, &blocks).unwrap())
            .collect();
        self.bytes += messages.iter().map(Vec::len).sum::<usize>();
        let shares = own_shares(exchange, self.side, &self.other, &self.seed, &blocks.digest());
        (messages, shares)
    }

    fn open(&self, exchange: &Exchange, theirs: Side, messages: &[Vec<u8>]) -> Vec<(usize, u64)> {
        let opened = open::open(&self.key, exchange.params(), messages).unwrap();
        let cells = exchange.cells(theirs).map(|(_, cell)| cell);
        cells.zip(opened.into_iter().flatten()).collect()
    }
}

/// The own share of the noise.
fn noised(mechanism: &Mechanism, cells: usize, seed: &Seed) -> Vec<i64> {
    let mut accountant = Accountant::unlimited(NoDifferentialPrivacy::chosen_by_configuration());
    let charge = accountant.charge("boost", mechanism.cost()).unwrap();
    let mut noise = mechanism
        .apply(vec![0i64; cells], charge, &mut seed.rng())
        .unwrap()
        .into_inner();
    noise.cells_mut().to_vec()
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let rows = numbers.first().copied().unwrap_or(100_000);
    let trees = numbers.get(1).copied().unwrap_or(60) as u32;
    let pool = pool(rows);
    let data = Data::new(&pool);
    let exact = std::env::args().any(|word| word == "exact");
    let config = config(&pool, trees, exact);
    let mut positions: Vec<u32> = (0..rows as u32).collect();
    let mut rng = Seed::from_bytes([8; 32]).rng();
    for last in (1..positions.len()).rev() {
        positions.swap(last, rng.next_u32() as usize % (last + 1));
    }
    let aligned = Aligned {
        positions,
        union: rows as u64,
        keys: keys_digest(&data.keys),
    };
    let mut progression = Progression::start(&config).unwrap();
    println!(
        "{rows} rows, {EACH} + {EACH} columns, {BINS} bins, depth {DEPTH}, {trees} trees in batches of {BATCH}"
    );
    println!(
        "| table | trees (bank's) | knots | CPU-s, shop | CPU-s, bank | CPU-s a tree | MB, shop | MB, bank |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let (mut all, mut grown, mut attributes) = (0.0, 0, None);
    while let Some(query) = progression.query().cloned() {
        let planned = *progression.planned().unwrap();
        let mechanism = privacy::mechanism(&config, &planned).unwrap();
        let plan = JoinPlan::new(&config, &query).unwrap();
        let exchange = Arc::new(
            Exchange::new(&config, &plan, &query, aligned.union)
                .unwrap()
                .unwrap(),
        );
        let mut shop = Peer::new(Side::Row, "bank", &exchange);
        let mut bank = Peer::new(Side::Attribute, "shop", &exchange);
        let of_shop =
            shop.timed(|_| Arc::new(exchange.rows(&data, &query, &party("bank"), &aligned).unwrap()));
        let of_bank = bank.timed(|_| {
            let known = attributes
                .get_or_insert_with(|| Attributes::read(&data, &plan, &party("bank"), &aligned).unwrap());
            Arc::new(exchange.entities(known).unwrap())
        });
        let from_shop = shop.timed(|shop| shop.encrypt(&exchange, &of_shop));
        let from_bank = bank.timed(|bank| bank.encrypt(&exchange, &of_bank));
        let (to_bank, mut shares) =
            shop.timed(|shop| shop.answer(&exchange, &of_shop, (Side::Attribute, &from_bank)));
        let (to_shop, more) = bank.timed(|bank| bank.answer(&exchange, &of_bank, (Side::Row, &from_shop)));
        shares.extend(more);
        shares.extend(shop.timed(|shop| shop.open(&exchange, Side::Attribute, &to_shop)));
        shares.extend(bank.timed(|bank| bank.open(&exchange, Side::Row, &to_bank)));
        let local = shop.timed(|_| data.base_counts(&query).unwrap());
        let mut sums: Vec<u64> = local
            .cells()
            .iter()
            .map(|cell| cell.rem_euclid(1 << 30) as u64)
            .collect();
        for (cell, share) in shares {
            sums[cell] = config.modulus.reduce(sums[cell].wrapping_add(share));
        }
        let totals: Vec<i64> = sums.into_iter().map(|sum| config.modulus.centred(sum)).collect();
        let mut expected = vec![0u64; query.cells()];
        Router::new(&query).count(&pool.all, &pool.labels, &mut expected);
        assert!(
            totals
                .iter()
                .zip(&expected)
                .all(|(total, expected)| *total == *expected as i64)
        );
        let step = progression.step().to_le_bytes();
        let noise = |peer: &Peer| noised(&mechanism, query.cells(), &peer.seed.derive("noise", &step));
        let noise = [shop.timed(|shop| noise(shop)), bank.timed(|bank| noise(bank))];
        let seen = totals
            .iter()
            .zip(&noise[0])
            .zip(&noise[1])
            .map(|((total, a), b)| total + a + b);
        let seen: Vec<i64> = seen.collect();
        let seconds = shop.seconds + bank.seconds;
        let asked = exchange.plan().parts();
        let banks = exchange.plan().joined(Side::Attribute).count();
        let what = if query.depth() == 0 {
            "root, by feature"
        } else {
            "leaves"
        };
        let each = seconds / asked.len() as f64;
        let megabytes = |peer: &Peer| peer.bytes as f64 / 1e6;
        println!(
            "| {what} | {} ({banks}) | {} | {:.2} | {:.2} | {each:.3} | {:.1} | {:.1} |",
            asked.len(),
            exchange.plan().knots().count(),
            shop.seconds,
            bank.seconds,
            megabytes(&shop),
            megabytes(&bank),
        );
        all += seconds;
        grown += if query.depth() == 0 { 0 } else { asked.len() };
        progression.answer(&config.parties, seen).unwrap();
    }
    println!(
        "\n{:.3} CPU-seconds a tree over both parties, the root table among them",
        all / grown as f64
    );
    let margins = progression.forest().unwrap().scores(&pool.all);
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|a, b| margins[*a].total_cmp(&margins[*b]));
    let (mut rank_sum, mut positives) = (0.0, 0.0);
    for (rank, row) in order.iter().enumerate() {
        if pool.labels[*row] != 0 {
            rank_sum += rank as f64 + 1.0;
            positives += 1.0;
        }
    }
    let auroc = (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * (rows as f64 - positives));
    println!("AUROC of the noisy model on its training rows: {auroc:.4}");
}
