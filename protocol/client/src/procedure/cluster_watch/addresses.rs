//! Whether the public addresses of this node are where they should be.

use ctdb_protocol::Pnn;
use ctdb_protocol::Srvid;
use ctdb_protocol::control::{GetIfaces, GetPublicIps};
use ctdb_protocol::message::TakeoverRun;
use ctdb_protocol::types::{ControlFlags, IfaceList, PublicIp, PublicIpList, SrvidMessage};
use tokio::time::Instant;

use super::Watch;
use super::pass::EndOfPass;
use super::view::View;
use crate::procedure::ask::ask;
use crate::procedure::environment::{Environment, Level};

/// How many faults one line names.
const FAULTS_NAMED: usize = 3;

/// Something about the addresses that a takeover run may mend.
enum Fault {
    /// It happened once, since the last look.
    Change(String),
    /// It is seen at each look until it is mended.
    Lasting(String),
}

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
        let faults = self.find_faults(view).await?;
        let Some(reason) = self.due(faults) else {
            return Ok(());
        };
        self.log(Level::Notice, &format!("Takeover run wanted: {reason}"));
        let request = SrvidMessage::new(self.own, Srvid(0));
        self.client
            .send_to::<TakeoverRun>(Pnn::BROADCAST_CONNECTED, &request);
        Ok(())
    }

    /// The faults that a run may be asked for now. One that no run has mended is left alone for longer
    /// each time: every run is work for all nodes.
    fn due(&self, faults: Vec<Fault>) -> Option<String> {
        let now = Instant::now();
        let state = &mut *self.state.borrow_mut();
        let due: Vec<String> = faults
            .into_iter()
            .filter_map(|fault| match fault {
                Fault::Change(text) => Some(text),
                Fault::Lasting(text) if state.wanting.allow(&text, now) => {
                    let (attempts, pause) = state.wanting.attempt(text.clone(), now);
                    let next = format!("{text} (request {attempts}, the next after {pause:?})");
                    Some(if attempts > 1 { next } else { text })
                }
                Fault::Lasting(_) => None,
            })
            .collect();
        // One line, however many addresses there are.
        let more = due.len().saturating_sub(FAULTS_NAMED);
        let mut text = due[..due.len() - more].join(", ");
        if more > 0 {
            text.push_str(&format!(", and {more} more"));
        }
        (!due.is_empty()).then_some(text)
    }

    async fn find_faults(&self, view: &View) -> Result<Vec<Fault>, EndOfPass> {
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
        let mut faults = Vec::new();
        if self.interfaces_changed(interfaces) {
            faults.push(Fault::Change("the interfaces changed".to_owned()));
        }
        let healthy = view.own_flags().is_empty();
        let homeless = available
            .ips
            .iter()
            .filter(|ip| healthy && ip.pnn == Pnn::UNKNOWN)
            .map(|ip| Fault::Lasting(format!("nobody hosts address {}", ip.addr)));
        faults.extend(homeless);
        faults.extend(self.misplaced(&known));
        Ok(faults)
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

    /// Addresses that are not on an interface although they should be, or are although they should not.
    fn misplaced(&self, known: &PublicIpList) -> Vec<Fault> {
        if self.configuration.test_mode || known.ips.is_empty() {
            return Vec::new();
        }
        let here = self.environment.addresses();
        let fault = |ip: &PublicIp| match (ip.pnn == self.own, here.contains(&ip.addr.ip()?)) {
            (true, false) => Some(format!("address {} is missing", ip.addr)),
            (false, true) => Some(format!("address {} is still here", ip.addr)),
            (true, true) | (false, false) => None,
        };
        known
            .ips
            .iter()
            .filter_map(fault)
            .map(Fault::Lasting)
            .collect()
    }
}
