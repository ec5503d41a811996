use proptest::prelude::*;

use super::*;

fn secret(byte: u8) -> SealingSecret {
    SealingSecret::from_seed(&Seed::from_bytes([byte; 32]))
}

fn pair(context: &[u8]) -> (PairKey, PairKey) {
    let (one, two) = (secret(1), secret(2));
    (
        one.pair(&two.public(), context).unwrap(),
        two.pair(&one.public(), context).unwrap(),
    )
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// RFC 7748, section 6.1: our keys, and the primitive's shared secret.
#[test]
fn rfc_7748() {
    let alice = Seed::from_bytes(bytes(
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
    ));
    let alice = SealingSecret::from_seed(&alice);
    let bob = Seed::from_bytes(bytes(
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
    ));
    let bob = SealingSecret::from_seed(&bob);
    assert_eq!(
        alice.public().0,
        bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    );
    assert_eq!(
        bob.public().0,
        bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    );
    let shared = alice.0.diffie_hellman(&PublicKey::from(bob.public().0));
    assert_eq!(
        shared.to_bytes(),
        bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    );
}

/// RFC 8439, section 2.8.2: the primitive, with the vector's own nonce.
#[test]
fn rfc_8439() {
    let key: [u8; 32] = core::array::from_fn(|i| 0x80 + i as u8);
    let nonce = bytes::<12>("070000004041424344454647");
    let aad = bytes::<12>("50515253c0c1c2c3c4c5c6c7");
    let plaintext =
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
        sunscreen would be it.";
    let sealed = ChaCha20Poly1305::new(&Key::from(key))
        .encrypt(
            &Nonce::from(nonce),
            Payload {
                msg: plaintext,
                aad: &aad,
            },
        )
        .unwrap();
    assert_eq!(
        hex::encode(sealed),
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e\
         060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d2\
         6586cec64b61161ae10b594f09e26a7e902ecbd0600691"
    );
}

/// The points of low order and their unreduced twins, as listed at <https://cr.yp.to/ecdh.html#validate>.
#[test]
fn refuses_points_of_low_order() {
    for weak in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let error = secret(1).pair(&SealingPublic(bytes(weak)), b"").unwrap_err();
        assert_eq!(error, SealError::LowOrder { key: weak.to_owned() });
    }
}

/// What one message opens as, byte for byte, must not change without a new domain.
#[test]
fn the_construction_is_hkdf_then_aead() {
    let (one, two) = pair(b"round 1");
    let (low, high) = {
        let (a, b) = (secret(1).public().0, secret(2).public().0);
        if a < b { (a, b) } else { (b, a) }
    };
    let shared = secret(1).0.diffie_hellman(&PublicKey::from(secret(2).public().0));
    let mut root = [0; 32];
    hkdf::Hkdf::<sha2::Sha256>::new(Some(b"hedgerow/seal/pair/1"), shared.as_bytes())
        .expand(&[&low[..], &high[..], b"round 1"].concat(), &mut root)
        .unwrap();
    let info = [&secret(1).public().0[..], &secret(2).public().0[..], b"label"].concat();
    let key = Seed::from_bytes(root).derive("hedgerow/seal/message/1", &info);
    let expected = ChaCha20Poly1305::new(&Key::from(*key.expose_bytes()))
        .encrypt(
            &Nonce::from([0; 12]),
            Payload {
                msg: b"plaintext",
                aad: b"aad",
            },
        )
        .unwrap();
    assert_eq!(one.seal(b"label", b"aad", b"plaintext"), expected);
    assert_eq!(
        two.open(b"label", b"aad", &expected).unwrap().expose(),
        b"plaintext"
    );
}

#[test]
fn opens_nothing_from_another_place() {
    let (one, two) = pair(b"round 1");
    let sealed = one.seal(b"label", b"aad", b"plaintext");
    assert_eq!(sealed.len(), 9 + OVERHEAD);
    let refused = SealError::NotAuthentic {
        from: secret(1).public(),
        length: 25,
    };
    let open =
        |key: &PairKey, label: &[u8], aad: &[u8]| key.open(label, aad, &sealed).map(|_| ()).unwrap_err();
    assert_eq!(open(&two, b"lable", b"aad"), refused);
    assert_eq!(open(&two, b"label", b"add"), refused);
    assert_eq!(open(&pair(b"round 2").1, b"label", b"aad"), refused);
    let third = secret(3).pair(&secret(1).public(), b"round 1").unwrap();
    assert_eq!(open(&third, b"label", b"aad"), refused);
    // Reflected: the sender does not take its own message for the other's.
    let reflected = SealError::NotAuthentic {
        from: secret(2).public(),
        length: 25,
    };
    assert_eq!(open(&one, b"label", b"aad"), reflected);
}

#[test]
fn names_a_short_message() {
    let (_, two) = pair(b"");
    let error = two.open(b"", b"", &[0; 15]).unwrap_err();
    assert_eq!(
        error,
        SealError::Short {
            actual: 15,
            at_least: 16
        }
    );
}

#[test]
fn both_directions_and_all_labels_have_their_own_key_stream() {
    let (one, two) = pair(b"");
    let zeros = [0; 64];
    let streams = [
        one.seal(b"a", b"", &zeros),
        two.seal(b"a", b"", &zeros),
        one.seal(b"b", b"", &zeros),
    ];
    assert!(streams[0] != streams[1] && streams[0] != streams[2] && streams[1] != streams[2]);
    assert_eq!(one.seal(b"a", b"", &zeros), streams[0]);
}

#[test]
fn prints_nothing_secret() {
    assert_eq!(format!("{:?}", secret(0xab)), "SealingSecret(redacted)");
    let (one, _) = pair(b"");
    assert_eq!(
        format!("{one:?}"),
        format!(
            "PairKey({:?} to {:?}, redacted)",
            secret(1).public(),
            secret(2).public()
        )
    );
}

#[test]
fn public_keys_serialise_as_raw_bytes_and_as_hex() {
    let public = secret(1).public();
    assert_eq!(postcard::to_stdvec(&public).unwrap(), public.to_bytes());
    assert_eq!(
        postcard::from_bytes::<SealingPublic>(&public.to_bytes()).unwrap(),
        public
    );
    let json = serde_json::to_string(&public).unwrap();
    assert_eq!(json, format!("\"{}\"", hex::encode(public.to_bytes())));
    assert_eq!(serde_json::from_str::<SealingPublic>(&json).unwrap(), public);
}

proptest! {
    #[test]
    fn opens_what_was_sealed_and_nothing_changed(
        seeds: ([u8; 32], [u8; 32]),
        context: Vec<u8>,
        label: Vec<u8>,
        aad: Vec<u8>,
        plaintext: Vec<u8>,
        place: prop::sample::Index,
        bit in 0_usize..8,
    ) {
        let one = SealingSecret::from_seed(&Seed::from_bytes(seeds.0));
        let two = SealingSecret::from_seed(&Seed::from_bytes(seeds.1));
        let from_one = one.pair(&two.public(), &context).unwrap();
        let to_two = two.pair(&one.public(), &context).unwrap();
        let mut sealed = from_one.seal(&label, &aad, &plaintext);
        let opened = to_two.open(&label, &aad, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), &plaintext);
        let at = place.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(to_two.open(&label, &aad, &sealed).is_err());
    }
}
