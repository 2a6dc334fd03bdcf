//! Controls about public addresses and connections to them.

use ctdb_protocol::control as c;

use super::body::{
    address, elsewhere, elsewhere_here, interface, new_described, none, public, public_described,
    public_here, public_there, to_elsewhere, to_public, without_interface, words,
};
use super::{Code, Data, Done, Exact, Least, NO, Normal, Recovery, Row, own, row};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        own::<c::TcpClient>(
            Exact,
            &[
                (Normal, to_elsewhere, Done),
                (Recovery, to_elsewhere, Done),
                (Normal, to_public, NO),
            ],
        ),
        own::<c::TcpClientDisconnected>(
            Exact,
            &[(Normal, to_public, Done), (Recovery, to_public, Done)],
        ),
        own::<c::TcpClientPassed>(
            Exact,
            &[(Normal, to_public, Done), (Recovery, to_public, Done)],
        ),
        row::<c::TcpAdd>(
            Exact,
            &[
                (Normal, to_public, Done),
                (Recovery, to_public, Done),
                (Normal, to_elsewhere, NO),
            ],
        ),
        row::<c::TcpAddDelayedUpdate>(
            Exact,
            &[
                (Normal, to_public, Done),
                (Recovery, to_public, Done),
                (Normal, to_elsewhere, NO),
            ],
        ),
        row::<c::TcpRemove>(
            Exact,
            &[
                (Normal, to_public, Done),
                (Recovery, to_public, Done),
                (Normal, to_elsewhere, Done),
            ],
        ),
        row::<c::GetTcpTickleList>(
            Exact,
            &[
                (Normal, public, Data),
                (Recovery, public, Data),
                (Normal, elsewhere, Code(1)),
            ],
        ),
        row::<c::SetTcpTickleList>(
            Least,
            &[
                (Normal, |_| [address(9), words(&[0])].concat(), Done),
                (Recovery, |_| [address(9), words(&[0])].concat(), Done),
                (Normal, |_| [address(8), words(&[0])].concat(), Code(1)),
            ],
        ),
        row::<c::SendGratuitousArp>(
            Exact,
            &[
                (Normal, public_described, Done),
                (Recovery, public_described, Done),
            ],
        ),
        row::<c::AddPublicIp>(
            Exact,
            &[
                (Normal, new_described, Done),
                (Recovery, new_described, Done),
                (Normal, public_described, NO),
                (Normal, without_interface, NO),
            ],
        ),
        row::<c::DelPublicIp>(
            Exact,
            &[
                (Normal, public_described, Done),
                (Recovery, public_described, Done),
                (Normal, new_described, NO),
            ],
        ),
        row::<c::ReleaseIp>(
            Exact,
            &[
                (Normal, public_there, Done),
                (Recovery, public_there, Done),
                (Normal, elsewhere_here, Done),
            ],
        ),
        row::<c::TakeoverIp>(
            Exact,
            &[
                (Normal, public_here, Done),
                (Normal, elsewhere_here, Done),
                (Recovery, public_here, NO),
                (Normal, public_there, NO),
            ],
        ),
        row::<c::GetPublicIps>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::GetPublicIpInfo>(
            Exact,
            &[
                (Normal, public, Data),
                (Recovery, public, Data),
                (Normal, elsewhere, NO),
            ],
        ),
        row::<c::GetIfaces>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::SetIfaceLinkState>(
            Exact,
            &[
                (Normal, |_| interface("eth0", 0, 0), Done),
                (Recovery, |_| interface("eth0", 0, 0), Done),
                (Normal, |_| interface("eth0", 2, 0), NO),
                (Normal, |_| interface("eth0", 1, 1), NO),
                (Normal, |_| interface("eth9", 1, 0), NO),
            ],
        ),
        row::<c::ReloadPublicIps>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::Ipreallocated>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::StartIpreallocate>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
    ]
}
