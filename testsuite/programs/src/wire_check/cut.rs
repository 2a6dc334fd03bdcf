//! A capture with each CTDB packet in a frame of its own.
//!
//! tshark's dissector of CTDB does not put segments together: of a packet that spans several it sees the first one
//! only, and may call that malformed. So it is given packets in Wireshark's format for what was taken out of
//! other protocols (link type 252): a list of tags that names the dissector, then the bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// What tshark reads at most in one frame.
const LONGEST: usize = 1 << 18;

/// Tag with the name of a heuristic dissector.
const HEURISTIC: u16 = 13;

/// The dissector; its name is padded to whole words.
const DISSECTOR: &[u8; 12] = b"ctdb_tcp\0\0\0\0";

/// The file being written.
#[derive(Debug)]
pub(super) struct Cut {
    file: BufWriter<File>,
}

impl Cut {
    /// Makes the file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        /// Little endian, times in microseconds.
        const MAGIC: u32 = 0xa1b2_c3d4;
        const VERSION: [u16; 2] = [2, 4];
        const UPPER_PDU: u32 = 252;
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&MAGIC.to_le_bytes())?;
        for number in VERSION {
            file.write_all(&number.to_le_bytes())?;
        }
        // Time zone, accuracy, longest frame, link type.
        for word in [0, 0, word(LONGEST)?, UPPER_PDU] {
            file.write_all(&word.to_le_bytes())?;
        }
        Ok(Self { file })
    }

    /// Writes one packet, a second after the one before; one that is too long for tshark is an error.
    pub(super) fn put(&mut self, number: u64, packet: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(packet.len() + 20);
        frame.extend_from_slice(&HEURISTIC.to_be_bytes());
        frame.extend_from_slice(&(DISSECTOR.len() as u16).to_be_bytes());
        frame.extend_from_slice(DISSECTOR);
        // Tag and length of the end of the list.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(packet);
        if frame.len() > LONGEST {
            return Err(io::Error::other(format!(
                "packet {number} of {} bytes is too long for tshark",
                packet.len()
            )));
        }
        let length = word(frame.len())?;
        let seconds = u32::try_from(number).map_err(io::Error::other)?;
        for word in [seconds, 0, length, length] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(&frame)
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn word(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(io::Error::other)
}
