//! TCP segments out of a capture file.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

/// A TCP segment.
pub(super) struct Segment<'a> {
    /// The sender.
    pub(super) from: SocketAddr,
    /// The receiver.
    pub(super) to: SocketAddr,
    /// Sequence number of the first byte.
    pub(super) sequence: u32,
    /// Does it open the connection?
    pub(super) syn: bool,
    /// The bytes.
    pub(super) payload: &'a [u8],
}

/// Reads a pcap or pcapng file and hands each TCP segment to `take`.
pub(super) fn read(file: &Path, mut take: impl FnMut(&Segment<'_>)) -> io::Result<()> {
    /// Larger than any block: a frame on loopback is at most 64 KiB.
    const BUFFER: usize = 1 << 20;
    let mut reader = create_reader(BUFFER, File::open(file)?).map_err(malformed)?;
    let mut linktypes = Vec::new();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                if let Some((linktype, frame)) = frame(&block, &mut linktypes)
                    && let Some(segment) = segment(linktype, frame)
                {
                    take(&segment);
                }
                reader.consume(offset);
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => reader.refill().map_err(malformed)?,
            Err(error) => return Err(malformed(error)),
        }
    }
}

fn malformed(error: impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("not a capture: {error:?}"))
}

/// The frame in a block, if it holds one. `linktypes` is what the interfaces were said to be.
fn frame<'a>(
    block: &'a PcapBlockOwned<'_>,
    linktypes: &mut Vec<Linktype>,
) -> Option<(Linktype, &'a [u8])> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            linktypes.push(header.network);
            None
        }
        PcapBlockOwned::Legacy(block) => Some((
            *linktypes.first()?,
            block.data.get(..block.caplen as usize)?,
        )),
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            linktypes.clear();
            None
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
            linktypes.push(interface.linktype);
            None
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
            let linktype = *linktypes.get(block.if_id as usize)?;
            Some((linktype, block.data.get(..block.caplen as usize)?))
        }
        PcapBlockOwned::NG(_) => None,
    }
}

fn segment(linktype: Linktype, frame: &[u8]) -> Option<Segment<'_>> {
    let sliced = match linktype {
        Linktype::ETHERNET => SlicedPacket::from_ethernet(frame),
        Linktype::LINUX_SLL => SlicedPacket::from_linux_sll(frame),
        _ => SlicedPacket::from_ip(frame),
    }
    .ok()?;
    let (from, to): (IpAddr, IpAddr) = match sliced.net.as_ref()? {
        NetSlice::Ipv4(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        NetSlice::Ipv6(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        NetSlice::Arp(_) => return None,
    };
    let TransportSlice::Tcp(tcp) = sliced.transport? else {
        return None;
    };
    Some(Segment {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        syn: tcp.syn(),
        payload: tcp.payload(),
    })
}
