use super::*;

fn every() -> Vec<Message> {
    let (a, b) = (Digest([0xaa; 32]), Digest([0xbb; 32]));
    vec![
        Message::Hello { model: "mlp".into() },
        Message::Put {
            what: What::Request,
            blob: a,
            bytes: 300,
            about: b,
        },
        Message::Ready { blob: a, offset: 128 },
        Message::Chunk {
            blob: a,
            offset: 258,
            data: vec![1, 2, 3],
        },
        Message::Queued { blob: a, ahead: 5 },
        Message::NeedKeys { keys: b },
        Message::Refused {
            blob: NONE,
            reason: "no".into(),
            retry_ms: Some(1000),
        },
    ]
}

/// The bytes of version 1, written by hand. A change here is another version.
#[test]
fn the_wire_is_pinned() {
    let (a, b, zero) = ("aa".repeat(32), "bb".repeat(32), "00".repeat(32));
    let head = |kind: &str, length: &str| format!("48475253 0001 {kind} 00 {length}");
    // Fields as Protocol Buffers write them: (number << 3 | type), then a varint, or a length and bytes.
    let pinned = [
        format!("{} 0801 1203 6d6c70", head("01", "00000007")),
        format!("{} 0802 1a20 {a} 20ac02 2a20 {b} 3002", head("01", "0000004b")),
        format!("{} 0803 1a20 {a} 208001", head("01", "00000027")),
        format!("{} {a} 0000000000000102 010203", head("02", "0000002b")),
        format!("{} 0804 1a20 {a} 2005", head("01", "00000026")),
        format!("{} 0805 1a20 {b}", head("01", "00000024")),
        format!("{} 0806 1202 6e6f 1a20 {zero} 38e807", head("01", "0000002b")),
    ];
    for (message, pinned) in every().iter().zip(pinned) {
        let bytes: String = message
            .encode()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(bytes, pinned.replace(' ', ""), "{message:?}");
    }
}

#[test]
fn messages_read_back_from_pieces_of_any_size() {
    let stream: Vec<u8> = every().iter().flat_map(Message::encode).collect();
    for size in [1, 7, 64, stream.len()] {
        let mut decoder = Decoder::default();
        let mut read = Vec::new();
        for mut piece in stream.chunks(size) {
            while let Some(message) = decoder.push(&mut piece).unwrap() {
                read.push(message);
            }
            assert!(piece.is_empty());
        }
        assert_eq!(read, every(), "pieces of {size}");
    }
}

fn refused(bytes: &[u8]) -> WireError {
    let mut decoder = Decoder::default();
    decoder.push(&mut &*bytes).unwrap_err()
}

#[test]
fn every_corruption_of_a_header_is_named_before_anything_is_allocated() {
    let good = Message::NeedKeys { keys: NONE }.encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert!(matches!(refused(&with(0, b'X')), WireError::Magic { .. }));
    assert_eq!(refused(&with(5, 9)), WireError::Version { actual: 9 });
    assert_eq!(refused(&with(6, 3)), WireError::Kind { kind: 3, reserved: 0 });
    assert_eq!(refused(&with(7, 1)), WireError::Kind { kind: 1, reserved: 1 });
    let long = WireError::TooLong {
        kind: 1,
        actual: 0xff00_0024,
        limit: SMALL,
    };
    assert_eq!(refused(&with(8, 0xff)[..HEADER]), long);
}

#[test]
fn payloads_that_do_not_read_are_errors() {
    let mut frame = Message::NeedKeys { keys: NONE }.encode();
    frame[HEADER] = 77;
    assert!(matches!(refused(&frame), WireError::Payload { kind: 1, .. }));
    let mut longer = Message::NeedKeys { keys: NONE }.encode();
    // A field of another message: `number`.
    longer.extend([0x20, 5]);
    longer[11] += 2;
    assert!(refused(&longer).to_string().contains("does not have"));
    let mut chunk = header(KIND_CHUNK, CHUNK_HEAD);
    chunk.extend([0; CHUNK_HEAD]);
    assert!(matches!(refused(&chunk), WireError::Payload { kind: 2, .. }));
}

#[test]
fn long_reasons_are_cut_at_a_character() {
    let reason = "é".repeat(3000);
    let bytes = Message::Refused {
        blob: NONE,
        reason,
        retry_ms: None,
    }
    .encode();
    let message = Decoder::default().push(&mut &bytes[..]).unwrap().unwrap();
    assert!(matches!(message, Message::Refused { reason, .. } if reason.len() == TEXT));
}
