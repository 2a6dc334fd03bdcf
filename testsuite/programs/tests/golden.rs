//! Bytes made by C decode, and encode to the same bytes. The files are `testsuite/vectors`.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::PathBuf;

use ctdb_test_programs::wire_check::{Tally, check_capture, check_vectors};

/// A file of the vectors folder, unpacked.
fn unpacked(name: &str) -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../vectors")
        .join(name);
    let mut reader = BufReader::new(File::open(&file).expect("the file is in the repository"));
    let mut bytes = Vec::new();
    lzma_rs::xz_decompress(&mut reader, &mut bytes).expect("the file is xz");
    bytes
}

#[test]
fn vectors_of_both_seeds() {
    for seed in ["seed1.txt.xz", "seed2.txt.xz"] {
        let tally = check_vectors(Cursor::new(unpacked(seed))).expect("memory can be read");
        assert_eq!(tally, Tally { ok: 697, failed: 0 }, "{seed}");
    }
}

/// What each frame of a capture says of its CTDB packet's length; all there is has to be these packets.
fn lengths(mut capture: &[u8]) -> Vec<u32> {
    const FILE_HEADER: usize = 24;
    const FRAME_HEADER: usize = 16;
    const TAGS: usize = 20;
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
    let mut lengths = Vec::new();
    capture = &capture[FILE_HEADER..];
    while !capture.is_empty() {
        let captured = word(&capture[8..]) as usize;
        let (frame, rest) = capture[FRAME_HEADER..].split_at(captured);
        let length = word(&frame[TAGS..]);
        assert_eq!(captured - TAGS, length as usize);
        lengths.push(length);
        capture = rest;
    }
    lengths
}

#[test]
fn capture_of_a_whole_life() {
    let file = std::env::temp_dir().join(format!("wire-check-{}.pcapng", std::process::id()));
    std::fs::write(&file, unpacked("three-c-nodes-4.22.pcapng.xz")).expect("temp is writable");
    let cut = file.with_extension("cut");
    let tally = check_capture(&file, Some(&cut)).expect("the capture is read");
    let frames = lengths(&std::fs::read(&cut).expect("the cut is there"));
    for file in [file, cut] {
        std::fs::remove_file(&file).expect("it was just written");
    }
    assert_eq!(frames.len(), 42_928, "each packet in a frame");
    assert_eq!(
        tally,
        Tally {
            ok: 42_928,
            failed: 0
        }
    );
}

#[test]
fn a_changed_byte_is_noticed() {
    // GET_BAN_STATE's reply with a byte too many, a truth value that is none, a lost byte.
    for line in [
        "data ctdb_reply_control_data 110 b21f6a7c7359b40700",
        "data ctdb_req_control_data 155 612c5a6102",
        "data ctdb_req_control_data 16 000000",
        "packet ctdb_req_keepalive 0 2800000000",
    ] {
        let tally = check_vectors(Cursor::new(line)).expect("memory can be read");
        assert_eq!(tally, Tally { ok: 0, failed: 1 }, "{line}");
    }
}
