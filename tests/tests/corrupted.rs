//! Bytes that no correct peer sends: each gives the error that its file names, none a panic, and none memory for
//! what it only promises (a list of 2^60 entries would end the process).

mod vectors;

use std::fs;

use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::wire::{Frame, FrameDecoder, Limits, Message, ToCoordinator, ToParty};
use hedgerow_tests::deployment::{Deployment, Shape};
use vectors::Vector;

fn run_limits() -> Limits {
    Limits::for_run(&Deployment::new(&Shape::masked(4, 3)).config)
}

/// Reads the bytes as their file says and gives the name of the error.
fn read(vector: &Vector) -> Result<(), String> {
    let frame = |limits: Limits| Frame::decode(&vector.bytes, &limits);
    let name = |error: &dyn std::fmt::Debug| {
        let text = format!("{error:?}");
        text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
    };
    match vector.header("read as") {
        "to_party" => frame(Limits::control())
            .and_then(|f| ToParty::from_frame(&f))
            .map(drop)
            .map_err(|e| name(&e)),
        "to_coordinator" => frame(Limits::control())
            .and_then(|f| ToCoordinator::from_frame(&f))
            .map(drop)
            .map_err(|e| name(&e)),
        "to_coordinator_in_run" => frame(run_limits())
            .and_then(|f| ToCoordinator::from_frame(&f))
            .map(drop)
            .map_err(|e| name(&e)),
        "config" => RunConfig::from_bytes(&vector.bytes)
            .map(drop)
            .map_err(|e| name(&e)),
        other => panic!("nobody reads {other}"),
    }
}

#[test]
fn each_file_gives_its_error() {
    let mut files = 0;
    for entry in fs::read_dir(vectors::folder("corrupted")).unwrap() {
        let path = entry.unwrap().path();
        let vector = vectors::read(&path);
        let error = read(&vector).expect_err(&format!("{} was accepted", path.display()));
        assert_eq!(error, vector.header("expect"), "{}", path.display());
        files += 1;
    }
    assert!(files >= 40, "{files} files");
}

/// What arrives in pieces is judged as what arrives at once, and no earlier than it can be.
#[test]
fn the_stream_decoder_agrees() {
    for entry in fs::read_dir(vectors::folder("corrupted")).unwrap() {
        let vector = vectors::read(&entry.unwrap().path());
        if vector.header("read as") == "config" {
            continue;
        }
        let at_once = Frame::decode(&vector.bytes, &run_limits());
        let mut decoder = FrameDecoder::new(run_limits());
        let (mut frames, mut error) = (Vec::new(), None);
        for byte in &vector.bytes {
            match decoder.push(std::slice::from_ref(byte)) {
                Ok((taken, frame)) => {
                    assert_eq!(taken, 1);
                    frames.extend(frame);
                }
                Err(found) => {
                    error.get_or_insert(found);
                }
            }
        }
        match at_once {
            Ok(frame) => assert_eq!((frames, error), (vec![frame], None)),
            // A stream that has not ended yet is no error, and bytes after a frame begin the next one.
            Err(expected) if vector.header("expect") == "Truncated" => {
                assert!(error.is_none() || error.is_some_and(|error| error != expected));
            }
            Err(expected) => assert_eq!((frames, error), (vec![], Some(expected))),
        }
    }
}

/// Every prefix of every good frame is an error.
#[test]
fn no_prefix_is_a_message() {
    for entry in fs::read_dir(vectors::folder("wire")).unwrap() {
        let bytes = vectors::read(&entry.unwrap().path()).bytes;
        for length in 0..bytes.len() {
            assert!(Frame::decode(&bytes[..length], &run_limits()).is_err());
        }
        assert!(Frame::decode(&bytes, &run_limits()).is_ok());
    }
}

/// One bit of a configuration's bytes is another configuration, or none.
#[test]
fn a_flipped_bit_is_not_the_configuration_that_was_signed() {
    let config = Deployment::new(&Shape {
        epsilon: Some(1.0),
        ..Shape::masked(5, 4)
    })
    .config;
    let good = config.to_bytes();
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = RunConfig::from_bytes(&bytes) {
            assert_ne!(other.digest(), config.digest(), "bit {bit}");
        }
    }
}
