use std::time::{Duration, SystemTime};

use super::*;
use crate::identity::{CERTIFICATE_FILE, Identity};
use crate::provision::{self, Validity};

fn id(name: &str) -> PartyId {
    PartyId::new(name).unwrap()
}

fn consortium(name: &str, validity: Validity) -> (tempfile::TempDir, Identity) {
    let folder = tempfile::tempdir().unwrap();
    let subjects = provision::subjects(&id("hub"), &[id("a")]);
    provision::all_in_one(folder.path(), name, &subjects, validity).unwrap();
    let identity = Identity::load(&folder.path().join("a"), now()).unwrap();
    (folder, identity)
}

fn after(days: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + days * 86_400))
}

#[test]
fn names_read_back_and_others_do_not() {
    for subject in [Subject::Party(id("a.b-c_1")), Subject::Coordinator(id("hub"))] {
        assert_eq!(subject.uri().parse::<Subject>().unwrap(), subject);
    }
    for uri in [
        "",
        "hedgerow:party/",
        "hedgerow:party/a/b",
        "hedgerow:auditor/a",
        "https://party/a",
        "hedgerow:party",
    ] {
        assert!(
            matches!(uri.parse::<Subject>(), Err(CertificateError::Name { .. })),
            "{uri}"
        );
    }
}

#[test]
fn a_member_is_known_within_its_time() {
    let (_folder, a) = consortium("North", Validity::days(10).unwrap());
    let certificate = a.certificate().as_ref();
    let member = a.consortium().member(certificate, now()).unwrap();
    assert_eq!(member.subject, Subject::Party(id("a")));
    assert_eq!(member.identity, a.signing().verifying());
    let early = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - 86_400));
    let error = a.consortium().member(certificate, early).unwrap_err();
    assert!(matches!(error, CertificateError::NotYetValid { .. }), "{error}");
    let error = a.consortium().member(certificate, after(11)).unwrap_err();
    assert!(
        matches!(error, CertificateError::AuthorityExpired { .. }),
        "{error}"
    );
}

#[test]
fn an_expired_certificate_is_told_from_an_expired_authority() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca");
    provision::create_ca(&ca, "North", Validity::days(100).unwrap()).unwrap();
    let home = folder.path().join("a");
    provision::request(&home, &Subject::Party(id("a"))).unwrap();
    let review = provision::Review::read(&home.join(provision::REQUEST_FILE)).unwrap();
    let out = home.join(CERTIFICATE_FILE);
    provision::sign(&ca, &review, Validity::days(10).unwrap(), &out).unwrap();
    let identity_ca = crate::identity::read_certificate(&ca.join("ca.pem")).unwrap();
    let trusted = Consortium::new(&identity_ca).unwrap();
    let certificate = crate::identity::read_certificate(&out).unwrap();
    assert!(trusted.member(&certificate, now()).is_ok());
    let error = trusted.member(&certificate, after(11)).unwrap_err();
    assert!(
        matches!(&error, CertificateError::Expired { subject, .. } if subject == "party a"),
        "{error}"
    );
}

#[test]
fn another_consortium_is_refused_also_under_the_same_name() {
    let validity = Validity::days(10).unwrap();
    let (_here, a) = consortium("North", validity);
    for name in ["South", "North"] {
        let (_there, stranger) = consortium(name, validity);
        let error = a.consortium().member(stranger.certificate(), now()).unwrap_err();
        assert!(
            matches!(&error, CertificateError::OtherConsortium { issuer, .. } if issuer == name),
            "{error}"
        );
        assert!(error.to_string().contains("of another consortium"));
    }
}

#[test]
fn the_protocol_accepts_a_party_under_its_own_name_only() {
    let (folder, a) = consortium("North", Validity::days(10).unwrap());
    let verifier: &dyn CertificateVerifier = a.consortium();
    assert_eq!(
        verifier.verify(&id("a"), a.certificate()).unwrap(),
        a.signing().verifying()
    );
    let error = verifier.verify(&id("b"), a.certificate()).unwrap_err();
    assert!(
        error.reason.contains("that of party a, expected party b"),
        "{error}"
    );
    let hub = Identity::load(&folder.path().join("hub"), now()).unwrap();
    assert!(verifier.verify(&id("hub"), hub.certificate()).is_err());
    assert!(verifier.verify(&id("a"), b"not a certificate").is_err());
    let mut changed = a.certificate().to_vec();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert!(verifier.verify(&id("a"), &changed).is_err());
}

#[test]
fn an_expired_certificate_cannot_even_be_installed() {
    let folder = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(86_400);
    let past = Validity::between(SystemTime::now() - 3 * day, SystemTime::now() - day);
    let error = provision::all_in_one(folder.path(), "North", &[Subject::Party(id("a"))], past)
        .unwrap_err()
        .to_string();
    assert!(error.contains("expired on"), "{error}");
}
