//! Who does not get in, and what each side is told.

use std::time::{Duration, SystemTime};

use super::*;
use crate::certificate::CertificateError;
use crate::identity::CERTIFICATE_FILE;

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
