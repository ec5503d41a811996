use ed25519_dalek::Verifier;
use proptest::prelude::*;

use super::*;

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn identity(byte: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Seed::from_bytes([byte; 32]))
}

/// RFC 8032, section 7.1, tests 1 to 3: secret key, public key, message, signature. They sign bare messages, so the
/// key goes through our type and the signature through the primitive.
#[test]
fn rfc_8032() {
    for (secret, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let signing = SigningIdentity::from_seed(&Seed::from_bytes(bytes(secret)));
        assert_eq!(signing.verifying().to_bytes(), bytes(public));
        let message = hex::decode(message).unwrap();
        assert_eq!(signing.0.sign(&message).to_bytes(), bytes::<64>(signature));
    }
}

/// What is signed is the framed message, by plain Ed25519.
#[test]
fn signs_the_framed_message() {
    let signature = identity(1).sign("ab", b"c");
    let framed = b"\x02\0\0\0\0\0\0\0abc";
    let plain = ed25519_dalek::Signature::from_bytes(&signature.to_bytes());
    identity(1).verifying().0.verify(framed, &plain).unwrap();
}

/// RFC 8410, section 10.3: the first example key, and the second one with an attribute and the public key inside.
#[test]
fn rfc_8410() {
    let seed = "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";
    let version_1 = format!("302e020100300506032b657004220420{seed}");
    let der = hex::decode(&version_1).unwrap();
    let signing = SigningIdentity::from_pkcs8_der(&der).unwrap();
    assert_eq!(
        signing.verifying().to_string(),
        "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
    );
    assert_eq!(hex::encode(signing.to_pkcs8_der().expose()), version_1);
    let version_2 = format!(
        "3072020101300506032b657004220420{seed}a01f301d060a2a864886f70d01090914310f0c0d437572646c6520436861697273\
         81210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
    );
    let same = SigningIdentity::from_pkcs8_der(&hex::decode(&version_2).unwrap());
    assert_eq!(same.map(|same| same.verifying()), Ok(signing.verifying()));
}

#[test]
fn refuses_bytes_that_are_no_private_key() {
    let der = identity(1).to_pkcs8_der();
    let error = SigningIdentity::from_pkcs8_der(&der.expose()[..47]).unwrap_err();
    assert!(
        matches!(error, IdentityError::PrivateKey { length: 47, .. }),
        "{error}"
    );
    let mut x25519 = der.expose().clone();
    x25519[11] = 0x6e;
    assert!(SigningIdentity::from_pkcs8_der(&x25519).is_err());
}

/// The eight points of small order, in the encodings listed by Chalkias et al. (2020), table 1.
#[test]
fn refuses_points_of_small_order_and_no_points() {
    for weak in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    ] {
        assert_eq!(
            VerifyingIdentity::from_bytes(&bytes(weak)),
            Err(IdentityError::SmallOrder { key: weak.to_owned() })
        );
        assert!(serde_json::from_str::<VerifyingIdentity>(&format!("\"{weak}\"")).is_err());
    }
    // y = 2 is on no point of the curve.
    let mut none = [0; 32];
    none[0] = 2;
    assert!(matches!(
        VerifyingIdentity::from_bytes(&none),
        Err(IdentityError::NotAPoint { .. })
    ));
}

/// S + L verifies under lax rules (RFC 8032 asks S < L): whoever relays could make a second signature of it.
#[test]
fn refuses_a_malleated_signature() {
    let signing = identity(1);
    let mut signature = signing.sign("d", b"m").to_bytes();
    let order = bytes::<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0_u16;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert!(
        signing
            .verifying()
            .verify("d", b"m", &Signature::from_bytes(signature))
            .is_err()
    );
}

#[test]
fn the_error_names_the_signer_and_the_domain() {
    let (one, two) = (identity(1), identity(2));
    let error = two
        .verifying()
        .verify("d", b"m", &one.sign("d", b"m"))
        .unwrap_err();
    assert_eq!(error.signer, two.verifying().to_string());
    assert!(error.to_string().contains("under `d`"));
}

#[test]
fn serialises_as_raw_bytes_and_as_hex() {
    let verifying = identity(1).verifying();
    let signature = identity(1).sign("d", b"m");
    assert_eq!(postcard::to_stdvec(&verifying).unwrap(), verifying.to_bytes());
    assert_eq!(postcard::to_stdvec(&signature).unwrap(), signature.to_bytes());
    assert_eq!(
        postcard::from_bytes::<VerifyingIdentity>(&verifying.to_bytes()).unwrap(),
        verifying
    );
    assert_eq!(
        postcard::from_bytes::<Signature>(&signature.to_bytes()).unwrap(),
        signature
    );
    assert!(postcard::from_bytes::<Signature>(&signature.to_bytes()[..63]).is_err());
    let json = serde_json::to_string(&(verifying, signature)).unwrap();
    assert!(json.contains(&format!("\"{verifying}\"")));
    assert_eq!(
        serde_json::from_str::<(VerifyingIdentity, Signature)>(&json).unwrap(),
        (verifying, signature)
    );
}

#[test]
fn orders_by_bytes_and_prints_no_secret() {
    let mut identities: Vec<_> = (0..20).map(|byte| identity(byte).verifying()).collect();
    identities.sort();
    assert!(
        identities
            .array_windows()
            .all(|[left, right]| left.to_bytes() < right.to_bytes())
    );
    let printed = format!("{:?}", identity(0xab));
    assert_eq!(
        printed,
        format!("SigningIdentity({}, redacted)", identity(0xab).verifying())
    );
    assert!(!printed.contains("abab"));
}

proptest! {
    #[test]
    fn verifies_only_what_was_signed(
        seed: [u8; 32],
        domain in "[a-z/]{0,12}",
        message in prop::collection::vec(any::<u8>(), 1..60),
        bit in 0_usize..8,
        place: prop::sample::Index,
    ) {
        let signing = SigningIdentity::from_seed(&Seed::from_bytes(seed));
        let verifying = signing.verifying();
        let signature = signing.sign(&domain, &message);
        prop_assert!(verifying.verify(&domain, &message, &signature).is_ok());

        let mut other = message.clone();
        other[place.index(message.len())] ^= 1 << bit;
        prop_assert!(verifying.verify(&domain, &other, &signature).is_err());

        let mut other = signature.to_bytes();
        other[place.index(64)] ^= 1 << bit;
        prop_assert!(verifying.verify(&domain, &message, &Signature::from_bytes(other)).is_err());

        // The first byte of the message moved into the domain.
        if message[0].is_ascii() {
            let longer = format!("{domain}{}", char::from(message[0]));
            prop_assert!(verifying.verify(&longer, &message[1..], &signature).is_err());
        }
    }
}
