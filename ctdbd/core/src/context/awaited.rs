//! What comes back to a service: timers, answers of the shell, answers of other nodes. Each service says in
//! types of its own what they are for; here they stand side by side so that the router can tell whose they are.

use ctdb_protocol::id::ReqId;

use crate::{cluster, database, failover, health, proxy, transport};

/// Makes an enum of one variant per service, and each service's own type its variant.
macro_rules! of_services {
    ($(#[$meta:meta])* $name:ident { $($(#[$also:meta])* $service:ident($type:ty)),* $(,)? } $(and { $($rest:tt)* })?) => {
        $(#[$meta])*
        pub enum $name {
            $(
                $(#[$also])*
                $service($type),
            )*
            $($($rest)*)?
        }

        $(
            impl From<$type> for $name {
                fn from(value: $type) -> Self {
                    Self::$service(value)
                }
            }
        )*
    };
}
pub(crate) use of_services;

of_services! {
    /// Why the core wants to be woken.
    #[derive(Debug)]
    Due {
        /// Of the cluster service.
        Cluster(cluster::Due),
        /// Of the database service.
        Database(database::Due),
        /// Of the failover service.
        Failover(failover::Due),
        /// Of the health service.
        Health(health::Due),
        /// Of the proxy.
        Proxy(proxy::Due),
        /// Of the transport.
        Transport(transport::Due),
    } and {
        /// A control was not answered in time.
        Request(ReqId),
        /// An interval of the counters' history ends.
        Second,
    }
}

of_services! {
    /// What an answer of the shell, named by its ticket, is for.
    #[derive(Debug)]
    Awaited {
        /// An event.
        Event(Then),
        /// Of the cluster service.
        Cluster(cluster::Awaited),
        /// Of the database service.
        Database(database::Awaited),
        /// The public addresses file.
        Failover(failover::AddressesWanted),
    }
}

of_services! {
    /// What the end of an event is for.
    #[derive(Debug)]
    Then {
        /// The cluster service goes on.
        Cluster(cluster::AfterEvent),
        /// The failover service goes on.
        Failover(failover::AfterEvent),
        /// The node is healthy, or is not.
        Health(health::AfterEvent),
    }
}

of_services! {
    /// What a control sent to a node is waiting for.
    #[derive(Debug)]
    Asked {
        /// A client's control: the answer goes back to it.
        Proxy(proxy::Asked),
        /// A part of something that the database service does.
        Database(database::Asked),
        /// A question of the cluster service.
        Cluster(cluster::Asked),
    }
}
