//! What gets through, and what ends a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::schema::{Column, ColumnKind, Label, Schema};
use hedgerow_protocol::config::{
    Aggregation, DEFAULT_MAX_ROWS, Partition, RunConfig, RunConfigLiteral, TestSplit,
};
use hedgerow_protocol::ids::{RoundId, RunId};
use hedgerow_protocol::wire::{Header, Message, ToCoordinator, ToParty, WireError};
use tokio::sync::mpsc;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversize_frame_ends_the_connection_before_it_is_read() {
    let net = Net::new("North");
    let (listener, address) = net.listen(everybody());
    let server = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap().complete().await.unwrap();
        let (_sender, mut receiver) = connection.split(Limits::control());
        (receiver.receive().await.unwrap_err(), listener)
    });
    let connection = net.dialer("a", &address).dial().await.unwrap();
    let (mut sender, mut receiver) = connection.split(Limits::control());
    let limit = Limits::control().of(Kind::Failed);
    // The sender does not check; the receiver must.
    sender
        .send(Frame::new(Kind::Failed, vec![0; limit + 1]))
        .await
        .unwrap();
    let (error, _listener) = server.await.unwrap();
    let expected = WireError::TooLong {
        kind: Kind::Failed,
        actual: limit + 1,
        limit,
    };
    assert_eq!(error, LinkError::Wire(expected.clone()));
    let seen = receiver.receive().await.unwrap_err();
    assert_eq!(
        seen,
        LinkError::Closed {
            reason: expected.to_string()
        }
    );
    assert_eq!(
        Header {
            kind: Kind::Failed,
            length: 3
        }
        .encode()
        .len(),
        HEADER_LEN
    );
}

/// The limits of the largest run there may be.
fn largest_run() -> Limits {
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
        parties: vec![id("a"), id("b")],
        min_parties: 2,
        collusion: 1,
        shamir_threshold: 2,
        modulus: Modulus::TWO_TO_64,
        max_rows: DEFAULT_MAX_ROWS,
        test: TestSplit {
            fraction: 0.0,
            seed: 0,
        },
        seed: [0; 32],
        release_metrics: false,
    };
    Limits::for_run(&RunConfig::new(literal).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eighty_megabytes_arrive_as_they_were_sent() {
    let net = Net::new("North");
    let (listener, address) = net.listen(everybody());
    let limits = largest_run();
    let server = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap().complete().await.unwrap();
        let (mut sender, mut receiver) = connection.split(limits);
        let frame = receiver.receive().await.unwrap().unwrap();
        sender.send(failed("got it")).await.unwrap();
        sender.finish().await.unwrap();
        (frame, listener)
    });
    let payload: Vec<u8> = (0..80_000_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let connection = net.dialer("a", &address).dial().await.unwrap();
    let (mut sender, mut receiver) = connection.split(limits);
    sender
        .send(Frame::new(Kind::RoundResult, payload.clone()))
        .await
        .unwrap();
    assert_eq!(receiver.receive().await.unwrap().unwrap(), failed("got it"));
    let (frame, _listener) = server.await.unwrap();
    assert_eq!(frame.kind(), Kind::RoundResult);
    assert!(frame.payload() == payload);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialer_comes_back_after_the_listener_was_restarted() {
    let net = Net::new("North");
    let (listener, address) = net.listen(everybody());
    let first = echo(Arc::clone(&listener), Limits::control());
    let dialer = net.dialer("a", &address);
    let (mut sender, mut receiver) = dialer.dial().await.unwrap().split(Limits::control());
    sender.send(failed("one")).await.unwrap();
    assert_eq!(receiver.receive().await.unwrap(), Some(failed("one")));
    listener.close("restarting").await;
    let error = receiver.receive().await.unwrap_err();
    assert_eq!(
        error,
        LinkError::Closed {
            reason: "restarting".into()
        }
    );
    first.await.unwrap();
    let port: SocketAddr = address.parse().unwrap();
    drop((listener, sender, receiver));

    let mut backoff = Backoff::new();
    let mut second = None;
    let connection = loop {
        match dialer.dial().await {
            Ok(connection) => break connection,
            Err(error) => assert!(!error.is_final(), "{error}"),
        }
        if second.is_none() {
            let bound = Listener::bind(
                port,
                &net.identity("hub"),
                everybody(),
                &Transport::default(),
                Traffic::default(),
            );
            second = bound
                .ok()
                .map(|listener| echo(Arc::new(listener), Limits::control()));
        }
        tokio::time::sleep(backoff.pause()).await;
    };
    let (mut sender, mut receiver) = connection.split(Limits::control());
    sender.send(failed("two")).await.unwrap();
    assert_eq!(receiver.receive().await.unwrap(), Some(failed("two")));
    assert_eq!(dialer.traffic.totals().frames_sent, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_carry_messages_and_say_why_they_end() {
    let net = Net::new("North");
    let (listener, address) = net.listen(everybody());
    let server = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap().complete().await.unwrap();
        let (events, mut inbox) = mpsc::channel::<LinkEvent<ToCoordinator>>(4);
        let link: Link<ToParty> = Link::start(connection, Limits::control(), events, |event| event);
        let Some(LinkEvent::Message(hello)) = inbox.recv().await else {
            panic!("no hello")
        };
        assert_eq!(
            hello,
            ToCoordinator::Hello {
                versions: (1, 1),
                run: None
            }
        );
        let round = RoundId::first_of(0);
        assert!(link.send(ToParty::Survivors {
            round,
            survivors: vec![id("a")]
        }));
        link.finish().await;
        (inbox.recv().await, listener)
    });
    let connection = net.dialer("a", &address).dial().await.unwrap();
    let (events, mut inbox) = mpsc::channel(4);
    let (link, reading) = Link::<ToCoordinator>::paused(connection, Limits::control(), events, |event| event);
    link.send(ToCoordinator::Hello {
        versions: (1, 1),
        run: None,
    });
    reading.start();
    let Some(LinkEvent::Message(ToParty::Survivors { survivors, .. })) = inbox.recv().await else {
        panic!("no survivors")
    };
    assert_eq!(survivors, [id("a")]);
    assert!(matches!(
        inbox.recv().await,
        Some(LinkEvent::Closed(LinkError::Closed { .. }))
    ));
    assert!(inbox.recv().await.is_none(), "nothing follows the end");
    let (last, _listener) = server.await.unwrap();
    assert!(
        matches!(last, Some(LinkEvent::Closed(LinkError::ClosedHere))),
        "{last:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_replaced_tells_the_other_side() {
    let net = Net::new("North");
    let (listener, address) = net.listen(everybody());
    let server = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap().complete().await.unwrap();
        let (events, mut inbox) = mpsc::channel::<LinkEvent<ToCoordinator>>(4);
        let link: Link<ToParty> = Link::start(connection, Limits::control(), events, |event| event);
        assert!(matches!(
            inbox.recv().await,
            Some(LinkEvent::Message(ToCoordinator::Hello { .. }))
        ));
        link.replace();
        (link, inbox, listener)
    });
    let connection = net.dialer("a", &address).dial().await.unwrap();
    let (mut sender, mut receiver) = connection.split(Limits::control());
    sender
        .send(
            ToCoordinator::Hello {
                versions: (1, 1),
                run: None,
            }
            .to_frame(),
        )
        .await
        .unwrap();
    assert_eq!(receiver.receive().await.unwrap_err(), LinkError::Replaced);
    drop(server.await.unwrap());
}
