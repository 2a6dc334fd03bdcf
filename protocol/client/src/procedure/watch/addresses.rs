//! Whether the public addresses of this node are where they should be.

use ctdb_protocol::Pnn;
use ctdb_protocol::Srvid;
use ctdb_protocol::control::{GetIfaces, GetPublicIps};
use ctdb_protocol::message::TakeoverRun;
use ctdb_protocol::types::{ControlFlags, IfaceList, PublicIpList, SrvidMessage};
use tokio::time::Instant;

use super::Watch;
use super::pass::EndOfPass;
use super::view::View;
use crate::procedure::ask::ask;
use crate::procedure::environment::{Environment, Level};

impl<E: Environment> Watch<E> {
    /// Asks the leader for a takeover run when something is not as it should be.
    /// Upstream: `verify_local_ip_allocation`.
    pub(super) async fn check_addresses(&self, view: &View) -> Result<(), EndOfPass> {
        {
            let mut state = self.state.borrow_mut();
            if !self.leads() {
                // The leader has these too, and answers them.
                state.requests.clear();
                state.rebalance.clear();
            }
            if self.configuration.failover_disabled || state.takeovers.is_disabled(Instant::now()) {
                return Ok(());
            }
        }
        let Some(reason) = self.find_fault(view).await? else {
            return Ok(());
        };
        self.log(Level::Notice, &format!("Takeover run wanted: {reason}"));
        let request = SrvidMessage::new(self.own, Srvid(0));
        self.client
            .send_to::<TakeoverRun>(Pnn::BROADCAST_CONNECTED, &request);
        Ok(())
    }

    async fn find_fault(&self, view: &View) -> Result<Option<String>, EndOfPass> {
        let limit = view.tunables.recover_timeout();
        let interfaces = ask::<GetIfaces>(&self.client, Pnn::CURRENT, &(), limit).await?;
        let available = self
            .client
            .request::<GetPublicIps>(Pnn::CURRENT, &())
            .flags(ControlFlags::ONLY_AVAILABLE)
            .timeout(limit)
            .send()
            .await?;
        let known = ask::<GetPublicIps>(&self.client, Pnn::CURRENT, &(), limit).await?;
        if self.interfaces_changed(interfaces) {
            return Ok(Some("the interfaces changed".to_owned()));
        }
        let healthy = view.own_flags().is_empty();
        let homeless = available
            .ips
            .iter()
            .find(|ip| healthy && ip.pnn == Pnn::UNKNOWN);
        if let Some(ip) = homeless {
            return Ok(Some(format!("nobody hosts address {}", ip.addr)));
        }
        Ok(self.misplaced(&known))
    }

    fn interfaces_changed(&self, now: IfaceList) -> bool {
        let links = |list: &IfaceList| {
            list.ifaces
                .iter()
                .map(|iface| (iface.name, iface.link_state))
                .collect::<Vec<_>>()
        };
        let mut state = self.state.borrow_mut();
        let before = state.interfaces.replace(now);
        before.as_ref().map(links) != state.interfaces.as_ref().map(links)
    }

    /// An address that is not on an interface although it should be, or is although it should not.
    fn misplaced(&self, known: &PublicIpList) -> Option<String> {
        if self.configuration.test_mode {
            return None;
        }
        known.ips.iter().find_map(|ip| {
            let there = self.environment.has_address(ip.addr.ip()?);
            match (ip.pnn == self.own, there) {
                (true, false) => Some(format!("address {} is missing", ip.addr)),
                (false, true) => Some(format!("address {} is still here", ip.addr)),
                (true, true) | (false, false) => None,
            }
        })
    }
}
