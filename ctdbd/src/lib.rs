//! The daemon's shell: everything with sockets, processes and files around the deterministic core, and
//! the helper programs.

pub mod boot;
pub mod busy_poll;
pub mod clients;
pub mod cluster_lock;
pub mod cluster_watch;
pub mod cmdline;
pub mod config_check;
pub mod config_tool;
pub mod event_loop;
pub mod eventd;
pub mod inbound;
pub mod inquiry;
pub mod killtcp;
pub mod lock_helper;
pub mod log;
pub mod news;
pub mod outbound;
pub mod packet_socket;
pub mod path_tool;
pub mod peers;
pub mod pidfile;
pub mod ping_pong;
pub mod procedure_helper;
pub mod record_helper;
mod small_tool;
pub mod socket;
pub mod socket_daemon;
pub mod statd;
pub mod store;
pub mod sys;
pub mod takeover;
pub mod tdb_mutex_check;
pub mod watchdog;
