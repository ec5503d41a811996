//! Throughput of `edge::quic` over loopback, and of the journal, for vectors of 8 and 80 MB.
//!
//! `cargo bench -p hedgerow-edge --bench loopback [-- MTU...]`: one line per size and MTU, MB/s both ways, beside
//! plain TCP without encryption on the same machine in the same run.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_edge::certificate::now;
use hedgerow_edge::identity::Identity;
use hedgerow_edge::journal::Journal;
use hedgerow_edge::provision::{self, Validity};
use hedgerow_edge::quic::{Dialer, Listener, Traffic, Transport};
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::schema::{Column, ColumnKind, Label, Schema};
use hedgerow_protocol::config::{Aggregation, Partition, RunConfig, RunConfigLiteral, TestSplit};
use hedgerow_protocol::ids::{PartyId, RunId};
use hedgerow_protocol::wire::{Frame, Kind, Limits};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const SIZES: [(usize, usize); 2] = [(8_000_000, 20), (80_000_000, 4)];

fn main() -> Outcome<()> {
    let mtus: Vec<Option<u16>> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .map(Some)
        .collect();
    let mtus = if mtus.is_empty() { vec![None] } else { mtus };
    let folder = tempfile::tempdir()?;
    let (hub, party) = (PartyId::new("hub")?, PartyId::new("a")?);
    provision::all_in_one(
        folder.path(),
        "bench",
        &provision::subjects(&hub, &[party]),
        Validity::days(1)?,
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;

    println!("{:<28} {:>6} {:>10} {:>10}", "path", "MB", "up MB/s", "down MB/s");
    for (size, times) in SIZES {
        let (up, down) = tcp(size, times)?;
        println!(
            "{:<28} {:>6} {up:>10.0} {down:>10.0}",
            "plain TCP (baseline)",
            size / 1_000_000
        );
        for mtu in &mtus {
            let transport = Transport {
                mtu: *mtu,
                ..Transport::default()
            };
            let (up, down, found) = runtime.block_on(quic(folder.path(), &transport, size, times))?;
            let name = format!("QUIC, mTLS, MTU {found}");
            println!("{name:<28} {:>6} {up:>10.0} {down:>10.0}", size / 1_000_000);
        }
    }
    journal(folder.path())
}

async fn quic(folder: &Path, transport: &Transport, size: usize, times: usize) -> Outcome<(f64, f64, u16)> {
    let identity = |name: &str| Identity::load(&folder.join(name), now());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(
        any,
        &identity("hub")?,
        Arc::new(|_| Ok(())),
        transport,
        Traffic::default(),
    )?;
    let address = listener.local_address()?.to_string();
    let limits = limits()?;
    let echo = tokio::spawn(async move {
        let connection = listener
            .accept()
            .await
            .ok_or("closed")?
            .complete()
            .await
            .map_err(|e| e.to_string())?;
        let (mut sender, mut receiver) = connection.split(limits);
        while let Some(frame) = receiver.receive().await.map_err(|e| e.to_string())? {
            // A short frame asks for a long one, a long one is acknowledged by a short one.
            let reply = if frame.payload().len() > 8 { 1 } else { size };
            sender
                .send(Frame::new(Kind::RoundResult, vec![7; reply]))
                .await
                .map_err(|e| e.to_string())?;
        }
        sender.finish().await.map_err(|e| e.to_string())
    });
    let identity = Arc::new(identity("a")?);
    let dialer = Dialer {
        identity,
        address,
        expected: None,
        transport: transport.clone(),
        traffic: Traffic::default(),
    };
    let connection = dialer.dial().await?;
    let mut mtu = 0;
    let mut rates = [0.0; 2];
    let (mut sender, mut receiver) = connection.split(limits);
    for (rate, (asked, label)) in rates.iter_mut().zip([(size, "up"), (1, "down")]) {
        let mut best = Duration::MAX;
        for _ in 0..times {
            let frame = Frame::new(Kind::RoundResult, vec![3; asked]);
            let begun = Instant::now();
            sender.send(frame).await?;
            receiver.receive().await?.ok_or(label)?;
            best = best.min(begun.elapsed());
        }
        *rate = size as f64 / 1e6 / best.as_secs_f64();
        mtu = mtu.max(sender.mtu());
    }
    sender.finish().await?;
    receiver.receive().await?;
    echo.await??;
    let [up, down] = rates;
    Ok((up, down, mtu))
}

fn tcp(size: usize, times: usize) -> Outcome<(f64, f64)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut data = vec![0; size];
        for _ in 0..times {
            stream.read_exact(&mut data)?;
            stream.write_all(&[1])?;
        }
        for _ in 0..times {
            stream.read_exact(data.get_mut(..1).unwrap_or_default())?;
            stream.write_all(&data)?;
        }
        Ok(())
    });
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut data = vec![0; size];
    let (mut up, mut down) = (Duration::MAX, Duration::MAX);
    for _ in 0..times {
        let begun = Instant::now();
        stream.write_all(&data)?;
        stream.read_exact(&mut [0; 1])?;
        up = up.min(begun.elapsed());
    }
    for _ in 0..times {
        let begun = Instant::now();
        stream.write_all(&[1])?;
        stream.read_exact(&mut data)?;
        down = down.min(begun.elapsed());
    }
    echo.join().map_err(|_| "the echo thread panicked")??;
    let rate = |time: Duration| size as f64 / 1e6 / time.as_secs_f64();
    Ok((rate(up), rate(down)))
}

fn journal(folder: &Path) -> Outcome<()> {
    println!(
        "\n{:<28} {:>6} {:>10} {:>10}",
        "durable append", "MB", "ms", "MB/s"
    );
    for (size, times) in [(100, 50), (8_000_000, 10), (80_000_000, 2)] {
        let data = vec![5; size];
        let mut file = std::fs::File::create(folder.join("baseline"))?;
        let mut plain = Duration::MAX;
        for _ in 0..times {
            let begun = Instant::now();
            file.write_all(&data)?;
            file.sync_data()?;
            plain = plain.min(begun.elapsed());
        }
        let mut journal = Journal::open(&folder.join(format!("{size}.redb")))?;
        let mut kept = Duration::MAX;
        for _ in 0..times {
            let begun = Instant::now();
            journal.append(&data)?;
            kept = kept.min(begun.elapsed());
        }
        for (name, time) in [("write + fsync (baseline)", plain), ("journal", kept)] {
            let seconds = time.as_secs_f64();
            println!(
                "{name:<28} {:>6.1} {:>10.2} {:>10.0}",
                size as f64 / 1e6,
                seconds * 1e3,
                size as f64 / 1e6 / seconds
            );
        }
        let on_disk = std::fs::metadata(folder.join(format!("{size}.redb")))?;
        println!(
            "{:<28} {:>6.1}",
            "file of the journal",
            on_disk.len() as f64 / 1e6
        );
    }
    Ok(())
}

/// The largest run there may be, so that a frame of 80 MB is within the limits.
fn limits() -> Outcome<Limits> {
    let numeric = ColumnKind::Numeric { min: 0.0, max: 1.0 };
    let label = Label {
        name: "y".into(),
        positive: "1".into(),
    };
    let literal = RunConfigLiteral {
        run: RunId([1; 16]),
        name: "large".into(),
        task: "y = 1".into(),
        partition: Partition::Horizontal,
        schema: Schema {
            features: vec![Column {
                name: "x".into(),
                kind: numeric,
                link: None,
            }],
            label,
        },
        forest: ForestParams::new(1024, 12, 64, Growth::Random),
        privacy: None,
        aggregation: Aggregation::Masked,
        parties: vec![PartyId::new("a")?, PartyId::new("b")?],
        min_parties: 2,
        collusion: 1,
        shamir_threshold: 2,
        modulus: Modulus::TWO_TO_64,
        max_rows: 1 << 40,
        test: TestSplit {
            fraction: 0.0,
            seed: 0,
        },
        seed: [0; 32],
        release_metrics: false,
    };
    Ok(Limits::for_run(&RunConfig::new(literal)?))
}
