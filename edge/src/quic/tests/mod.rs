use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::wire::{Frame, HEADER_LEN, Kind, Limits};

use super::*;
use crate::certificate::{Subject, now};
use crate::identity::Identity;
use crate::provision::{self, Validity};
use crate::tls::Admit;

mod carried;
mod refused;

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
