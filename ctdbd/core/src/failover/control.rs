// SPDX-License-Identifier: GPL-3.0-or-later
//! The controls that this service answers. It answers them itself, most of them when the machine has been asked or a
//! script has ended.

use ctdb_protocol::control::FailoverRequest as Request;
use ctdb_protocol::types::ControlFlags;

use super::{Edge, Failover};
use crate::context::Context;
use crate::control::{Answer, Asker};

impl Failover {
    /// A control of any node; `flags` are those of its packet.
    pub(crate) fn control(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        flags: ControlFlags,
        request: Request,
    ) -> Answer {
        match request {
            // A connection belongs to a client of this node.
            Request::TcpClient(_)
            | Request::TcpClientDisconnected(_)
            | Request::TcpClientPassed(_)
                if !asker.local =>
            {
                return Answer::Status(-1);
            }
            Request::TcpClient(connection) => self.tcp_client(cx, asker, connection),
            Request::TcpClientDisconnected(connection) => {
                self.tcp_client_disconnected(cx, asker, connection);
            }
            Request::TcpClientPassed(connection) => self.tcp_client_passed(cx, asker, connection),
            Request::TcpAdd(connection) => self.tcp_add(cx, asker, connection, false),
            Request::TcpAddDelayedUpdate(connection) => self.tcp_add(cx, asker, connection, true),
            Request::TcpRemove(connection) => self.tcp_remove(cx, asker, connection),
            Request::GetTcpTickleList(address) => self.get_tcp_tickle_list(cx, asker, address),
            Request::SetTcpTickleList(list) => self.set_tcp_tickle_list(cx, asker, list),
            Request::SendGratuitousArp(info) => self.send_gratuitous_arp(cx, asker, &info),
            Request::AddPublicIp(info) => self.add_public_ip(cx, asker, info),
            Request::DelPublicIp(info) => self.del_public_ip(cx, asker, &info),
            Request::ReloadPublicIps(()) => self.reload_public_ips(cx, asker),
            Request::TakeoverIp(ip) => self.takeover_ip(cx, asker, ip),
            Request::ReleaseIp(ip) => self.release_ip(cx, asker, ip),
            Request::GetPublicIps(()) => self.get_public_ips(cx, asker, flags),
            Request::GetPublicIpInfo(address) => self.get_public_ip_info(cx, asker, address),
            Request::GetIfaces(()) => self.get_ifaces(cx, asker),
            Request::SetIfaceLinkState(interface) => {
                self.set_iface_link_state(cx, asker, &interface);
            }
            Request::StartIpreallocate(()) => self.run_edge(cx, asker, Edge::Begin),
            Request::Ipreallocated(()) => self.run_edge(cx, asker, Edge::End),
            Request::Startup(()) => self.startup(cx, asker),
        }
        Answer::Taken
    }
}
