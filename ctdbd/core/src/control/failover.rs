//! Controls about public addresses and the connections to them: handed to the failover service, which
//! answers them itself.

use ctdb_protocol::control::Request;
use ctdb_protocol::types::ControlFlags;

use super::dispatch::Answer;
use crate::failover::Edge;
use crate::node::Node;
use crate::shared::Asker;

impl Node {
    /// A control that is none of the other services'.
    pub(crate) fn address_control(
        &mut self,
        asker: Asker,
        flags: ControlFlags,
        request: Request,
    ) -> Answer {
        let local = self.local_client(asker).is_some();
        let Self {
            shared: cx,
            failover,
            ..
        } = self;
        match request {
            // A connection belongs to a client of this node.
            Request::TcpClient(_)
            | Request::TcpClientDisconnected(_)
            | Request::TcpClientPassed(_)
                if !local =>
            {
                return Answer::Status(-1);
            }
            Request::TcpClient(connection) => failover.tcp_client(cx, asker, connection),
            Request::TcpClientDisconnected(connection) => {
                failover.tcp_client_disconnected(cx, asker, connection)
            }
            Request::TcpClientPassed(connection) => {
                failover.tcp_client_passed(cx, asker, connection)
            }
            Request::TcpAdd(connection) => failover.tcp_add(cx, asker, connection, false),
            Request::TcpAddDelayedUpdate(connection) => {
                failover.tcp_add(cx, asker, connection, true)
            }
            Request::TcpRemove(connection) => failover.tcp_remove(cx, asker, connection),
            Request::GetTcpTickleList(address) => failover.get_tcp_tickle_list(cx, asker, address),
            Request::SetTcpTickleList(list) => failover.set_tcp_tickle_list(cx, asker, list),
            Request::SendGratuitousArp(info) => failover.send_gratuitous_arp(cx, asker, &info),
            Request::AddPublicIp(info) => failover.add_public_ip(cx, asker, info),
            Request::DelPublicIp(info) => failover.del_public_ip(cx, asker, &info),
            Request::ReloadPublicIps(()) => failover.reload_public_ips(cx, asker),
            Request::TakeoverIp(ip) => failover.takeover_ip(cx, asker, ip),
            Request::ReleaseIp(ip) => failover.release_ip(cx, asker, ip),
            Request::GetPublicIps(()) => failover.get_public_ips(cx, asker, flags),
            Request::GetPublicIpInfo(address) => failover.get_public_ip_info(cx, asker, address),
            Request::GetIfaces(()) => failover.get_ifaces(cx, asker),
            Request::SetIfaceLinkState(interface) => {
                failover.set_iface_link_state(cx, asker, &interface)
            }
            Request::StartIpreallocate(()) => failover.run_edge(cx, asker, Edge::Begin),
            Request::Ipreallocated(()) => failover.run_edge(cx, asker, Edge::End),
            Request::Startup(()) => failover.startup(cx, asker),
            other => {
                cx.error(format!("Control {} has no handler", other.code()));
                return Answer::Status(-1);
            }
        }
        Answer::Taken
    }
}
