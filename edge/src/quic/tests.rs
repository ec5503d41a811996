use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::schema::{Column, ColumnKind, Label, Schema};
use hedgerow_protocol::config::{
    Aggregation, DEFAULT_MAX_ROWS, Partition, RunConfig, RunConfigLiteral, TestSplit,
};
use hedgerow_protocol::ids::{PartyId, RoundId, RunId};
use hedgerow_protocol::wire::{
    Frame, HEADER_LEN, Header, Kind, Limits, Message, ToCoordinator, ToParty, WireError,
};
use tokio::sync::mpsc;

use super::*;
use crate::certificate::{CertificateError, Subject, now};
use crate::identity::{CERTIFICATE_FILE, Identity};
use crate::provision::{self, Validity};
use crate::tls::Admit;

fn id(name: &str) -> PartyId {
    PartyId::new(name).unwrap()
}

fn everybody() -> Admit {
    Arc::new(|_| Ok(()))
}

struct Net {
    folder: tempfile::TempDir,
}

impl Net {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let subjects = provision::subjects(&id("hub"), &[id("a"), id("b")]);
        provision::all_in_one(folder.path(), name, &subjects, Validity::days(10).unwrap()).unwrap();
        Self { folder }
    }

    fn identity(&self, name: &str) -> Arc<Identity> {
        Arc::new(Identity::load(&self.folder.path().join(name), now()).unwrap())
    }

    fn listen(&self, admit: Admit) -> (Arc<Listener>, String) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let identity = self.identity("hub");
        let listener =
            Listener::bind(any, &identity, admit, &Transport::default(), Traffic::default()).unwrap();
        let address = listener.local_address().unwrap().to_string();
        (Arc::new(listener), address)
    }

    fn dialer(&self, name: &str, address: &str) -> Dialer {
        let transport = Transport {
            connect_s: Some(2),
            ..Transport::default()
        };
        let identity = self.identity(name);
        Dialer {
            identity,
            address: address.to_owned(),
            expected: None,
            transport,
            traffic: Traffic::default(),
        }
    }
}

/// Accepts everybody who comes and sends every frame back.
fn echo(listener: Arc<Listener>, limits: Limits) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(arrival) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(connection) = arrival.complete().await else {
                    return;
                };
                let (mut sender, mut receiver) = connection.split(limits);
                while let Ok(Some(frame)) = receiver.receive().await {
                    sender.send(frame).await.unwrap();
                }
                let _ = sender.finish().await;
            });
        }
    })
}

fn failed(text: &str) -> Frame {
    Frame::new(Kind::Failed, text.as_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_go_both_ways_between_members_who_know_each_other() {
    let net = Net::new("North");
    let (listener, address) = net.listen(everybody());
    let _echo = echo(Arc::clone(&listener), Limits::control());
    let mut dialer = net.dialer("a", &address);
    dialer.expected = Some(Subject::Coordinator(id("hub")));
    let connection = dialer.dial().await.unwrap();
    assert_eq!(connection.peer().subject, Subject::Coordinator(id("hub")));
    assert_eq!(
        connection.peer().identity,
        net.identity("hub").signing().verifying()
    );
    assert_eq!(
        connection.peer_certificate(),
        net.identity("hub").certificate().as_ref()
    );
    let (mut sender, mut receiver) = connection.split(Limits::control());
    for text in ["one", "", "three"] {
        sender.send(failed(text)).await.unwrap();
        assert_eq!(receiver.receive().await.unwrap().unwrap(), failed(text));
    }
    let totals = dialer.traffic.totals();
    assert_eq!((totals.frames_sent, totals.frames_received), (3, 3));
    assert_eq!(totals.frame_bytes_sent, 3 * HEADER_LEN as u64 + 8);
    assert_eq!(totals.frame_bytes_received, totals.frame_bytes_sent);
    assert!(totals.udp_sent > totals.frame_bytes_sent && totals.udp_received > 0);
    sender.finish().await.unwrap();
    assert_eq!(receiver.receive().await.unwrap(), None);
    drop((sender, receiver));
    assert!(
        dialer.traffic.totals().udp_sent >= totals.udp_sent,
        "bytes of ended connections stay"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_consortium_is_refused_on_both_sides() {
    let (north, south) = (Net::new("North"), Net::new("South"));
    let (listener, address) = north.listen(everybody());
    let _echo = echo(listener, Limits::control());
    let error = south.dialer("a", &address).dial().await.unwrap_err();
    assert!(
        matches!(
            &error,
            ConnectError::Certificate {
                source: CertificateError::OtherConsortium { .. },
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.is_final());

    // A dialer that trusts the coordinator's CA, with a certificate of another.
    let home = north.folder.path().join("mixed");
    std::fs::create_dir(&home).unwrap();
    for (from, name) in [(&south, "key.pem"), (&south, CERTIFICATE_FILE)] {
        std::fs::copy(from.folder.path().join("a").join(name), home.join(name)).unwrap();
    }
    let mixed = mixed_identity(&home, &north);
    let mut dialer = north.dialer("a", &address);
    dialer.identity = mixed;
    let error = dialer.dial().await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Refused {
                why: Refusal::OtherConsortium,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("another consortium than the coordinator's")
    );
}

/// An identity whose own certificate its own CA file does not cover, which `Identity::load` would refuse.
fn mixed_identity(home: &Path, trusted: &Net) -> Arc<Identity> {
    let ca = trusted.folder.path().join("hub").join("ca.pem");
    Arc::new(Identity::load_unchecked(home, &ca))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_refused() {
    let net = Net::new("North");
    let (listener, address) = net.listen(everybody());
    let _echo = echo(listener, Limits::control());
    let home = net.folder.path().join("late");
    provision::request(&home, &Subject::Party(id("late"))).unwrap();
    let review = provision::Review::read(&home.join(provision::REQUEST_FILE)).unwrap();
    let day = Duration::from_secs(86_400);
    let past = Validity::between(SystemTime::now() - 3 * day, SystemTime::now() - day);
    provision::sign(
        &net.folder.path().join("ca"),
        &review,
        past,
        &home.join(CERTIFICATE_FILE),
    )
    .unwrap();
    let mut dialer = net.dialer("a", &address);
    dialer.identity = mixed_identity(&home, &net);
    let error = dialer.dial().await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Refused {
                why: Refusal::Expired,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("has expired"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_listed_and_who_is_no_party_stays_outside() {
    let net = Net::new("North");
    let only_b: Admit = Arc::new(|subject| {
        let found = subject.to_string();
        if found == "party b" {
            Ok(())
        } else {
            Err(CertificateError::Other {
                expected: "party b".into(),
                found,
            })
        }
    });
    let (listener, address) = net.listen(only_b);
    let _echo = echo(listener, Limits::control());
    let error = net.dialer("a", &address).dial().await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Refused {
                why: Refusal::NotListed,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("not in the coordinator's list"));
    let error = net.dialer("hub", &address).dial().await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    net.dialer("b", &address).dial().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_of_another_name_is_not_the_one_that_was_called() {
    let net = Net::new("North");
    let (listener, address) = net.listen(everybody());
    let _echo = echo(listener, Limits::control());
    let mut dialer = net.dialer("a", &address);
    dialer.expected = Some(Subject::Coordinator(id("other-hub")));
    let error = dialer.dial().await.unwrap_err();
    assert!(
        matches!(
            &error,
            ConnectError::Certificate {
                source: CertificateError::Other { .. },
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("that of coordinator hub, expected coordinator other-hub"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_answers_is_told_from_what_does_not() {
    let net = Net::new("North");
    let free = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = net.dialer("a", &free.to_string()).dial().await.unwrap_err();
    assert!(matches!(error, ConnectError::NobodyListens { .. }), "{error:?}");
    assert!(!error.is_final());

    let deaf = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = deaf.local_addr().unwrap();
    let error = net.dialer("a", &port.to_string()).dial().await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Silent { seconds: 2, .. }),
        "{error:?}"
    );

    let tcp = tokio::net::TcpListener::bind(port).await.unwrap();
    let error = net.dialer("a", &port.to_string()).dial().await.unwrap_err();
    assert!(
        matches!(error, ConnectError::NotQuic { over: "TCP", .. }),
        "{error:?}"
    );
    drop(tcp);

    tokio::spawn(async move {
        let mut datagram = [0; 2048];
        while let Ok((length, from)) = deaf.recv_from(&mut datagram).await {
            let _ = deaf.send_to(&datagram[..length], from).await;
        }
    });
    let error = net.dialer("a", &port.to_string()).dial().await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::NotQuic {
                over: "UDP, in plain text",
                ..
            }
        ),
        "{error:?}"
    );

    let error = net
        .dialer("a", "no-such-host.invalid:7447")
        .dial()
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Resolve { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_said() {
    let net = Net::new("North");
    let (listener, _) = net.listen(everybody());
    let taken = listener.local_address().unwrap();
    let error = Listener::bind(
        taken,
        &net.identity("hub"),
        everybody(),
        &Transport::default(),
        Traffic::default(),
    )
    .unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains(&format!("UDP port {} of 127.0.0.1 is in use", taken.port()))
    );
}

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
            }],
            label,
        },
        forest: ForestParams {
            trees: 1024,
            depth: 12,
            bins: 64,
            growth: Growth::Random,
        },
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

#[test]
fn transport_numbers_are_checked() {
    assert_eq!(Transport::default().check(), Ok(()));
    let bad = |transport: Transport| transport.check().unwrap_err().0;
    assert_eq!(
        bad(Transport {
            mtu: Some(1199),
            ..Transport::default()
        }),
        "mtu"
    );
    assert_eq!(
        bad(Transport {
            idle_s: Some(5),
            ..Transport::default()
        }),
        "idle_s"
    );
    assert_eq!(
        bad(Transport {
            connect_s: Some(0),
            ..Transport::default()
        }),
        "connect_s"
    );
}
