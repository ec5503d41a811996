use std::os::unix::fs::PermissionsExt;

use super::*;

fn party(id: &str) -> Subject {
    Subject::Party(PartyId::new(id).unwrap())
}

#[test]
fn a_member_goes_from_request_to_identity_and_its_key_never_moves() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, home, desk) = (
        folder.path().join("ca"),
        folder.path().join("home"),
        folder.path().join("desk"),
    );
    let validity = Validity::days(30).unwrap();
    let ca_print = create_ca(&ca, "Banks of the North", validity).unwrap();

    let identity = request(&home, &party("bank-a")).unwrap();
    files::create_folder(&desk).unwrap();
    std::fs::copy(home.join(REQUEST_FILE), desk.join("bank-a.csr")).unwrap();

    let review = Review::read(&desk.join("bank-a.csr")).unwrap();
    assert_eq!(review.subject(), &party("bank-a"));
    assert_eq!(review.identity(), &identity);
    sign(&ca, &review, validity, &desk.join("bank-a.pem")).unwrap();

    let member = install(&home, &desk.join("bank-a.pem"), &ca.join(CA_FILE), now()).unwrap();
    assert_eq!(
        member,
        Member {
            subject: party("bank-a"),
            identity
        }
    );
    let loaded = Identity::load(&home, now()).unwrap();
    assert_eq!(loaded.subject(), &party("bank-a"));
    assert_eq!(loaded.signing().verifying(), identity);
    assert_eq!(loaded.consortium().name(), "Banks of the North");
    assert_eq!(loaded.consortium().fingerprint(), &ca_print);
    for key in [ca.join(CA_KEY_FILE), home.join(KEY_FILE)] {
        assert_eq!(
            std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            key.display()
        );
    }
    let key = files::read_text(&home.join(KEY_FILE)).unwrap();
    for file in std::fs::read_dir(&desk).unwrap() {
        assert!(
            !files::read_text(&file.unwrap().path())
                .unwrap()
                .contains(key.trim())
        );
    }
}

#[test]
fn nothing_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let validity = Validity::days(1).unwrap();
    create_ca(folder.path(), "one", validity).unwrap();
    assert!(matches!(
        create_ca(folder.path(), "two", validity),
        Err(ProvisionError::File(FileError::Exists { .. }))
    ));
    request(&folder.path().join("a"), &party("a")).unwrap();
    let before = files::read(&folder.path().join("a").join(KEY_FILE)).unwrap();
    assert!(request(&folder.path().join("a"), &party("a")).is_err());
    assert_eq!(
        files::read(&folder.path().join("a").join(KEY_FILE)).unwrap(),
        before
    );
}

#[test]
fn a_certificate_of_another_request_is_not_installed() {
    let folder = tempfile::tempdir().unwrap();
    let subjects = [party("a"), party("b")];
    all_in_one(folder.path(), "c", &subjects, Validity::days(1).unwrap()).unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let ca = folder.path().join(ALL_IN_ONE_CA).join(CA_FILE);
    let error = install(&a, &b.join(CERTIFICATE_FILE), &ca, now()).unwrap_err();
    assert!(matches!(error, ProvisionError::OtherKey { .. }), "{error}");
    std::fs::copy(b.join(CERTIFICATE_FILE), a.join(CERTIFICATE_FILE)).unwrap();
    assert!(matches!(
        Identity::load(&a, now()),
        Err(IdentityFolderError::KeyMismatch { .. })
    ));
}

#[test]
fn a_request_that_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    request(folder.path(), &party("a")).unwrap();
    let path = folder.path().join(REQUEST_FILE);
    let text = files::read_text(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let middle = lines.len() / 2;
    lines[middle] = lines[middle]
        .chars()
        .map(|c| if c == 'A' { 'B' } else { 'A' })
        .collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    assert!(matches!(Review::read(&path), Err(ProvisionError::Request { .. })));
}

#[test]
fn an_identity_that_is_not_there_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    request(folder.path(), &party("a")).unwrap();
    let error = Identity::load(folder.path(), now()).unwrap_err().to_string();
    assert!(
        error.contains("cert.pem is missing") && error.contains("hedgerow provision install"),
        "{error}"
    );
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    all_in_one(folder.path(), "c", &[party("a")], Validity::days(1).unwrap()).unwrap();
    let key = folder.path().join("a").join(KEY_FILE);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Identity::load(&folder.path().join("a"), now())
        .unwrap_err()
        .to_string();
    assert!(error.contains("chmod 600"), "{error}");
}
